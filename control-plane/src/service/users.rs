//! Use cases of users.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use warder_shared::{
    id::UserId,
    principal::{Principal, Subject},
};

use crate::{
    authorize::{Permit, Tenant},
    domain::{AuditEvent, Email, ObjectKind, Page, PageRequest, TenantRole, User, UserStatus},
    service::{Failure, Precondition, Services, Violations, text},
    store::{
        StoreError, Tx, audit_events, auth_overrides, collaborators, oauth_grants, sessions,
        tokens, users,
    },
};

/// A user, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = User)]
pub struct UserView {
    /// Never used again, even after the user is gone.
    #[schema(value_type = String, format = Uuid)]
    pub id: UserId,
    /// Their address, in lower case.
    #[schema(value_type = String, format = Email)]
    pub email: Email,
    /// Name shown to people.
    pub name: String,
    /// Tenant roles.
    #[schema(value_type = Vec<crate::service::words::TenantRole>)]
    pub roles: Vec<TenantRole>,
    /// Whether their tokens are accepted.
    #[schema(value_type = crate::service::words::UserStatus)]
    pub status: UserStatus,
    /// When the user was made.
    pub created_at: DateTime<Utc>,
    /// When a field last changed.
    pub updated_at: DateTime<Utc>,
}

/// A user to add.
#[derive(Debug)]
pub struct NewUser {
    /// Their address.
    pub email: Email,
    /// Name shown to people.
    pub name: String,
    /// Tenant roles.
    pub roles: Vec<TenantRole>,
    /// Whether their tokens are accepted.
    pub status: UserStatus,
}

/// What to change of a user.
#[derive(Debug, Default)]
pub struct UserPatch {
    /// Name shown to people.
    pub name: Option<String>,
    /// Tenant roles, all of them.
    pub roles: Option<Vec<TenantRole>>,
    /// Whether their tokens are accepted.
    pub status: Option<UserStatus>,
}

/// Users by address.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    _: &Permit<Tenant>,
    page: PageRequest<Email>,
) -> Result<Page<UserView, Email>, Failure> {
    Ok(users::list(&services.store, &page)
        .await?
        .map(UserView::from))
}

/// One user.
///
/// # Errors
/// [`Failure::NotFound`].
pub async fn get(
    services: &Services,
    _: &Permit<Tenant>,
    email: &str,
) -> Result<UserView, Failure> {
    let email = email.parse().map_err(|_| NOT_FOUND)?;
    let user = users::find_by_email(&services.store, &email).await?;
    user.map(UserView::from).ok_or(NOT_FOUND)
}

/// Adds a user.
///
/// # Errors
/// [`Failure::Invalid`], or [`Failure::AlreadyExists`] when the address is taken.
pub async fn create(
    services: &Services,
    permit: &Permit<Tenant>,
    new: NewUser,
) -> Result<UserView, Failure> {
    check(Some(&new.name), Some(&new.roles))?;
    let mut tx = services.store.begin().await?;
    let now = tx.now();
    let user = User {
        id: UserId::new(tx.clock()),
        email: new.email,
        name: new.name,
        roles: normalized(new.roles),
        status: new.status,
        created_at: now,
        updated_at: now,
    };
    users::insert(&mut tx, &user)
        .await
        .map_err(|error| match error {
            StoreError::Conflict => Failure::AlreadyExists { what: "user" },
            other => other.into(),
        })?;
    let record = permit.record(
        tx.clock(),
        "user.create",
        ObjectKind::User,
        user.email.as_str(),
    );
    let detail = json!({ "roles": user.roles, "status": user.status });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(user.into())
}

/// Changes a user.
///
/// # Errors
/// [`Failure::Invalid`], [`Failure::NotFound`], [`Failure::PreconditionFailed`] or
/// [`Failure::LastAdministrator`].
pub async fn update(
    services: &Services,
    permit: &Permit<Tenant>,
    email: &str,
    patch: UserPatch,
    precondition: &Precondition,
) -> Result<UserView, Failure> {
    check(patch.name.as_deref(), patch.roles.as_deref())?;
    let mut tx = services.store.begin().await?;
    let before = existing(&mut tx, email, precondition).await?;
    let mut user = before.clone();
    user.name = patch.name.unwrap_or(user.name);
    user.roles = patch.roles.map_or(user.roles, normalized);
    user.status = patch.status.unwrap_or(user.status);
    if user == before {
        return Ok(before.into());
    }
    if administrates(&before) && !administrates(&user) {
        keep_an_administrator(&mut tx, before.id).await?;
    }
    user.updated_at = tx.now();
    users::update(&mut tx, &user).await?;
    // A session of before would have rights, or lack some, that nobody signed in for.
    if user.roles != before.roles || user.status != before.status {
        sessions::delete_of_user(&mut tx, user.id, None).await?;
    }
    let record = permit.record(
        tx.clock(),
        "user.update",
        ObjectKind::User,
        user.email.as_str(),
    );
    let detail = json!({ "roles": user.roles, "status": user.status });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(user.into())
}

/// Deletes a user with everything that names them, and revokes their tokens.
///
/// # Errors
/// [`Failure::NotFound`], [`Failure::PreconditionFailed`] or [`Failure::LastAdministrator`].
pub async fn delete(
    services: &Services,
    permit: &Permit<Tenant>,
    email: &str,
    precondition: &Precondition,
) -> Result<(), Failure> {
    let mut tx = services.store.begin().await?;
    let user = existing(&mut tx, email, precondition).await?;
    if administrates(&user) {
        keep_an_administrator(&mut tx, user.id).await?;
    }
    let principal = Principal::User(user.id);
    collaborators::delete_of_subject(&mut tx, Subject::from(principal)).await?;
    auth_overrides::delete_of_subject(&mut tx, principal).await?;
    oauth_grants::delete_of_user(&mut tx, user.id).await?;
    services.vault.settle(&mut tx).await?;
    let revoked = tokens::revoke_of_owner(&mut tx, principal).await?;
    users::delete(&mut tx, user.id).await?;
    let record = permit.record(
        tx.clock(),
        "user.delete",
        ObjectKind::User,
        user.email.as_str(),
    );
    let detail = json!({ "revoked_tokens": revoked });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(())
}

const NOT_FOUND: Failure = Failure::NotFound { what: "user" };

async fn existing(tx: &mut Tx, email: &str, precondition: &Precondition) -> Result<User, Failure> {
    let email = email.parse().map_err(|_| NOT_FOUND)?;
    let user = users::find_by_email(&mut *tx, &email)
        .await?
        .ok_or(NOT_FOUND)?;
    precondition.check(Some(&UserView::from(user.clone())))?;
    Ok(user)
}

fn administrates(user: &User) -> bool {
    user.is_admin() && user.is_active()
}

async fn keep_an_administrator(tx: &mut Tx, other_than: UserId) -> Result<(), Failure> {
    match users::count_active_admins(tx, Some(other_than)).await? {
        0 => Err(Failure::LastAdministrator),
        _ => Ok(()),
    }
}

fn check(name: Option<&str>, roles: Option<&[TenantRole]>) -> Result<(), Failure> {
    let mut violations = Violations::default();
    if let Some(name) = name {
        violations.take("/name", text::label(name));
    }
    if roles.is_some_and(<[TenantRole]>::is_empty) {
        violations.add("/roles", "must have at least one role");
    }
    violations.finish()
}

fn normalized(mut roles: Vec<TenantRole>) -> Vec<TenantRole> {
    roles.sort_unstable();
    roles.dedup();
    roles
}

impl From<User> for UserView {
    fn from(user: User) -> Self {
        Self {
            id: user.id,
            email: user.email,
            name: user.name,
            roles: user.roles,
            status: user.status,
            created_at: user.created_at,
            updated_at: user.updated_at,
        }
    }
}
