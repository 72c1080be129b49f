//! A browser, as far as the pages notice: it keeps cookies, says where a form came from, and sends back the
//! token that it found in the page.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;
use warder_control_plane::{authorize, service::sign_in};

use crate::support::Scene;

/// The password of everyone who has one.
pub(crate) const PASSWORD: &str = "a lamp by the river";

/// Where the pages are.
pub(crate) const ORIGIN: &str = "https://warder.example.com";

/// A browser with an empty profile.
pub(crate) struct Browser<'s> {
    scene: &'s Scene,
    address: SocketAddr,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// What it shows.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl<'s> Browser<'s> {
    pub(crate) fn new(scene: &'s Scene) -> Self {
        Self::at(scene, "198.51.100.1")
    }

    pub(crate) fn at(scene: &'s Scene, address: &str) -> Self {
        Self {
            scene,
            address: SocketAddr::new(address.parse().unwrap(), 40_000),
            cookies: Mutex::default(),
        }
    }

    /// One in which somebody has signed in with their password, which they are given first.
    pub(crate) async fn signed_in(scene: &'s Scene, email: &str) -> Self {
        set_password(scene, email).await;
        let browser = Self::new(scene);
        let page = browser.sign_in(email, PASSWORD).await;
        assert_eq!(page.location(), Some("/"), "{page:?}");
        browser
    }

    pub(crate) async fn sign_in(&self, email: &str, password: &str) -> Page {
        let page = self.get("/login").await;
        let fields = [("email", email), ("password", password)];
        self.submit(&page, "/login", &fields).await
    }

    pub(crate) async fn get(&self, path: &str) -> Page {
        self.send(Request::get(path).body(Body::empty()).unwrap())
            .await
    }

    /// Sends a form of a page.
    pub(crate) async fn submit(&self, page: &Page, action: &str, fields: &[(&str, &str)]) -> Page {
        let fields = [&[("csrf", page.csrf())], fields].concat();
        self.post(
            action,
            &fields,
            &[("origin", "null"), ("sec-fetch-site", "same-origin")],
        )
        .await
    }

    /// Loads a page and sends a form to the path of another.
    pub(crate) async fn fill(&self, page: &str, action: &str, fields: &[(&str, &str)]) -> Page {
        let page = self.get(page).await;
        self.submit(&page, action, fields).await
    }

    /// Sends these fields with these headers.
    pub(crate) async fn post(
        &self,
        action: &str,
        fields: &[(&str, &str)],
        headers: &[(&'static str, &str)],
    ) -> Page {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.extend_pairs(fields).finish();
        let mut request = Request::post(action)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(body))
            .unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        self.send(request).await
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<String> {
        self.jar().get(name).cloned()
    }

    pub(crate) fn set_cookie(&self, name: &str, value: &str) {
        self.jar().insert(name.into(), value.into());
    }

    async fn send(&self, mut request: Request<Body>) -> Page {
        let cookies: Vec<_> = self
            .jar()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !cookies.is_empty() {
            let line = cookies.join("; ").parse().unwrap();
            request.headers_mut().insert(header::COOKIE, line);
        }
        request.extensions_mut().insert(self.address);
        let response = self.scene.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        self.scene.pass(chrono::Duration::milliseconds(1));
        for line in parts.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            assert!(
                line.contains("; HttpOnly")
                    && line.contains("; Secure")
                    && line.contains("; SameSite=Lax")
                    && line.contains("; Path=/")
                    && !line.contains("Domain"),
                "{line}"
            );
            let (name, rest) = line.split_once('=').unwrap();
            assert!(name.starts_with("__Host-warder-"), "{name}");
            if line.contains("Max-Age=0") {
                self.jar().remove(name);
            } else {
                let value = rest.split(';').next().unwrap();
                self.jar().insert(name.into(), value.into());
            }
        }
        Page {
            status: parts.status,
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    fn jar(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Page {
    /// The token of its forms; empty when it has none.
    pub(crate) fn csrf(&self) -> &str {
        self.after("name=\"csrf\" value=\"", '"')
            .unwrap_or_default()
    }

    /// What stands between a text and the next `end`.
    pub(crate) fn after(&self, text: &str, end: char) -> Option<&str> {
        let (_, rest) = self.text.split_once(text)?;
        rest.split(end).next()
    }

    pub(crate) fn location(&self) -> Option<&str> {
        let location = self.headers.get(header::LOCATION)?;
        Some(location.to_str().unwrap())
    }

    /// The same page, if it has this status.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }

    /// The same page, if it leads there.
    #[track_caller]
    pub(crate) fn leads_to(self, path: &str) -> Self {
        assert_eq!(
            (self.status.as_u16(), self.location()),
            (303, Some(path)),
            "{}",
            self.text
        );
        self
    }
}

/// Gives somebody [`PASSWORD`].
pub(crate) async fn set_password(scene: &Scene, email: &str) {
    let email = email.parse().unwrap();
    sign_in::set_password(
        &scene.services,
        &authorize::operator(),
        &email,
        PASSWORD.into(),
    )
    .await
    .unwrap();
}
