//! Files that the binaries are configured with, and where the fixtures are.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// The folder `tests/` of the project.
#[must_use]
pub fn tests_folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The binary of this name, beside the running test.
///
/// # Panics
/// When it has not been built.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let folder = test
        .ancestors()
        .nth(2)
        .expect("tests run from target/PROFILE/deps");
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is missing: build the workspace's binaries first (cargo build --workspace --bins)",
        path.display()
    );
    path
}

/// Writes a file that only its owner may read.
///
/// # Panics
/// When the file cannot be written.
pub fn write_secret(path: &Path, content: &str) {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.write_all(content.as_bytes())
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// A fresh root key: 32 random bytes in base64.
#[must_use]
pub fn root_key() -> String {
    STANDARD.encode(random::<32>())
}

/// A fresh word that nobody else uses: safe in headers, URLs and names, easy to find in a log.
#[must_use]
pub fn canary(label: &str) -> String {
    format!(
        "{label}-{}",
        URL_SAFE_NO_PAD
            .encode(random::<18>())
            .replace(['-', '_'], "0")
    )
}

/// Every file below `folder` whose content has `needle` in it, also as part of a binary file.
///
/// # Panics
/// When the folder cannot be read.
#[must_use]
pub fn files_with(folder: &Path, needle: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
    {
        let path = entry.expect("a folder entry can be read").path();
        if path.is_dir() {
            found.extend(files_with(&path, needle));
        } else if fs::read(&path).is_ok_and(|content| contains(&content, needle.as_bytes())) {
            found.push(path);
        }
    }
    found
}

fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .expect("the system has randomness");
    bytes
}
