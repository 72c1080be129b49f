//! The last known state on disk, so that a pod can start while the control plane is away (R2).
//!
//! A reset begins a new file, later changes are appended. Every record is sealed under a key made of the enrollment
//! secret: whoever has only the disk can read nothing and change nothing (T64). The place of a
//! record is its nonce, so records cannot be left out or moved; a record cut short by a crash ends the
//! journal before it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce, aead::Aead as _};
use aws_lc_rs::{hkdf, rand};
use prost::Message as _;
use secrecy::{ExposeSecret as _, SecretString};
use warder_shared::proto::{datetime, v1::WatchResponse};

const MAGIC: &[u8; 8] = b"WARDERJ1";
const SALT_LENGTH: usize = 16;
const HEADER_LENGTH: usize = MAGIC.len() + SALT_LENGTH;

/// From here on a journal is begun anew at the next connection.
const LONG: u64 = 64 * 1024 * 1024;

/// Heartbeats are noted this far apart, so that a restart knows how old the state is.
const HEARTBEAT_SECONDS: i64 = 60;

/// The file, its key and its end.
pub(crate) struct Journal {
    path: PathBuf,
    secret: SecretString,
    open: Option<Open>,
}

struct Open {
    file: File,
    cipher: Aes256Gcm,
    records: u64,
    length: u64,
    noted_at: i64,
}

impl Journal {
    /// The journal in this directory.
    ///
    /// # Errors
    /// When the directory cannot be made.
    pub(crate) fn new(directory: &Path, secret: SecretString) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            path: directory.join("snapshot.journal"),
            secret,
            open: None,
        })
    }

    /// Whether it has grown so long that it should be begun anew.
    pub(crate) fn is_long(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.length > LONG)
    }

    /// Hands over every record, in order. A journal that was tampered with, or that `apply` does not understand, is not
    /// used at all from that record on.
    pub(crate) fn replay<E: std::fmt::Display>(
        &mut self,
        mut apply: impl FnMut(&WatchResponse) -> Result<(), E>,
    ) {
        match self.read(&mut |response| {
            apply(response)
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))
        }) {
            Ok(open) => self.open = Some(open),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(path = %self.path.display(), %error, "the saved snapshot is not used")
            }
        }
    }

    fn read(&self, apply: &mut dyn FnMut(&WatchResponse) -> io::Result<()>) -> io::Result<Open> {
        let bytes = fs::read(&self.path)?;
        let invalid = |message: &'static str| io::Error::new(io::ErrorKind::InvalidData, message);
        let (header, mut rest) = bytes
            .split_at_checked(HEADER_LENGTH)
            .ok_or_else(|| invalid("no header"))?;
        let salt = header
            .strip_prefix(MAGIC)
            .ok_or_else(|| invalid("another format"))?;
        let cipher = cipher(&self.secret, salt)?;
        // Opened whole before anything is believed.
        let mut responses = Vec::new();
        while let Some((length, after)) = rest.split_first_chunk::<4>() {
            let Some((record, after)) =
                after.split_at_checked(u32::from_le_bytes(*length) as usize)
            else {
                break;
            };
            let opened = cipher
                .decrypt(&nonce(responses.len() as u64), record)
                .map_err(|_| invalid("a record was changed, or the enrollment secret was"))?;
            responses.push(
                WatchResponse::decode(opened.as_slice())
                    .map_err(|_| invalid("a record is not a response"))?,
            );
            rest = after;
        }
        let noted_at = responses.last().map_or(0, seconds);
        responses.iter().try_for_each(apply)?;
        let file = OpenOptions::new().append(true).open(&self.path)?;
        let length = (bytes.len() - rest.len()) as u64;
        file.set_len(length)?;
        Ok(Open {
            file,
            cipher,
            records: responses.len() as u64,
            length,
            noted_at,
        })
    }

    /// Saves a response; one that resets begins the journal anew.
    ///
    /// # Errors
    /// What the system says; the journal is not used any more then.
    pub(crate) fn append(&mut self, response: &WatchResponse) -> io::Result<()> {
        if response.reset {
            self.open = None;
            self.open = Some(self.begin(response)?);
            return Ok(());
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if response.changes.is_empty() && seconds(response) - open.noted_at < HEARTBEAT_SECONDS {
            return Ok(());
        }
        let written = open.write(response);
        if written.is_err() {
            // Half a record may stand there: nothing may follow it.
            self.open = None;
        }
        written
    }

    fn begin(&self, response: &WatchResponse) -> io::Result<Open> {
        let mut salt = [0; SALT_LENGTH];
        rand::fill(&mut salt).map_err(io::Error::other)?;
        let partial = self.path.with_extension("partial");
        if partial.exists() {
            fs::remove_file(&partial)?;
        }
        let mut file = OpenOptions::new()
            .append(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)?;
        file.write_all(&[MAGIC.as_slice(), &salt].concat())?;
        let mut open = Open {
            file,
            cipher: cipher(&self.secret, &salt)?,
            records: 0,
            length: HEADER_LENGTH as u64,
            noted_at: 0,
        };
        open.write(response)?;
        open.file.sync_all()?;
        fs::rename(&partial, &self.path)?;
        Ok(open)
    }
}

impl Open {
    fn write(&mut self, response: &WatchResponse) -> io::Result<()> {
        let sealed = self
            .cipher
            .encrypt(&nonce(self.records), response.encode_to_vec().as_slice())
            .map_err(|_| io::Error::other("cannot seal"))?;
        let length = u32::try_from(sealed.len()).map_err(io::Error::other)?;
        self.file
            .write_all(&[length.to_le_bytes().as_slice(), &sealed].concat())?;
        self.records += 1;
        self.length += 4 + u64::from(length);
        self.noted_at = seconds(response);
        Ok(())
    }
}

fn seconds(response: &WatchResponse) -> i64 {
    response
        .sent_at
        .as_ref()
        .and_then(datetime)
        .map_or(0, |at| at.timestamp())
}

fn nonce(record: u64) -> Nonce<aes_gcm::aead::consts::U12> {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&record.to_be_bytes());
    Nonce::from(nonce)
}

/// Each journal has a salt, and so a key, of its own: that makes the place of a record a safe nonce.
fn cipher(secret: &SecretString, salt: &[u8]) -> io::Result<Aes256Gcm> {
    let mut key = [0; 32];
    hkdf::Salt::new(hkdf::HKDF_SHA256, salt)
        .extract(secret.expose_secret().as_bytes())
        .expand(&[b"warder snapshot journal 1"], hkdf::HKDF_SHA256)
        .and_then(|expanded| expanded.fill(&mut key))
        .map_err(io::Error::other)?;
    Ok(Aes256Gcm::new(&key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use warder_shared::proto::timestamp;

    fn response(version: u64, reset: bool) -> WatchResponse {
        let sent_at = Some(timestamp(
            chrono::DateTime::from_timestamp(
                1_000_000 + 60 * i64::try_from(version).expect("small"),
                0,
            )
            .expect("a time"),
        ));
        WatchResponse {
            epoch: "e".into(),
            version,
            reset,
            sent_at,
            ..WatchResponse::default()
        }
    }

    fn journal(directory: &Path, secret: &str) -> Journal {
        Journal::new(directory, SecretString::from(secret.to_owned())).expect("a journal")
    }

    fn versions(directory: &Path, secret: &str) -> Vec<u64> {
        let mut versions = Vec::new();
        journal(directory, secret).replay(|response| {
            versions.push(response.version);
            Ok::<_, String>(())
        });
        versions
    }

    #[test]
    fn r02_what_was_saved_is_there_after_a_restart() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut first = journal(directory.path(), "secret");
        for (version, reset) in [(1, true), (2, false), (3, false)] {
            first.append(&response(version, reset)).expect("saved");
        }
        assert_eq!(versions(directory.path(), "secret"), [1, 2, 3]);
        let mut second = journal(directory.path(), "secret");
        second.replay(|_| Ok::<_, String>(()));
        second.append(&response(4, false)).expect("saved");
        assert_eq!(versions(directory.path(), "secret"), [1, 2, 3, 4]);
        second.append(&response(9, true)).expect("saved");
        assert_eq!(versions(directory.path(), "secret"), [9]);
    }

    #[test]
    fn t64_a_changed_journal_is_not_used() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut written = journal(directory.path(), "secret");
        written.append(&response(1, true)).expect("saved");
        written.append(&response(2, false)).expect("saved");
        let path = directory.path().join("snapshot.journal");
        let good = fs::read(&path).expect("readable");
        assert_eq!(
            versions(directory.path(), "other secret"),
            Vec::<u64>::new()
        );
        for at in 0..good.len() {
            let mut changed = good.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).expect("written");
            let seen = versions(directory.path(), "secret");
            assert!(seen.is_empty() || seen == [1], "byte {at}: {seen:?}");
        }
        let mode = std::os::unix::fs::PermissionsExt::mode(
            &fs::metadata(&path).expect("there").permissions(),
        );
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_record_cut_short_by_a_crash_ends_the_journal_before_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut written = journal(directory.path(), "secret");
        written.append(&response(1, true)).expect("saved");
        written.append(&response(2, false)).expect("saved");
        let path = directory.path().join("snapshot.journal");
        let good = fs::read(&path).expect("readable");
        fs::write(&path, &good[..good.len() - 3]).expect("written");
        let mut again = journal(directory.path(), "secret");
        again.replay(|_| Ok::<_, String>(()));
        again.append(&response(3, false)).expect("saved");
        assert_eq!(versions(directory.path(), "secret"), [1, 3]);
    }
}
