//! What only the control plane can tell of an identity provider's token: whether a key is a new one, and who
//! somebody is that no snapshot knows. Asked once however many wait, and seldom, whatever tokens come (T7).
//!
//! **Invariant:** an answer never lets anybody in. It says which snapshot does, and that is waited for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::future::Cache;
use tokio::sync::{Mutex, Semaphore};
use warder_shared::{
    id::IdentityProviderId,
    proto::v1::{
        IdentifyRequest, RefreshKeysRequest, identify_response,
        identity_service_client::IdentityServiceClient, refresh_keys_response,
    },
    snapshot::{NotMapped, Unmapped},
    token::UnknownKey,
};

use super::{Bearer, invalid, not_mapped};
use crate::{
    error::{ErrorType, Rejection},
    link::{Link, RPC_TIMEOUT},
    sync::Live,
};

/// Most keys, and most strangers, that are remembered as refused.
const CAPACITY: u64 = 10_000;

/// How long a key is believed not to exist.
const UNKNOWN_KEY: Duration = Duration::from_secs(30);

/// How long a stranger is believed to be unwelcome, unless something changes before.
const REFUSED: Duration = Duration::from_secs(5);

/// Most strangers that are asked about at once.
const INTRODUCTIONS: usize = 16;

/// How many identity providers are kept apart.
const PROVIDERS: u64 = 1_000;

/// The control plane's knowledge of newcomers.
pub(crate) struct Newcomers {
    link: Arc<Link>,
    live: Arc<Live>,
    unknown_keys: Cache<Arc<UnknownKey>, ()>,
    /// Held while one key of a provider is asked about; when the next may be.
    turns: Cache<IdentityProviderId, Arc<Mutex<Option<Instant>>>>,
    strangers: Cache<Stranger, Answer>,
    introductions: Semaphore,
}

/// Somebody at a provider, as of a version of the view: any change may make them welcome.
#[derive(PartialEq, Eq, Hash)]
struct Stranger {
    provider: IdentityProviderId,
    subject: String,
    version: u64,
}

#[derive(Clone)]
enum Answer {
    /// From this version on, the view knows them.
    Known(u64),
    /// Why they are not welcome.
    Refused(Arc<str>),
}

impl Newcomers {
    /// Nobody has been asked about yet.
    pub(crate) fn new(link: Arc<Link>, live: Arc<Live>) -> Self {
        let short_lived = |lifetime| {
            Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(lifetime)
        };
        Self {
            link,
            live,
            unknown_keys: short_lived(UNKNOWN_KEY).build(),
            turns: Cache::new(PROVIDERS),
            strangers: Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(REFUSED)
                .build(),
            introductions: Semaphore::new(INTRODUCTIONS),
        }
    }

    /// Waits until the view has this key.
    ///
    /// # Errors
    /// 401 when there is no such key, 503 when that cannot be found out now.
    pub(super) async fn key(&self, key: &Arc<UnknownKey>) -> Result<(), Rejection> {
        in_time(self.find_key(key)).await
    }

    async fn find_key(&self, key: &Arc<UnknownKey>) -> Result<(), Rejection> {
        let none = || invalid("the identity provider has no such key".into());
        if self.unknown_keys.contains_key(key) {
            return Err(none());
        }
        let turn = self.turns.get_with(key.provider, async { Arc::default() });
        let turn = turn.await;
        let mut next = turn.lock().await;
        // Whoever had the turn before may have found out.
        if self.has(key) {
            return Ok(());
        }
        if self.unknown_keys.contains_key(key) {
            return Err(none());
        }
        if let Some(pause) = next.and_then(|at| at.checked_duration_since(Instant::now())) {
            return Err(later("too many unknown keys").retry_after(pause));
        }
        let message = RefreshKeysRequest {
            identity_provider_id: key.provider.to_string(),
            kid: key.kid.clone(),
        };
        let channel = self.link.channel();
        let response = self.link.ask(message, |request| {
            let mut client = IdentityServiceClient::new(channel.clone());
            async move { client.refresh_keys(request).await }
        });
        let outcome = match response.await {
            Ok(response) => response.outcome,
            Err(status) if status.code() == tonic::Code::NotFound => return Err(none()),
            Err(status) => return Err(later(format!("control plane: {:?}", status.code()))),
        };
        use refresh_keys_response::Outcome;
        match outcome {
            Some(Outcome::Version(version)) => {
                self.live.reached(version).await;
                Ok(())
            }
            Some(Outcome::Unknown(_)) => {
                self.unknown_keys.insert(key.clone(), ()).await;
                Err(none())
            }
            Some(Outcome::RetryAfterMs(pause)) => {
                let pause = Duration::from_millis(pause.into());
                *next = Some(Instant::now() + pause);
                Err(later("the identity provider was asked a moment ago").retry_after(pause))
            }
            None => Err(later("the control plane's answer is not known here")),
        }
    }

    fn has(&self, key: &UnknownKey) -> bool {
        let view = self.live.view();
        let provider = view.snapshot.identity_provider(key.provider);
        provider.is_some_and(|provider| provider.keys.has(&key.kid))
    }

    /// Waits until the view knows the holder of this verified token.
    ///
    /// # Errors
    /// 403 when the control plane will not have them, 503 when it cannot be asked now.
    pub(super) async fn introduce(
        &self,
        token: &Bearer,
        (provider, subject): (IdentityProviderId, &str),
        refusal: NotMapped,
    ) -> Result<(), Rejection> {
        let stranger = Stranger {
            provider,
            subject: subject.to_owned(),
            version: self.live.view().version(),
        };
        in_time(async {
            let answer = self
                .strangers
                .try_get_with(stranger, self.ask_about(token))
                .await
                .map_err(|rejection| Rejection::clone(&rejection))?;
            match answer {
                Answer::Known(version) => {
                    self.live.reached(version).await;
                    Ok(())
                }
                Answer::Refused(reason) => {
                    let why = Unmapped::Refused;
                    Err(not_mapped(&NotMapped { why, ..refusal }).because(reason.to_string()))
                }
            }
        })
        .await
    }

    async fn ask_about(&self, token: &Bearer) -> Result<Answer, Rejection> {
        let _one_of_few = self
            .introductions
            .acquire()
            .await
            .map_err(|_| later("ending"))?;
        let message = IdentifyRequest {
            caller_token: token.expose().to_owned(),
        };
        let channel = self.link.channel();
        let response = self.link.ask(message, |request| {
            let mut client = IdentityServiceClient::new(channel.clone());
            async move { client.identify(request).await }
        });
        use identify_response::Outcome;
        match response.await {
            Ok(response) => match response.outcome {
                Some(Outcome::Version(version)) => Ok(Answer::Known(version)),
                Some(Outcome::Refusal(reason)) => Ok(Answer::Refused(reason.into())),
                None => Err(later("the control plane's answer is not known here")),
            },
            Err(status) if status.code() == tonic::Code::PermissionDenied => {
                Err(invalid("refused by the control plane".into()))
            }
            Err(status) => Err(later(format!("control plane: {:?}", status.code()))),
        }
    }
}

async fn in_time<T>(answer: impl Future<Output = Result<T, Rejection>>) -> Result<T, Rejection> {
    tokio::time::timeout(RPC_TIMEOUT, answer)
        .await
        .unwrap_or_else(|_| Err(later("the control plane takes too long")))
}

/// The caller may be welcome, but nobody can tell right now.
fn later(reason: impl Into<std::borrow::Cow<'static, str>>) -> Rejection {
    Rejection::unavailable(
        ErrorType::Overloaded,
        "the token's identity provider or holder cannot be looked up right now",
    )
    .because(reason)
}
