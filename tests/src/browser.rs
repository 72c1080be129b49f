//! A real browser: one headless Chromium, with as many separate profiles as a story has people.
//!
//! Chromium takes loopback for trustworthy: on plain `http://127.0.0.1:PORT` as on `http://localhost:PORT` it keeps cookies
//! with `Secure` and the prefixes `__Host-` and `__Secure-`, and sends them back. So the harness's public URL
//! (`http://127.0.0.1:PORT`) is good for sign-in as it is. Cookies know no ports: everything on `127.0.0.1` is one site with one
//! jar. A provider that has to be another site is [`crate::identity_provider::Settings::on_localhost`].

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::Mutex;

use crate::conversation::Conversation;
use crate::files::tests_folder;

/// A running Chromium. Ends when it and its pages are dropped.
#[derive(Debug, Clone)]
pub struct Browser(Arc<Mutex<Driver>>);

#[derive(Debug)]
struct Driver {
    conversation: Conversation,
    last: u64,
    // Chromium's profile is in it, until its process has ended.
    _folder: TempDir,
}

/// How somebody looks at pages.
#[derive(Debug, Clone, Copy)]
pub struct Profile {
    /// Width and height of the window in CSS pixels.
    pub size: (u32, u32),
    /// Whether pages may run scripts.
    pub javascript: bool,
    /// Prefers dark pages.
    pub dark: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            size: (1280, 800),
            javascript: true,
            dark: false,
        }
    }
}

/// Something on a page. Fails when a page has none, or more than one where one is needed.
#[derive(Debug, Clone, Copy)]
pub enum Find<'a> {
    /// The button with exactly this name.
    Button(&'a str),
    /// The link with exactly this name.
    Link(&'a str),
    /// The heading with exactly this text.
    Heading(&'a str),
    /// The field with exactly this label.
    Label(&'a str),
    /// What contains this text.
    Text(&'a str),
    /// A CSS selector.
    Css(&'a str),
}

impl Find<'_> {
    fn to_json(self) -> Value {
        let role = |role: &str, name: &str| json!({"by": "role", "name": role, "value": name});
        match self {
            Self::Button(name) => role("button", name),
            Self::Link(name) => role("link", name),
            Self::Heading(name) => role("heading", name),
            Self::Label(label) => json!({"by": "label", "value": label}),
            Self::Text(text) => json!({"by": "text", "value": text}),
            Self::Css(selector) => json!({"by": "selector", "value": selector}),
        }
    }
}

impl Browser {
    /// Starts Chromium, with nothing remembered.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start() -> Self {
        let folder = TempDir::new().expect("the temporary folder is writable");
        let mut command = Command::new("node");
        command
            .arg(tests_folder().join("node/browser.mjs"))
            .env("CHROMIUM", chromium())
            .env("TMPDIR", folder.path());
        let conversation = Conversation::start("browser", command, folder.path()).await;
        Self(Arc::new(Mutex::new(Driver {
            conversation,
            last: 0,
            _folder: folder,
        })))
    }

    /// A page in a profile of its own: no cookie is shared with another one.
    pub async fn open(&self, profile: Profile) -> Page {
        let mut driver = self.0.lock().await;
        let id = driver.last + 1;
        let (width, height) = profile.size;
        driver
            .send(json!({"profile": id, "do": "open", "width": width, "height": height, "javascript": profile.javascript, "dark": profile.dark}))
            .await;
        drop(driver);
        Page {
            browser: self.clone(),
            profile: id,
        }
    }
}

impl Driver {
    async fn send(&mut self, mut command: Value) -> Value {
        self.last += 1;
        command["id"] = self.last.into();
        self.conversation.send(&command).await;
        let mut answer = self.conversation.receive().await;
        assert_eq!(answer["id"], self.last, "{answer}");
        if let Some(error) = answer["error"].as_str() {
            panic!("{command}: {error}");
        }
        answer["result"].take()
    }
}

/// A page of a profile. Each method waits until what it asks for is there, and panics with what is there instead.
#[derive(Debug)]
pub struct Page {
    browser: Browser,
    profile: u64,
}

#[expect(
    clippy::missing_panics_doc,
    reason = "said once, for all of them, at the type"
)]
impl Page {
    /// Goes to a URL and returns the status of the page that comes in the end.
    pub async fn goto(&self, url: &str) -> u16 {
        let answer = self.send(json!({"do": "goto", "url": url})).await;
        status(&answer)
    }

    /// Loads the page once more.
    pub async fn reload(&self) -> u16 {
        status(&self.send(json!({"do": "reload"})).await)
    }

    /// Fills a field.
    pub async fn fill(&self, field: Find<'_>, text: &str) {
        self.on("fill", field, json!({"text": text})).await;
    }

    /// Chooses an option by its label or value.
    pub async fn select(&self, field: Find<'_>, option: &str) {
        self.on("select", field, json!({"text": option})).await;
    }

    /// Checks a box.
    pub async fn check(&self, field: Find<'_>) {
        self.on("check", field, json!({})).await;
    }

    /// Clicks, and waits for the navigation that this starts.
    pub async fn click(&self, what: Find<'_>) {
        self.on("click", what, json!({})).await;
    }

    /// Waits until this is on the page and visible.
    pub async fn wait_for(&self, what: Find<'_>) {
        self.on("wait", what, json!({})).await;
    }

    /// Waits until a page with a URL that begins like this is loaded, and returns the URL.
    pub async fn wait_for_url(&self, prefix: &str) -> String {
        let url = self
            .send(json!({"do": "wait_for_url", "prefix": prefix}))
            .await;
        text(url)
    }

    /// Where the page is.
    pub async fn url(&self) -> String {
        text(self.send(json!({"do": "url"})).await)
    }

    /// The document as it stands.
    pub async fn html(&self) -> String {
        text(self.send(json!({"do": "html"})).await)
    }

    /// What a person reads there.
    pub async fn text(&self, what: Find<'_>) -> String {
        text(self.on("text", what, json!({})).await)
    }

    /// What stands in a field.
    pub async fn value(&self, field: Find<'_>) -> String {
        text(self.on("value", field, json!({})).await)
    }

    /// How many of these are on the page now.
    pub async fn count(&self, what: Find<'_>) -> u64 {
        let count = self.on("count", what, json!({})).await;
        count.as_u64().expect("a count is a number")
    }

    /// What a script that the test runs answers; pages whose own scripts are off answer too.
    pub async fn evaluate(&self, script: &str) -> Value {
        self.send(json!({"do": "evaluate", "script": script})).await
    }

    /// The profile's cookies: objects with `name`, `value`, `domain`, `path`, `secure`, `httpOnly`, `sameSite`, `expires`.
    pub async fn cookies(&self) -> Vec<Value> {
        let cookies = self.send(json!({"do": "cookies"})).await;
        cookies.as_array().cloned().expect("cookies are a list")
    }

    /// Throws all cookies away.
    pub async fn forget_cookies(&self) {
        self.send(json!({"do": "forget_cookies"})).await;
    }

    /// Changes the size of the window.
    pub async fn resize(&self, width: u32, height: u32) {
        self.send(json!({"do": "viewport", "width": width, "height": height}))
            .await;
    }

    /// Takes a picture of the whole page, into the target folder's `screenshots`, and returns where it is.
    pub async fn screenshot(&self, name: &str) -> PathBuf {
        let path = screenshots().join(format!("{name}.png"));
        self.send(json!({"do": "screenshot", "path": path})).await;
        path
    }

    /// What its pages have complained about since the last time: errors on the console, violations of the content security
    /// policy, exceptions; each with the URL.
    pub async fn complaints(&self) -> Vec<String> {
        let complaints = self.send(json!({"do": "complaints"})).await;
        let complaints = complaints.as_array().expect("complaints are a list");
        complaints
            .iter()
            .map(|complaint| format!("{}: {}", complaint["url"], complaint["text"]))
            .collect()
    }

    /// Ends the profile and forgets all that was in it.
    pub async fn close(self) {
        self.send(json!({"do": "close"})).await;
    }

    async fn on(&self, action: &str, what: Find<'_>, mut command: Value) -> Value {
        command["do"] = action.into();
        command["locator"] = what.to_json();
        self.send(command).await
    }

    async fn send(&self, mut command: Value) -> Value {
        command["profile"] = self.profile.into();
        self.browser.0.lock().await.send(command).await
    }
}

/// Where pictures are kept, beside the binaries: `target/screenshots`.
fn screenshots() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let target = test
        .ancestors()
        .nth(3)
        .expect("tests run from target/PROFILE/deps");
    target.join("screenshots")
}

fn chromium() -> &'static str {
    let known = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    known
        .into_iter()
        .find(|path| Path::new(path).exists())
        .expect("no Chromium is installed: run `make test` once, which installs it")
}

fn status(answer: &Value) -> u16 {
    let status = answer["status"].as_u64().expect("a page has a status");
    u16::try_from(status).expect("a status has three digits")
}

fn text(value: Value) -> String {
    value.as_str().expect("a text").to_owned()
}
