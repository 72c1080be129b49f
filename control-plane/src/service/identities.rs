//! From what an identity provider says about somebody to their user: the one place that decides it, for tokens
//! and for sign-ins alike.
//!
//! A subject that is bound to a user stays that user, whatever the provider says of addresses later. It is bound
//! once: to the user of the address that the provider may speak for and vouches for, or, where subjects are the
//! identity, to a user of its own.
//!
//! **Invariant:** no two subjects of a provider are one user, and no address that a provider may not speak for leads
//! to anybody (T5, T6). When in doubt, nobody is found.

use serde_json::json;
use warder_shared::id::{EventId, UserId};
use warder_shared::identity_provider::{Assertion, IdentifyBy};
use warder_shared::principal::Principal;
use warder_shared::snapshot::Proof;
use warder_shared::token::TokenError;

use super::feed::{Feed, FeedFailure};
use super::text;
use crate::domain::identity_provider::{People, Provisioning};
use crate::domain::{
    Actor, AuditEvent, AuditSource, Email, IdentityProvider, ObjectKind, Outcome, TenantRole, User,
    UserIdentity, UserStatus,
};
use crate::store::{
    Store, StoreError, Tx, audit_events, identity_providers, user_identities, users,
};

/// Why somebody has no user here. What the provider said of them is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The provider was deleted or stands for virtual accounts now.
    #[error("the identity provider does not stand for users (any more)")]
    NoPeople,
    /// There is no address, or none that can name a user.
    #[error("there is no usable email address")]
    NoAddress,
    /// The provider does not say that it checked the address.
    #[error("the email address is not verified: `email_verified` is not true")]
    NotVerified,
    /// The address is outside the provider's domains.
    #[error("the email address is not in a domain that the identity provider may speak for")]
    Domain,
    /// Another subject of the provider is that user.
    #[error("the user of this email address is already somebody else at the identity provider")]
    AnotherSubject,
    /// Nobody has added them.
    #[error("there is no such user, and the identity provider may not add any (`invite_only`)")]
    NotInvited,
    /// The user was disabled.
    #[error("the user is disabled")]
    Disabled,
}

/// Why nobody was identified.
#[derive(Debug, thiserror::Error)]
pub enum IdentifyFailure {
    /// They are not welcome.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why the holder of a token was not introduced.
#[derive(Debug, thiserror::Error)]
pub enum IntroduceFailure {
    /// The token is not one of an identity provider, or not valid.
    #[error("the caller's token is not valid: {0}")]
    Token(#[from] TokenError),
    /// They are not welcome, or it could not be found out.
    #[error(transparent)]
    Identify(#[from] IdentifyFailure),
    /// The change feed failed.
    #[error(transparent)]
    Feed(#[from] FeedFailure),
}

/// What has to happen for an assertion to have its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: the subject is bound to them.
    Known(User),
    /// The subject is bound to a user who is there.
    Link(User),
    /// A user is made, with this address.
    Create(Email),
}

/// Finds the user that an assertion stands for, binding or making them where that is allowed, and keeps what the
/// provider says of their groups.
///
/// # Errors
/// See [`IdentifyFailure`]; nothing has changed then.
pub async fn identify(store: &Store, assertion: &Assertion) -> Result<User, IdentifyFailure> {
    let mut tx = store.begin().await?;
    let provider = identity_providers::find(&mut tx, assertion.provider).await?;
    let provider = provider.ok_or(Refusal::NoPeople)?;
    let people = provider.people().ok_or(Refusal::NoPeople)?;
    let plan = plan(&mut tx, &provider, assertion).await?;
    let known = matches!(plan, Plan::Known(_));
    let user = match plan {
        Plan::Known(user) => user,
        Plan::Link(user) => {
            bind(&mut tx, &user, assertion).await?;
            user
        }
        Plan::Create(email) => {
            let user = create(&mut tx, email, assertion).await?;
            bind(&mut tx, &user, assertion).await?;
            user
        }
    };
    // Without a claim to read them from, what was once read does not stay.
    let groups = people
        .team_claim
        .as_ref()
        .map_or(&[][..], |_| &assertion.groups);
    let moved = user_identities::replace_groups(&mut tx, provider.id, user.id, groups).await?;
    if moved {
        record(&mut tx, "user_identity.sync_groups", &user, assertion).await?;
    }
    if moved || !known {
        tx.commit().await?;
    }
    Ok(user)
}

/// Introduces the holder of a token, which is verified again here: a pod alone makes no users. The version from
/// which on the feed knows them.
///
/// # Errors
/// See [`IntroduceFailure`].
pub async fn introduce(
    store: &Store,
    feed: &Feed,
    caller_token: &str,
) -> Result<u64, IntroduceFailure> {
    // The pod may have heard of a key that this replica has not heard of yet.
    feed.refresh().await?;
    let verified = feed
        .snapshot()
        .verify(caller_token, "", store.clock().now())?;
    let Proof::IdentityProvider(proof) = &*verified.proof else {
        return Err(TokenError::Type.into());
    };
    identify(store, &proof.assertion).await?;
    feed.refresh().await?;
    Ok(u64::try_from(feed.version()).unwrap_or_default())
}

/// What would have to happen. Changes nothing.
pub(super) async fn plan(
    tx: &mut Tx,
    provider: &IdentityProvider,
    assertion: &Assertion,
) -> Result<Plan, IdentifyFailure> {
    let people = provider.people().ok_or(Refusal::NoPeople)?;
    let bound = user_identities::find(&mut *tx, provider.id, &assertion.subject).await?;
    if let Some(identity) = bound {
        let user = users::find(&mut *tx, identity.user).await?;
        let user = user.filter(User::is_active).ok_or(Refusal::Disabled)?;
        return Ok(Plan::Known(user));
    }
    let email = match people.identify_by {
        IdentifyBy::Email => address(people, assertion)?,
        IdentifyBy::Subject => {
            Email::of_subject(&provider.name, &provider.issuer, &assertion.subject)
        }
    };
    let Some(user) = users::find_by_email(&mut *tx, &email).await? else {
        return match people.provisioning {
            Provisioning::Jit => Ok(Plan::Create(email)),
            Provisioning::InviteOnly => Err(Refusal::NotInvited.into()),
        };
    };
    if !user.is_active() {
        return Err(Refusal::Disabled.into());
    }
    let identities = user_identities::of_user(&mut *tx, user.id).await?;
    if identities
        .iter()
        .any(|identity| identity.provider == provider.id)
    {
        return Err(Refusal::AnotherSubject.into());
    }
    Ok(Plan::Link(user))
}

/// The address by which a provider may lead to a user.
fn address(people: &People, assertion: &Assertion) -> Result<Email, Refusal> {
    let text = assertion.email.as_deref().ok_or(Refusal::NoAddress)?;
    // Other letters may become ASCII ones in lower case, and then name somebody else's mailbox.
    if !text.is_ascii() {
        return Err(Refusal::NoAddress);
    }
    let email: Email = text.parse().map_err(|_| Refusal::NoAddress)?;
    if !assertion.email_verified {
        return Err(Refusal::NotVerified);
    }
    if email.is_of_subject() || !people.email_domains.contains(email.domain()) {
        return Err(Refusal::Domain);
    }
    Ok(email)
}

async fn create(tx: &mut Tx, email: Email, assertion: &Assertion) -> Result<User, StoreError> {
    let now = tx.now();
    let name = assertion.name.clone();
    let user = User {
        id: UserId::new(tx.clock()),
        email,
        name: name
            .filter(|name| text::label(name).is_ok())
            .unwrap_or_default(),
        roles: vec![TenantRole::Member],
        status: UserStatus::Active,
        created_at: now,
        updated_at: now,
    };
    users::insert(tx, &user).await?;
    record(tx, "user.create", &user, assertion).await?;
    Ok(user)
}

async fn bind(tx: &mut Tx, user: &User, assertion: &Assertion) -> Result<(), StoreError> {
    let identity = UserIdentity {
        provider: assertion.provider,
        subject: assertion.subject.clone(),
        user: user.id,
        created_at: tx.now(),
    };
    user_identities::insert(tx, &identity).await?;
    record(tx, "user_identity.create", user, assertion).await
}

async fn record(
    tx: &mut Tx,
    action: &str,
    user: &User,
    assertion: &Assertion,
) -> Result<(), StoreError> {
    let name = user.email.to_string();
    let event = AuditEvent {
        id: EventId::new(tx.clock()),
        at: tx.now(),
        source: AuditSource::ControlPlane,
        actor: Actor::principal(Principal::User(user.id), Some(name.clone())),
        action: action.to_owned(),
        object_kind: Some(ObjectKind::User),
        object_name: Some(name),
        server: None,
        tool: None,
        outcome: Outcome::Allowed,
        reason: None,
        request_id: None,
        node: None,
        detail: json!({ "identity_provider": assertion.provider_name }),
    };
    audit_events::insert(tx, &event).await.map(drop)
}
