//! A PostgreSQL server of the tests' own, on loopback, gone when the test is.
//!
//! PostgreSQL refuses to run as root, so under root the server runs as the user `postgres` that its
//! package makes. A missing PostgreSQL is an error, never a reason to leave a test out.

use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::ports::Port;

/// Where Debian and others put the server's programs, one folder per version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// How long the server may take to start or to end. Generous: it only decides how long a broken one hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// The role that owns every database.
const ROLE: &str = "warder";

/// Nothing here outlives a crash, so nothing waits for the disk.
const SETTINGS: [&str; 6] = [
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "shared_buffers=64MB",
    "max_connections=200",
    "autovacuum=off",
];

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    child: Child,
    programs: PathBuf,
    port: Port,
    databases: AtomicU32,
    // After the child: its data are in it.
    folder: TempDir,
}

impl Postgres {
    /// Makes a new server and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or does not start; its log is in the error.
    pub fn start() -> anyhow::Result<Self> {
        let programs = programs()?;
        let user = User::of_server()?;
        let folder = tempfile::Builder::new()
            .prefix("warder-postgres-")
            .tempdir()?;
        fs::set_permissions(folder.path(), Permissions::from_mode(0o700))?;
        if let Some(User { uid, gid }) = user {
            chown(folder.path(), Some(uid), Some(gid))?;
        }
        let log = folder.path().join("log");

        let mut initdb = command(&programs.join("initdb"), user, folder.path());
        initdb.args([
            "-D",
            "data",
            "-U",
            ROLE,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
        ]);
        initdb.args(["--no-sync", "--no-instructions"]);
        let status = logged(&mut initdb, &log)?
            .status()
            .context("initdb cannot be run")?;
        if !status.success() {
            bail!("initdb failed: {}", fs::read_to_string(&log)?);
        }

        let port = Port::reserve();
        let child = spawn(&programs, user, folder.path(), &port)?;
        let mut server = Self {
            child,
            programs,
            port,
            databases: AtomicU32::new(0),
            folder,
        };
        server.wait_until_ready(&log)?;
        Ok(server)
    }

    /// Ends the server as a failure of its machine would, and waits until nothing answers.
    pub fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // Fails only when it has ended already.
            let _ended = kill_process(pid, Signal::QUIT);
        }
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Starts the server again, with the data that it had.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start_again(&mut self) -> anyhow::Result<()> {
        let folder = self.folder.path();
        self.child = spawn(&self.programs, User::of_server()?, folder, &self.port)?;
        let log = folder.join("log");
        self.wait_until_ready(&log)
    }

    /// Makes an empty database and returns its URL.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let address = self.port.address();
        let output = Command::new(self.programs.join("createdb"))
            .env_clear()
            .args([
                "-h",
                &address.ip().to_string(),
                "-p",
                &address.port().to_string(),
                "-U",
                ROLE,
            ])
            .args(["--strategy", "file_copy", &name])
            .output()
            .context("createdb cannot be run")?;
        if !output.status.success() {
            bail!(
                "createdb failed: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(format!("postgres://{ROLE}@{address}/{name}"))
    }

    fn wait_until_ready(&mut self, log: &Path) -> anyhow::Result<()> {
        let start = Instant::now();
        let address = self.port.address();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("postgres ended with {status}: {}", fs::read_to_string(log)?);
            }
            let ready = Command::new(self.programs.join("pg_isready"))
                .env_clear()
                .args([
                    "-q",
                    "-h",
                    &address.ip().to_string(),
                    "-p",
                    &address.port().to_string(),
                ])
                .status()
                .context("pg_isready cannot be run")?;
            if ready.success() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!("postgres does not answer: {}", fs::read_to_string(log)?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Postgres {
    /// Ends the server at once, and waits for it: its last files would otherwise come after the folder is
    /// gone.
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whom the server runs as.
#[derive(Debug, Clone, Copy)]
struct User {
    uid: u32,
    gid: u32,
}

impl User {
    /// The user `postgres` for root; none for anybody else, who runs it themselves.
    fn of_server() -> anyhow::Result<Option<Self>> {
        if !geteuid().is_root() {
            return Ok(None);
        }
        let users = fs::read_to_string("/etc/passwd")?;
        let fields = users
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>());
        let found = fields
            .filter(|fields| fields.len() > 3)
            .find(|fields| fields[0] == "postgres");
        let fields = found.context("there is no user `postgres` to run the server as")?;
        Ok(Some(Self {
            uid: fields[2].parse()?,
            gid: fields[3].parse()?,
        }))
    }
}

/// The folder of the newest server's programs.
fn programs() -> anyhow::Result<PathBuf> {
    let versions = match fs::read_dir(VERSIONS) {
        Ok(versions) => versions.collect::<Result<Vec<_>, _>>()?,
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = versions.iter().map(|entry| entry.path());
    let newest = installed
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(|path| number(path));
    let newest = newest.with_context(|| {
        format!("PostgreSQL is not installed: there is no initdb in {VERSIONS}/*/bin (Debian: apt-get install postgresql)")
    })?;
    Ok(newest.join("bin"))
}

/// The server on data that are there.
fn spawn(programs: &Path, user: Option<User>, folder: &Path, port: &Port) -> anyhow::Result<Child> {
    let mut server = command(&programs.join("postgres"), user, folder);
    let port = port.address().port().to_string();
    server.args(["-D", "data", "-h", "127.0.0.1", "-p", &port]);
    server.arg("-k").arg(folder);
    server.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
    logged(&mut server, &folder.join("log"))?
        .spawn()
        .context("postgres cannot be run")
}

/// A program that runs in a folder, with nothing of the caller's environment.
fn command(program: &Path, user: Option<User>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("LC_ALL", "C.UTF-8")
        .current_dir(folder)
        .stdin(Stdio::null());
    if let Some(User { uid, gid }) = user {
        command.uid(uid).gid(gid);
    }
    command
}

/// The same program, with its output in a log.
fn logged<'a>(command: &'a mut Command, log: &Path) -> anyhow::Result<&'a mut Command> {
    let output = File::options().create(true).append(true).open(log)?;
    Ok(command.stdout(output.try_clone()?).stderr(output))
}
