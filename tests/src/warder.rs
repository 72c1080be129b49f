//! A whole Warder: one control plane and some pods, as the real binaries, on loopback, with TLS between them.

mod control_plane;
mod pod;

use std::path::Path;
use std::process::Command;

use futures_util::future::join_all;
use tempfile::TempDir;

use crate::api::{Api, Caller};
use crate::certificates::Certificates;
use crate::files::{canary, root_key, write_secret};
use crate::gateway::Gateway;
use crate::ports::Port;
use crate::postgres::Postgres;

pub use control_plane::ControlPlane;
pub use pod::Pod;

/// Which database the control plane keeps its facts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Database {
    /// A file.
    #[default]
    Sqlite,
    /// A server of this test's own.
    Postgres,
}

/// What is started.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the facts are kept.
    pub database: Database,
    /// How many pods there are.
    pub pods: usize,
    /// Further environment of the control plane; replaces what the harness sets.
    pub control_plane_environment: Vec<(&'static str, String)>,
    /// Further environment of every pod; replaces what the harness sets.
    pub pod_environment: Vec<(&'static str, String)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            database: Database::Sqlite,
            pods: 1,
            control_plane_environment: Vec::new(),
            pod_environment: Vec::new(),
        }
    }
}

/// A running Warder. Everything ends when it is dropped.
#[derive(Debug)]
pub struct Warder {
    /// The REST API, as the first administrator.
    pub api: Api,
    /// The first administrator.
    pub admin: Caller,
    /// The pods, in order.
    pub pods: Vec<Pod>,
    /// The control plane.
    pub control_plane: ControlPlane,
    /// What pods enroll with.
    pub enrollment_secret: String,
    /// What pods trust.
    pub certificates: Certificates,
    // Ends after the processes that use it.
    postgres: Option<Postgres>,
    folder: TempDir,
}

impl Warder {
    /// Starts everything, makes the first administrator, and waits until every pod is ready.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start(options: Options) -> Self {
        let folder = TempDir::new().expect("the temporary folder is writable");
        let certificates = Certificates::generate(folder.path());
        let enrollment_secret = canary("enrollment-secret-that-is-long-enough");
        write_secret(&folder.path().join("root.key"), &root_key());
        write_secret(&folder.path().join("enrollment.txt"), &enrollment_secret);
        let postgres = match options.database {
            Database::Sqlite => None,
            Database::Postgres => Some(Postgres::start().expect("PostgreSQL starts")),
        };
        let database_url = match &postgres {
            None => format!("sqlite:{}", folder.path().join("warder.db").display()),
            Some(postgres) => postgres.create_database().expect("a database can be made"),
        };

        let ports: Vec<Port> = (0..options.pods.max(1)).map(|_| Port::reserve()).collect();
        let gateway_url = format!("http://{}", ports[0].address());
        let allowed_hosts: Vec<String> = ports
            .iter()
            .map(|port| port.address().to_string())
            .collect();

        let mut control_plane = ControlPlane::new(
            folder.path(),
            &certificates,
            &database_url,
            &gateway_url,
            options.control_plane_environment,
        );
        let admin = control_plane.bootstrap("admin@example.com").await;
        control_plane.start().await;

        let mut pods: Vec<Pod> = ports
            .into_iter()
            .take(options.pods)
            .enumerate()
            .map(|(index, port)| {
                let mut environment = vec![
                    ("WARDER_GATEWAY_URL", gateway_url.clone()),
                    ("WARDER_ALLOWED_HOSTS", allowed_hosts.join(",")),
                    ("WARDER_CONTROL_PLANE_GRPC_URL", control_plane.grpc_url()),
                ];
                environment.extend(options.pod_environment.iter().cloned());
                Pod::new(
                    folder.path(),
                    &format!("pod-{}", index + 1),
                    &certificates,
                    port,
                    environment,
                )
            })
            .collect();
        join_all(pods.iter_mut().map(Pod::start)).await;

        let api = Api::new(control_plane.public_url(), &admin.token);
        Self {
            api,
            admin,
            pods,
            control_plane,
            enrollment_secret,
            certificates,
            postgres,
            folder,
        }
    }

    /// The first pod as clients see it.
    #[must_use]
    pub fn gateway(&self) -> Gateway {
        self.pods[0].gateway()
    }

    /// Every pod as clients see it.
    #[must_use]
    pub fn gateways(&self) -> Vec<Gateway> {
        self.pods.iter().map(Pod::gateway).collect()
    }

    /// Adds a pod that has never run before; it is not started.
    #[must_use]
    pub fn new_pod(&self, name: &str, environment: Vec<(&'static str, String)>) -> Pod {
        let port = Port::reserve();
        let mut all = vec![
            ("WARDER_GATEWAY_URL", self.gateway().origin().to_owned()),
            ("WARDER_ALLOWED_HOSTS", port.address().to_string()),
            (
                "WARDER_CONTROL_PLANE_GRPC_URL",
                self.control_plane.grpc_url(),
            ),
        ];
        all.extend(environment);
        Pod::new(self.folder.path(), name, &self.certificates, port, all)
    }

    /// The database's server.
    ///
    /// # Panics
    /// When there is none, since the facts are in a file.
    pub fn postgres(&mut self) -> &mut Postgres {
        self.postgres.as_mut().expect("the facts are in PostgreSQL")
    }

    /// The folder with all files of both planes: database, state, logs.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// A command with nothing in its environment but what is given: the tests' own environment must not matter.
fn clean_command(program: &Path, environment: &[(&'static str, String)]) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(environment.iter().map(|(name, value)| (*name, value)));
    command
}
