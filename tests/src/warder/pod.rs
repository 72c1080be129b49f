//! A pod's process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::clean_command;
use super::control_plane::is_ready;
use crate::certificates::Certificates;
use crate::files::binary;
use crate::gateway::Gateway;
use crate::ports::Port;
use crate::process::{Process, Signal};
use crate::wait::{self, PATIENCE};

/// One pod of the data plane on a fixed port, so that it can go and come back.
#[derive(Debug)]
pub struct Pod {
    name: String,
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    http: Port,
    admin: Port,
    process: Option<Process>,
}

impl Pod {
    pub(super) fn new(
        folder: &Path,
        name: &str,
        certificates: &Certificates,
        http: Port,
        further: Vec<(&'static str, String)>,
    ) -> Self {
        let admin = Port::reserve();
        let path = |path: &Path| path.display().to_string();
        let mut environment = vec![
            ("WARDER_HTTP_ADDR", http.address().to_string()),
            ("WARDER_ADMIN_ADDR", admin.address().to_string()),
            (
                "WARDER_CONTROL_PLANE_CA_FILE",
                path(&certificates.authority),
            ),
            ("WARDER_NODE_NAME", name.to_owned()),
            (
                "WARDER_NODE_TOKEN_FILE",
                path(&folder.join("enrollment.txt")),
            ),
            ("WARDER_STATE_DIR", path(&folder.join(name))),
            ("WARDER_EGRESS_ALLOW", "127.0.0.0/8,::1/128".to_owned()),
            ("WARDER_WORKERS", "2".to_owned()),
            (
                "WARDER_LOG",
                "info,warder=debug,warder_data_plane=debug,warder_shared=debug".to_owned(),
            ),
            (
                "WARDER_ADDRESSES_FILE",
                path(&folder.join(format!("{name}.addresses.json"))),
            ),
        ];
        environment.extend(further);
        Self {
            name: name.to_owned(),
            folder: folder.to_owned(),
            environment,
            http,
            admin,
            process: None,
        }
    }

    /// The pod as clients see it.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        Gateway::new(&format!("http://{}", self.http.address()))
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.http.address()
    }

    /// The admin port.
    #[must_use]
    pub fn admin(&self) -> Gateway {
        Gateway::new(&format!("http://{}", self.admin.address()))
    }

    /// Where it keeps its last snapshot.
    #[must_use]
    pub fn state_folder(&self) -> PathBuf {
        self.folder.join(&self.name)
    }

    /// Changes its environment, from the next start on.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.environment.push((name, value.to_owned()));
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(&mut self) {
        self.launch();
        self.until_ready().await;
    }

    /// Starts it without waiting for anything.
    pub fn launch(&mut self) {
        std::fs::create_dir_all(self.state_folder()).expect("the temporary folder is writable");
        let command = clean_command(&binary("warder-data-plane"), &self.environment);
        self.process = Some(Process::spawn(&self.name, command, &self.log_file()));
    }

    /// Waits until it is ready.
    ///
    /// # Panics
    /// When it ends, or does not become ready.
    pub async fn until_ready(&mut self) {
        let admin = self.admin();
        let process = self.process.as_mut().expect("the pod runs");
        wait::until_true(&format!("{} is ready", self.name), PATIENCE, async || {
            if let Some(status) = process.ended() {
                panic!("{} ended with {status}:\n{}", self.name, process.log());
            }
            is_ready(&admin).await
        })
        .await;
    }

    /// Whether it says that it is ready.
    pub async fn is_ready(&self) -> bool {
        is_ready(&self.admin()).await
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// When it is not running.
    pub fn signal(&self, signal: Signal) {
        self.process.as_ref().expect("the pod runs").signal(signal);
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    /// When it does not end in time, or is not running.
    pub async fn ended(&mut self, within: Duration) -> std::process::ExitStatus {
        self.process
            .as_mut()
            .expect("the pod runs")
            .wait(within)
            .await
    }

    /// Everything that it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }
}
