//! The directory that `warder dev` keeps its state in, readable by its owner only.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use warder_control_plane::vault::RootKey;
use warder_shared::secret::{create_secret_file, read_secret_file};

/// The directory.
pub(super) struct DataDir(PathBuf);

/// Ports on loopback. Tokens name the gateway by its URL, so the ports stay the same from start to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ports {
    pub(super) control_plane: u16,
    pub(super) grpc: u16,
    pub(super) gateway: u16,
    pub(super) demo: u16,
}

impl DataDir {
    /// Opens the directory, or makes it.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        if !path.exists() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .with_context(|| format!("--data-dir {}", path.display()))?;
        }
        Ok(Self(path.canonicalize().with_context(|| {
            format!("--data-dir {}", path.display())
        })?))
    }

    pub(super) fn database(&self) -> PathBuf {
        self.0.join("warder.db")
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.0.join("admin-token")
    }

    pub(super) fn password_file(&self) -> PathBuf {
        self.0.join("admin-password")
    }

    /// The password that the administrator begins with, made at the first start.
    pub(super) fn password(&self) -> anyhow::Result<SecretString> {
        let path = self.secret("admin-password")?;
        read_secret_file(&path).context("the administrator's password")
    }

    /// The vault's root key, made at the first start.
    pub(super) fn root_key(&self) -> anyhow::Result<PathBuf> {
        self.secret("root.key")
    }

    /// The enrollment secret, made at the first start.
    pub(super) fn node_token(&self) -> anyhow::Result<PathBuf> {
        self.secret("node-token")
    }

    /// 32 random bytes in base64.
    fn secret(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.0.join(name);
        if !path.exists() {
            let key = RootKey::generate().context("no random numbers")?;
            create_secret_file(&path, key.expose_secret())
                .with_context(|| path.display().to_string())?;
        }
        Ok(path)
    }

    /// The administrator's token of an earlier start.
    pub(super) fn token(&self) -> Option<SecretString> {
        read_secret_file(&self.token_file()).ok()
    }

    /// Keeps the administrator's token.
    pub(super) fn keep_token(&self, token: &SecretString) -> io::Result<()> {
        let path = self.token_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        create_secret_file(&path, token.expose_secret())?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
    }

    pub(super) fn control_plane_url(&self, ports: Ports) -> String {
        format!("http://127.0.0.1:{}", ports.control_plane)
    }

    pub(super) fn gateway_url(&self, ports: Ports) -> String {
        format!("http://127.0.0.1:{}", ports.gateway)
    }

    /// The ports to listen on: the wanted ones, and for each 0 that of the last start if it is free, or any free one.
    pub(super) async fn ports(&self, wanted: Ports) -> anyhow::Result<Ports> {
        let path = self.0.join("ports.json");
        let last: Option<Ports> = fs::read(&path)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let last = last.unwrap_or(wanted);
        let ports = Ports {
            control_plane: port(wanted.control_plane, last.control_plane).await?,
            grpc: port(wanted.grpc, last.grpc).await?,
            gateway: port(wanted.gateway, last.gateway).await?,
            demo: port(wanted.demo, last.demo).await?,
        };
        fs::write(&path, serde_json::to_vec(&ports)?)?;
        Ok(ports)
    }
}

async fn port(wanted: u16, last: u16) -> anyhow::Result<u16> {
    if wanted != 0 {
        return Ok(wanted);
    }
    let listener = match TcpListener::bind(super::loopback(last)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind(super::loopback(0)).await?,
    };
    Ok(listener.local_addr()?.port())
}
