//! The control plane's process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::clean_command;
use crate::api::Caller;
use crate::certificates::Certificates;
use crate::files::{binary, write_secret};
use crate::gateway::{Answer, Gateway};
use crate::ports::Port;
use crate::process::{Process, Signal, run};
use crate::wait::{self, PATIENCE};

/// One control plane on fixed ports, so that it can go and come back.
#[derive(Debug)]
pub struct ControlPlane {
    folder: PathBuf,
    environment: Vec<(&'static str, String)>,
    http: Port,
    grpc: Port,
    admin: Port,
    public_url: String,
    process: Option<Process>,
}

impl ControlPlane {
    pub(super) fn new(
        folder: &Path,
        certificates: &Certificates,
        database_url: &str,
        gateway_url: &str,
        further: Vec<(&'static str, String)>,
    ) -> Self {
        let (http, grpc, admin) = (Port::reserve(), Port::reserve(), Port::reserve());
        let public_url = format!("http://{}", http.address());
        let path = |path: &Path| path.display().to_string();
        let mut environment = vec![
            ("WARDER_DATABASE_URL", database_url.to_owned()),
            ("WARDER_PUBLIC_URL", public_url.clone()),
            ("WARDER_GATEWAY_URL", gateway_url.to_owned()),
            ("WARDER_ROOT_KEY_FILE", path(&folder.join("root.key"))),
            ("WARDER_HTTP_ADDR", http.address().to_string()),
            ("WARDER_GRPC_ADDR", grpc.address().to_string()),
            ("WARDER_ADMIN_ADDR", admin.address().to_string()),
            (
                "WARDER_NODE_TOKEN_FILE",
                path(&folder.join("enrollment.txt")),
            ),
            ("WARDER_GRPC_TLS_CERT_FILE", path(&certificates.certificate)),
            ("WARDER_GRPC_TLS_KEY_FILE", path(&certificates.key)),
            ("WARDER_EGRESS_ALLOW", "127.0.0.0/8,::1/128".to_owned()),
            (
                "WARDER_LOG",
                "info,warder=debug,warder_control_plane=debug,warder_shared=debug".to_owned(),
            ),
            (
                "WARDER_ADDRESSES_FILE",
                path(&folder.join("control-plane.addresses.json")),
            ),
        ];
        environment.extend(further);
        Self {
            folder: folder.to_owned(),
            environment,
            http,
            grpc,
            admin,
            public_url,
            process: None,
        }
    }

    /// Where people and pods reach the API; also the issuer of tokens.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Where pods connect.
    #[must_use]
    pub fn grpc_url(&self) -> String {
        format!("https://{}", self.grpc.address())
    }

    /// Address of the API.
    #[must_use]
    pub fn http_address(&self) -> std::net::SocketAddr {
        self.http.address()
    }

    /// Address of the gRPC listener.
    #[must_use]
    pub fn grpc_address(&self) -> std::net::SocketAddr {
        self.grpc.address()
    }

    /// The admin port.
    #[must_use]
    pub fn admin(&self) -> Gateway {
        Gateway::new(&format!("http://{}", self.admin.address()))
    }

    /// The API's origin, for what is not below `/api/v1`.
    #[must_use]
    pub fn origin(&self) -> Gateway {
        Gateway::new(&self.public_url)
    }

    /// A command of the binary with this control plane's environment.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = clean_command(&binary("warder-control-plane"), &self.environment);
        command.args(arguments);
        command
    }

    /// Makes the first administrator.
    pub(super) async fn bootstrap(&self, email: &str) -> Caller {
        let command = self.command(&["bootstrap", "--email", email, "--name", "Admin"]);
        let (status, output, errors) = run("warder-control-plane bootstrap", command, None).await;
        assert!(
            status.success(),
            "bootstrap ended with {status}: {output}\n{errors}"
        );
        let token = output
            .split_whitespace()
            .find(|word| word.starts_with("eyJ"));
        let token = token
            .unwrap_or_else(|| panic!("bootstrap printed no token: {output}\n{errors}"))
            .to_owned();
        Caller {
            subject: format!("user:{email}"),
            token,
            token_id: String::new(),
        }
    }

    /// Gives a user a password for signing in to the console.
    ///
    /// # Panics
    /// When the command fails.
    pub async fn set_password(&self, email: &str, password: &str) {
        let file = self.folder.join("password.txt");
        write_secret(&file, password);
        let path = file.display().to_string();
        let command = self.command(&["set-password", "--email", email, "--password-file", &path]);
        let (status, output, errors) =
            run("warder-control-plane set-password", command, None).await;
        assert!(status.success(), "{status}: {output}\n{errors}");
        // The canaries' story reads every file that is left.
        std::fs::remove_file(&file).expect("the file was just written");
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    /// When it does not become ready.
    pub async fn start(&mut self) {
        let addresses = self.folder.join("control-plane.addresses.json");
        // Left by the run before; missing on the first one.
        drop(std::fs::remove_file(&addresses));
        let process = Process::spawn(
            "control plane",
            self.command(&[]),
            &self.folder.join("control-plane.log"),
        );
        let process = self.process.insert(process);
        let admin = Gateway::new(&format!("http://{}", self.admin.address()));
        wait::until_true("the control plane is ready", PATIENCE, async || {
            if let Some(status) = process.ended() {
                panic!("the control plane ended with {status}:\n{}", process.log());
            }
            addresses.exists() && is_ready(&admin).await
        })
        .await;
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Panics
    /// When it does not end in time, or is not running.
    pub async fn stop(&mut self, within: Duration) -> std::process::ExitStatus {
        let mut process = self.process.take().expect("the control plane runs");
        process.signal(Signal::TERM);
        process.wait(within).await
    }

    /// Everything that it has printed.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("control-plane.log")).unwrap_or_default()
    }
}

/// Whether an admin port says that its process is ready.
pub(super) async fn is_ready(admin: &Gateway) -> bool {
    ready(admin)
        .await
        .is_some_and(|answer| answer.status == 200)
}

async fn ready(admin: &Gateway) -> Option<Answer> {
    admin
        .request_path(reqwest::Method::GET, "/readyz")
        .try_send()
        .await
        .ok()
}
