//! Secrets that come from files.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use secrecy::{ExposeSecret as _, SecretString};

/// A secret file cannot be used. The contents never appear.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It holds nothing.
    #[error("{path} is empty")]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

/// Reads a secret from a file, without surrounding white space.
///
/// # Errors
/// [`SecretFileError`] when it is unreadable or empty.
pub fn read_secret_file(path: &Path) -> Result<SecretString, SecretFileError> {
    let text = SecretString::from(fs::read_to_string(path).map_err(|source| {
        SecretFileError::Unreadable {
            path: path.into(),
            source,
        }
    })?);
    let trimmed = text.expose_secret().trim();
    if trimmed.is_empty() {
        return Err(SecretFileError::Empty { path: path.into() });
    }
    Ok(SecretString::from(trimmed.to_owned()))
}

/// Writes a secret to a new file that only its owner can read.
///
/// # Errors
/// What the system says, also when the file exists already.
pub fn create_secret_file(path: &Path, secret: &str) -> io::Result<()> {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(secret.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
