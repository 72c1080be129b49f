//! Hashing and comparing passwords: argon2id (RFC 9106) with 19 MiB, two passes and one lane.
//!
//! One hash takes a tenth of a second of a core and 19 MiB, so strangers could ask for more of them than
//! there is machine (T61): few are made at a time, few more may wait, and the rest hears "later".

use std::sync::Arc;

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher as _, PasswordVerifier as _, Version,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Semaphore, TryAcquireError};

use super::Failure;

/// How many hashes are made at a time.
const AT_A_TIME: usize = 2;

/// How many more may wait.
const WAITING: usize = 16;

/// Memory of one hash, in KiB.
const MEMORY: u32 = 19_456;

/// Passes over the memory.
const PASSES: u32 = 2;

/// Makes and compares hashes. Clones share the limits.
#[derive(Debug, Clone)]
pub struct Passwords {
    running: Arc<Semaphore>,
    admitted: Arc<Semaphore>,
}

impl Passwords {
    /// With the limits of one process.
    #[must_use]
    pub fn new() -> Self {
        Self {
            running: Arc::new(Semaphore::new(AT_A_TIME)),
            admitted: Arc::new(Semaphore::new(AT_A_TIME + WAITING)),
        }
    }

    /// The PHC string of a password.
    ///
    /// # Errors
    /// [`Failure::Overloaded`].
    pub async fn hash(&self, password: SecretString) -> Result<String, Failure> {
        self.work(move || hash(&password)).await?
    }

    /// Whether a password is the one of this PHC string. Without one, false, after the same work.
    ///
    /// # Errors
    /// [`Failure::Overloaded`].
    pub async fn verify(
        &self,
        password: SecretString,
        stored: Option<String>,
    ) -> Result<bool, Failure> {
        self.work(move || match stored {
            Some(stored) => {
                let stored =
                    PasswordHash::new(&stored).map_err(|error| Failure::Internal(error.into()))?;
                let password = password.expose_secret().as_bytes();
                Ok(argon2()?.verify_password(password, &stored).is_ok())
            }
            None => hash(&password).map(|_| false),
        })
        .await?
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Failure> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned();
        let admitted = admitted.map_err(|error| match error {
            TryAcquireError::NoPermits => Failure::Overloaded,
            TryAcquireError::Closed => Failure::Internal(error.into()),
        })?;
        let running = Arc::clone(&self.running).acquire_owned().await;
        let running = running.map_err(|error| Failure::Internal(error.into()))?;
        // The permits go with the work: a caller who hangs up does not make room for the next one.
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop((running, admitted));
            result
        })
        .await
        .map_err(|error| Failure::Internal(error.into()))
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self::new()
    }
}

fn hash(password: &SecretString) -> Result<String, Failure> {
    let hash = argon2()?.hash_password(password.expose_secret().as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| Failure::Internal(error.into()))
}

fn argon2() -> Result<Argon2<'static>, Failure> {
    let params = Params::new(MEMORY, PASSES, 1, None);
    let params = params.map_err(|error| Failure::Internal(error.into()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn t61_a_hash_is_of_argon2id_and_of_one_password() {
        let passwords = Passwords::new();
        let hash = passwords.hash("one password".into()).await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        let again = passwords.hash("one password".into()).await.unwrap();
        assert_ne!(hash, again, "every hash has a salt of its own");
        let verify = async |password: &str, stored: Option<&String>| {
            let stored = stored.cloned();
            passwords.verify(password.into(), stored).await.unwrap()
        };
        assert!(verify("one password", Some(&hash)).await);
        assert!(!verify("One password", Some(&hash)).await);
        assert!(!verify("one password", None).await);
    }

    #[tokio::test]
    async fn t61_more_than_the_machine_can_take_is_refused_at_once() {
        let passwords = Passwords::new();
        let held = passwords.admitted.clone().acquire_many_owned(18).await;
        let refused = passwords.verify("x".into(), None).await;
        assert!(matches!(refused, Err(Failure::Overloaded)));
        drop(held);
        assert!(!passwords.verify("x".into(), None).await.unwrap());
    }
}
