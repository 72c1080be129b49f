//! The first administrator.

use std::time::Duration;

use serde_json::json;
use warder_shared::{id::UserId, principal::Principal};

use crate::{
    authorize::{Operator, Permit},
    domain::{AuditEvent, Email, ObjectKind, TenantRole, User, UserStatus},
    service::{
        Failure, Services,
        issued::{IssuedToken, issue, lifetime},
        text,
        tokens::NewToken,
    },
    store::{audit_events, users},
};

/// Makes the first administrator with a personal access token, which is shown once. A user of this
/// address who is there already becomes the administrator.
///
/// # Errors
/// [`Failure::AlreadyExists`] when there is an administrator, [`Failure::Invalid`] for a name or a
/// lifetime that is not accepted.
pub async fn first_administrator(
    services: &Services,
    permit: &Permit<Operator>,
    email: Email,
    name: String,
    expires_in: Option<Duration>,
) -> Result<IssuedToken, Failure> {
    text::label(&name).map_err(|error| Failure::invalid("/name", error.to_string()))?;
    let mut tx = services.store.begin().await?;
    if users::count_active_admins(&mut tx, None).await? > 0 {
        return Err(Failure::AlreadyExists {
            what: "administrator",
        });
    }
    let now = tx.now();
    let found = users::find_by_email(&mut tx, &email).await?;
    let is_new = found.is_none();
    let mut user = found.unwrap_or_else(|| User {
        id: UserId::new(tx.clock()),
        email,
        name: String::new(),
        roles: Vec::new(),
        status: UserStatus::Active,
        created_at: now,
        updated_at: now,
    });
    user.roles.push(TenantRole::Admin);
    user.roles.sort_unstable();
    user.roles.dedup();
    user.status = UserStatus::Active;
    user.updated_at = now;
    if !name.is_empty() {
        user.name = name;
    }
    if is_new {
        users::insert(&mut tx, &user).await?;
    } else {
        users::update(&mut tx, &user).await?;
    }
    let new = NewToken {
        owner: Principal::User(user.id),
        name: "bootstrap".to_owned(),
        created_by: permit.principal(),
        lifetime: lifetime(expires_in),
    };
    let issued = issue(services, &mut tx, new).await?;
    let record = permit.record(
        tx.clock(),
        "user.bootstrap",
        ObjectKind::User,
        user.email.as_str(),
    );
    let detail =
        json!({ "roles": user.roles, "token": issued.id, "expires_at": issued.expires_at });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(issued)
}

/// A new token for an administrator whose own was lost, or the first administrator where there is none.
/// Whoever holds the database and the root key may have it.
///
/// # Errors
/// [`Failure::NotFound`] when the address is not that of an active administrator.
pub async fn administrator_token(
    services: &Services,
    permit: &Permit<Operator>,
    email: Email,
) -> Result<IssuedToken, Failure> {
    let mut tx = services.store.begin().await?;
    if users::count_active_admins(&mut tx, None).await? == 0 {
        drop(tx);
        return first_administrator(services, permit, email, String::new(), None).await;
    }
    let found = users::find_by_email(&mut tx, &email).await?;
    let is_admin =
        |user: &User| user.status == UserStatus::Active && user.roles.contains(&TenantRole::Admin);
    let user = found.filter(is_admin).ok_or(Failure::NotFound {
        what: "administrator",
    })?;
    let new = NewToken {
        owner: Principal::User(user.id),
        name: "recovery".to_owned(),
        created_by: permit.principal(),
        lifetime: lifetime(None),
    };
    let issued = issue(services, &mut tx, new).await?;
    let record = permit.record(
        tx.clock(),
        "user.recover",
        ObjectKind::User,
        user.email.as_str(),
    );
    let detail = json!({ "token": issued.id, "expires_at": issued.expires_at });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(issued)
}
