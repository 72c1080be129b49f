//! Ports that a test keeps for itself, also while the process behind one is down.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below the range from which the system takes ports for outgoing connections.
const FIRST: u16 = 18_000;
const COUNT: u16 = 12_000;

/// A loopback port that no other test takes until this is dropped: a lock file says so, across processes.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _lock: File,
}

impl Port {
    /// Reserves a port that nobody listens on.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn reserve() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let folder = std::env::temp_dir().join("warder-e2e-ports");
        fs::create_dir_all(&folder).expect("the temporary folder is writable");
        // Each test process starts somewhere else, so that they seldom meet.
        let start = (std::process::id() % u32::from(COUNT)) as u16;
        for _ in 0..COUNT {
            let number = FIRST + start.wrapping_add(NEXT.fetch_add(7, Ordering::Relaxed)) % COUNT;
            let lock = File::create(folder.join(number.to_string()))
                .expect("the temporary folder is writable");
            if lock.try_lock().is_ok() && TcpListener::bind((Ipv4Addr::LOCALHOST, number)).is_ok() {
                return Self {
                    number,
                    _lock: lock,
                };
            }
        }
        panic!("no loopback port is free");
    }

    /// `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.number).into()
    }
}
