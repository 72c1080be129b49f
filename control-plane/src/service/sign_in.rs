//! Signing in with a password, and setting one.

use chrono::Duration;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use warder_shared::{id::EventId, id::UserId, principal::Principal};

use super::{BearerSecret, Failure, Services, sessions::start_in};
use crate::{
    authorize::{Oneself, Operator, Permit},
    domain::{
        Actor, AuditEvent, AuditSource, Email, ObjectKind, Outcome, SecretHash, SignedInBy, User,
        password,
    },
    store::{Tx, audit_events, sessions, sign_in_attempts, user_passwords, users},
};

/// How many wrong passwords there may be in [`WINDOW`], at one account and from one client.
const ATTEMPTS: i64 = 5;

/// For how long a wrong password counts.
pub const WINDOW: Duration = Duration::minutes(15);

/// Where a request to sign in came from.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The client's address, as far as attempts are counted by it.
    pub client: String,
    /// The request.
    pub request_id: Option<String>,
}

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The password is not that of the account, or there is no such account, or it is disabled, or it has no
    /// password: nobody hears which.
    #[error("wrong credentials")]
    Wrong,
    /// Too many wrong passwords came before.
    #[error("too many attempts")]
    TooMany,
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] Failure),
}

/// Signs somebody in who knows the password of an account: the id of their new session.
///
/// # Errors
/// See [`Refused`].
pub async fn with_password(
    services: &Services,
    email: &str,
    password: SecretString,
    origin: &Origin,
) -> Result<BearerSecret, Refused> {
    let account = account_hash(email);
    let attempt = begin_attempt(services, &account, &origin.client).await?;
    let user = match email.parse::<Email>() {
        Ok(email) => users::find_by_email(&services.store, &email)
            .await
            .map_err(Failure::from)?,
        Err(_) => None,
    };
    let stored = match &user {
        Some(user) => user_passwords::find(&services.store, user.id)
            .await
            .map_err(Failure::from)?,
        None => None,
    };
    let known = verify(services, password, stored, attempt).await?;
    let mut tx = services.store.begin().await.map_err(Failure::from)?;
    let Some(user) = user.filter(|user| known && user.is_active()) else {
        let event = refusal(&tx, origin);
        audit_events::insert(&mut tx, &event)
            .await
            .map_err(Failure::from)?;
        tx.commit().await.map_err(Failure::from)?;
        return Err(Refused::Wrong);
    };
    sign_in_attempts::delete_of_account(&mut tx, &account)
        .await
        .map_err(Failure::from)?;
    let request_id = origin.request_id.clone();
    let session = start_in(&mut tx, user.id, SignedInBy::Password, request_id).await?;
    tx.commit().await.map_err(Failure::from)?;
    Ok(session)
}

/// Compares, and takes the attempt back where the machine was too busy to.
async fn verify(
    services: &Services,
    password: SecretString,
    stored: Option<String>,
    attempt: EventId,
) -> Result<bool, Failure> {
    let compared = services.passwords.verify(password, stored).await;
    if compared.is_err() {
        forget_attempt(services, attempt).await?;
    }
    compared
}

/// Counts the attempt first, and is counted after that: however many come at once, on however many
/// replicas, no more than the limit go on.
async fn begin_attempt(
    services: &Services,
    account: &SecretHash,
    client: &str,
) -> Result<EventId, Refused> {
    let id = EventId::new(services.clock());
    let note = async {
        let mut tx = services.store.begin_append().await?;
        sign_in_attempts::insert(&mut tx, id, account, client).await?;
        tx.commit().await?;
        let mut tx = services.store.begin_read().await?;
        let since = tx.now() - WINDOW;
        sign_in_attempts::count(&mut tx, account, client, since).await
    };
    let (at_account, by_client) = note.await.map_err(Failure::from)?;
    if at_account > ATTEMPTS || by_client > ATTEMPTS {
        // It does not count: otherwise whoever keeps trying would keep its owner out for ever.
        forget_attempt(services, id).await?;
        return Err(Refused::TooMany);
    }
    Ok(id)
}

async fn forget_attempt(services: &Services, id: EventId) -> Result<(), Failure> {
    let mut tx = services.store.begin_append().await?;
    sign_in_attempts::delete(&mut tx, id).await?;
    Ok(tx.commit().await?)
}

/// An address that was entered, so that it cannot be read where people enter a password by mistake.
fn account_hash(email: &str) -> SecretHash {
    let digest = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA256,
        email.trim().to_lowercase().as_bytes(),
    );
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    SecretHash::from_bytes(bytes)
}

fn refusal(tx: &Tx, origin: &Origin) -> AuditEvent {
    AuditEvent {
        id: EventId::new(tx.clock()),
        at: tx.now(),
        source: AuditSource::ControlPlane,
        actor: Actor::anonymous(),
        action: "session.start".to_owned(),
        object_kind: Some(ObjectKind::Session),
        object_name: None,
        server: None,
        tool: None,
        outcome: Outcome::Denied,
        reason: Some("wrong_credentials".to_owned()),
        request_id: origin.request_id.clone(),
        node: None,
        detail: json!({ "client": origin.client }),
    }
}

/// Whether the caller has a password.
///
/// # Errors
/// When the database fails.
pub async fn has_password(services: &Services, permit: &Permit<Oneself>) -> Result<bool, Failure> {
    let Principal::User(user) = permit.resource().principal else {
        return Ok(false);
    };
    Ok(user_passwords::find(&services.store, user).await?.is_some())
}

/// Replaces the caller's password, which they have to know, and ends their sessions; the id of a new one.
///
/// # Errors
/// [`Failure::Invalid`] for a password that is not accepted, and see [`Refused`].
pub async fn change_password(
    services: &Services,
    permit: &Permit<Oneself>,
    (old, new): (SecretString, SecretString),
    origin: &Origin,
) -> Result<BearerSecret, Refused> {
    const NOT_FOUND: Failure = Failure::NotFound { what: "password" };
    let Principal::User(user) = permit.resource().principal else {
        return Err(NOT_FOUND.into());
    };
    check(&new)?;
    let email = permit.actor_name().unwrap_or_default();
    let account = account_hash(email);
    let attempt = begin_attempt(services, &account, &origin.client).await?;
    let stored = user_passwords::find(&services.store, user).await;
    let stored = stored.map_err(Failure::from)?.ok_or(NOT_FOUND)?;
    if !verify(services, old, Some(stored), attempt).await? {
        return Err(Refused::Wrong);
    }
    let hash = services.passwords.hash(new).await?;
    let changed = async {
        let mut tx = services.store.begin().await?;
        set(&mut tx, user, email, &hash).await?;
        let record = permit.record(tx.clock(), "password.change", ObjectKind::User, email);
        audit_events::insert(&mut tx, &record).await?;
        let request_id = origin.request_id.clone();
        let session = start_in(&mut tx, user, SignedInBy::Password, request_id).await?;
        tx.commit().await?;
        Ok::<_, Failure>(session)
    };
    Ok(changed.await?)
}

/// Sets somebody's password, for whoever holds the database anyway, and ends their sessions.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such user, [`Failure::Invalid`] for a password that is not
/// accepted.
pub async fn set_password(
    services: &Services,
    permit: &Permit<Operator>,
    email: &Email,
    new: SecretString,
) -> Result<(), Failure> {
    check(&new)?;
    let hash = services.passwords.hash(new).await?;
    let mut tx = services.store.begin().await?;
    let user = users::find_by_email(&mut tx, email).await?;
    let User { id, email, .. } = user.ok_or(Failure::NotFound { what: "user" })?;
    set(&mut tx, id, email.as_str(), &hash).await?;
    let record = permit.record(tx.clock(), "password.set", ObjectKind::User, email.as_str());
    audit_events::insert(&mut tx, &record).await?;
    Ok(tx.commit().await?)
}

/// The same, unless they have a password; whether it was set.
///
/// # Errors
/// As [`set_password`].
pub async fn set_first_password(
    services: &Services,
    permit: &Permit<Operator>,
    email: &Email,
    new: SecretString,
) -> Result<bool, Failure> {
    let user = users::find_by_email(&services.store, email).await?;
    let user = user.ok_or(Failure::NotFound { what: "user" })?;
    if user_passwords::find(&services.store, user.id)
        .await?
        .is_some()
    {
        return Ok(false);
    }
    set_password(services, permit, email, new).await?;
    Ok(true)
}

async fn set(tx: &mut Tx, user: UserId, email: &str, hash: &str) -> Result<(), Failure> {
    user_passwords::put(tx, user, hash).await?;
    sessions::delete_of_user(tx, user, None).await?;
    sign_in_attempts::delete_of_account(tx, &account_hash(email)).await?;
    Ok(())
}

fn check(password: &SecretString) -> Result<(), Failure> {
    password::check(password.expose_secret())
        .map_err(|error| Failure::invalid("/password", error.to_string()))
}
