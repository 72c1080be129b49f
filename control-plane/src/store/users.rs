//! Table `users`.

use warder_shared::id::UserId;

use super::Result;
use super::query::{Conn, Value, values_of};
use super::row::{FromRow, Number, Row};
use super::tx::Tx;
use crate::domain::{Change, Email, Page, PageRequest, User};

/// Adds a user.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the email is taken.
pub async fn insert(tx: &mut Tx, user: &User) -> Result<()> {
    const SQL: &str = "INSERT INTO users (id, email, name, roles, status, created_at, updated_at) \
                       VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let values = values_of![
        user.id.as_uuid(),
        user.email.as_str(),
        user.name.as_str(),
        Value::json(&user.roles)?,
        user.status.as_str(),
        user.created_at,
        user.updated_at,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::User(user.id)).await
}

/// Writes every field but the id and the time of making; whether there is such a user.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the email is taken.
pub async fn update(tx: &mut Tx, user: &User) -> Result<bool> {
    const SQL: &str = "UPDATE users SET email = $2, name = $3, roles = $4, status = $5, \
                       updated_at = $6 WHERE id = $1";
    let values = values_of![
        user.id.as_uuid(),
        user.email.as_str(),
        user.name.as_str(),
        Value::json(&user.roles)?,
        user.status.as_str(),
        user.updated_at,
    ];
    let found = Conn::from(&mut *tx).execute(SQL, values).await? > 0;
    if found {
        tx.record_change(Change::User(user.id)).await?;
    }
    Ok(found)
}

/// Removes a user and their memberships; whether there was one. Rules, overrides and tokens are the
/// caller's to remove: [`super::collaborators::delete_of_subject`],
/// [`super::auth_overrides::delete_of_subject`], [`super::tokens::revoke_of_owner`].
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: UserId) -> Result<bool> {
    const SQL: &str = "DELETE FROM users WHERE id = $1";
    let found = Conn::from(&mut *tx)
        .execute(SQL, values_of![id.as_uuid()])
        .await?
        > 0;
    if found {
        tx.record_change(Change::User(id)).await?;
    }
    Ok(found)
}

/// The user with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, id: UserId) -> Result<Option<User>> {
    const SQL: &str = "SELECT id, email, name, roles, status, created_at, updated_at \
                       FROM users WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// The user with an email.
///
/// # Errors
/// When the database fails.
pub async fn find_by_email(conn: impl Into<Conn<'_>>, email: &Email) -> Result<Option<User>> {
    const SQL: &str = "SELECT id, email, name, roles, status, created_at, updated_at \
                       FROM users WHERE email = $1";
    conn.into()
        .fetch_optional(SQL, values_of![email.as_str()])
        .await
}

/// Users by email.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: impl Into<Conn<'_>>,
    request: &PageRequest<Email>,
) -> Result<Page<User, Email>> {
    const SQL: &str = "SELECT id, email, name, roles, status, created_at, updated_at FROM users \
                       WHERE email > $1 ORDER BY email LIMIT $2";
    let after = request.after.as_ref().map_or("", Email::as_str);
    let users = conn
        .into()
        .fetch_all(SQL, values_of![after, request.rows()])
        .await?;
    Ok(Page::cut(users, request, |user: &User| user.email.clone()))
}

/// Every user, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<User>> {
    const SQL: &str = "SELECT id, email, name, roles, status, created_at, updated_at FROM users";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// How many active administrators there are, `other_than` not counted.
///
/// # Errors
/// When the database fails.
pub async fn count_active_admins(
    conn: impl Into<Conn<'_>>,
    other_than: Option<UserId>,
) -> Result<i64> {
    // Roles are words from a closed list, so looking for one in the JSON text finds nothing else.
    const SQL: &str = "SELECT COUNT(*) AS number FROM users WHERE status = 'active' \
                       AND CAST(roles AS TEXT) LIKE '%\"admin\"%' AND ($1 IS NULL OR id <> $1)";
    let other_than = other_than.map(UserId::as_uuid);
    Ok(conn
        .into()
        .fetch_one::<Number>(SQL, values_of![other_than])
        .await?
        .0)
}

impl FromRow for User {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: UserId::from_uuid(row.get("id")?),
            email: row.parse("email")?,
            name: row.get("name")?,
            roles: row.json("roles")?,
            status: row.parse("status")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}
