//! A PostgreSQL server of one test's own, gone when it is dropped.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::ports::Port;
use crate::process::{Process, Signal};

const USER: &str = "warder";

/// A running server on loopback. Nothing of it is durable.
#[derive(Debug)]
pub struct Postgres {
    process: Process,
    programs: PathBuf,
    port: Port,
    databases: AtomicU32,
    // Removed after the server has ended.
    folder: TempDir,
}

impl Postgres {
    /// Makes a cluster, starts it and waits until it takes connections.
    ///
    /// # Errors
    /// When PostgreSQL is not installed or does not start.
    pub fn start() -> Result<Self> {
        let programs = programs()?;
        let folder = TempDir::new()?;
        let data = folder.path().join("data");
        if rustix::process::geteuid().is_root() {
            // The server refuses to run as root: the folder has to be its own user's.
            run(Command::new("chown").arg("postgres").arg(folder.path()))?;
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        }
        let mut initialize = unprivileged(&programs.join("initdb"), folder.path());
        initialize.arg("--pgdata").arg(&data).args(["--username", USER, "--auth", "trust", "--encoding", "UTF8"]);
        run(initialize.args(["--locale", "C.UTF-8", "--no-sync", "--no-instructions"]))?;

        let port = Port::reserve();
        let mut server = unprivileged(&programs.join("postgres"), folder.path());
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        server.args(["-h", "127.0.0.1", "-p", &port.address().port().to_string(), "-F"]);
        for setting in ["full_page_writes=off", "synchronous_commit=off", "shared_buffers=32MB", "max_connections=100", "autovacuum=off"] {
            server.args(["-c", setting]);
        }
        let process = Process::spawn("postgresql", server, &folder.path().join("log"));
        let mut postgres = Self { process, programs, port, databases: AtomicU32::new(0), folder };
        postgres.until_ready()?;
        Ok(postgres)
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self) -> Result<String> {
        let name = format!("warder_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let port = self.port.address().port().to_string();
        let mut create = Command::new(self.programs.join("createdb"));
        run(create.arg("-h").arg(self.folder.path()).args(["-p", &port, "-U", USER, &name]))?;
        Ok(format!("postgres://{USER}@{}/{name}", self.port.address()))
    }

    fn until_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        let port = self.port.address().port().to_string();
        loop {
            let mut ask = Command::new(self.programs.join("pg_isready"));
            ask.args(["-q", "-h", "127.0.0.1", "-p", &port, "-U", USER]);
            if ask.status()?.success() {
                return Ok(());
            }
            if let Some(status) = self.process.ended() {
                bail!("postgresql ended with {status}: {}", self.process.log());
            }
            ensure!(start.elapsed() < Duration::from_secs(30), "postgresql does not start: {}", self.process.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.ended().is_none() {
            // Ends its own children and frees its shared memory, which a kill would not.
            self.process.signal(Signal::QUIT);
            let start = Instant::now();
            while self.process.ended().is_none() && start.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}

/// The folder of the newest server that Debian's packages have installed, or of the one in the path.
fn programs() -> Result<PathBuf> {
    let installed = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = installed.map(|entry| entry.path().join("bin")).collect();
    let version = |folder: &PathBuf| folder.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok());
    folders.sort_by_key(version);
    let in_path = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = folders.into_iter().rev().chain(std::env::split_paths(&in_path));
    candidates.find(|folder| folder.join("initdb").is_file()).context("PostgreSQL is not installed: `make setup` installs it")
}

/// The program, run as the user `postgres` where we are root.
fn unprivileged(program: &Path, folder: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--reset-env"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir(folder);
    command
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    Ok(())
}
