//! Child processes that never outlive their test.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use serde_json::Value;
use tempfile::TempDir;

pub use rustix::process::Signal;

use crate::wait;

/// A running program whose output goes to a file. Killed when dropped; its log is printed when the test fails.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program; standard output and standard error are appended to `log`.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(name: &str, mut command: Command, log: &Path) -> Self {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .expect("the log can be opened");
        let errors = output.try_clone().expect("the log can be opened twice");
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        Self {
            name: name.to_owned(),
            child,
            log: log.to_owned(),
        }
    }

    /// Starts a server that writes where it listens to `--address-file`, and returns that JSON document.
    ///
    /// # Panics
    /// When it does not come to listen.
    pub async fn spawn_listening(name: &str, mut command: Command, folder: &Path) -> (Self, Value) {
        let address = folder.join("address.json");
        command.arg("--address-file").arg(&address);
        let mut process = Self::spawn(name, command, &folder.join("log"));
        let what = format!("the {name} listens");
        let (addresses, _) = wait::until(&what, wait::PATIENCE, async || {
            if let Some(status) = process.ended() {
                panic!("the {name} ended with {status}: {}", process.log());
            }
            let text = fs::read_to_string(&address).ok()?;
            serde_json::from_str(&text).ok()
        })
        .await;
        (process, addresses)
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything that it has printed so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// Whether it has ended, and how.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it has ended already.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id())
            .ok()
            .and_then(Pid::from_raw)
            .expect("a process id");
        kill_process(pid, signal)
            .unwrap_or_else(|error| panic!("{} cannot be signaled: {error}", self.name));
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        // Fails only when it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it still runs after `within`.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        wait::until(&what, within, async || self.ended()).await.0
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            print_log(&self.name, &self.log());
        }
    }
}

/// Runs a program to its end and returns its status, standard output and standard error.
///
/// # Panics
/// When it cannot be started, or runs for too long.
pub async fn run(
    name: &str,
    mut command: Command,
    input: Option<&str>,
) -> (ExitStatus, String, String) {
    // Files instead of pipes: nothing has to be read while the program runs.
    let folder = TempDir::new().expect("the temporary folder is writable");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("input"), input.unwrap_or_default()).expect("the temporary folder is writable");
    let create = |name: &str| File::create(path(name)).expect("the temporary folder is writable");
    let child = command
        .stdin(File::open(path("input")).expect("the input was just written"))
        .stdout(create("output"))
        .stderr(create("errors"))
        .spawn()
        .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
    let mut process = Process {
        name: name.to_owned(),
        child,
        log: path("errors"),
    };
    let status = process.wait(wait::PATIENCE * 3).await;
    let text = |name: &str| {
        String::from_utf8_lossy(&fs::read(path(name)).unwrap_or_default()).into_owned()
    };
    (status, text("output"), text("errors"))
}

/// Prints the end of a log where the test runner shows it.
fn print_log(name: &str, log: &str) {
    const LINES: usize = 60;
    let skipped = log.lines().count().saturating_sub(LINES);
    let mut stderr = std::io::stderr().lock();
    // Nothing better can be done when standard error is closed.
    drop(writeln!(
        stderr,
        "--- {name} ({skipped} earlier lines left out) ---"
    ));
    for line in log.lines().skip(skipped) {
        drop(writeln!(stderr, "{line}"));
    }
}
