//! Table `virtual_accounts`.

use warder_shared::id::VirtualAccountId;
use warder_shared::name::Name;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;
use crate::domain::{Change, Page, PageRequest, VirtualAccount};

/// Adds a virtual account.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the name is taken.
pub async fn insert(tx: &mut Tx, account: &VirtualAccount) -> Result<()> {
    const SQL: &str = "INSERT INTO virtual_accounts (id, name, description, created_at, updated_at) \
                       VALUES ($1, $2, $3, $4, $5)";
    let values = values_of![
        account.id.as_uuid(),
        account.name.as_str(),
        account.description.as_str(),
        account.created_at,
        account.updated_at,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::VirtualAccount(account.id)).await
}

/// Writes the description and the time of change; whether there is such an account.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, account: &VirtualAccount) -> Result<bool> {
    const SQL: &str = "UPDATE virtual_accounts SET description = $2, updated_at = $3 WHERE id = $1";
    let values = values_of![
        account.id.as_uuid(),
        account.description.as_str(),
        account.updated_at
    ];
    Ok(Conn::from(tx).execute(SQL, values).await? > 0)
}

/// Removes a virtual account; whether there was one. Rules, overrides, tokens and claims are the
/// caller's to remove: [`super::collaborators::delete_of_subject`],
/// [`super::auth_overrides::delete_of_subject`], [`super::tokens::revoke_of_owner`],
/// [`super::identity_provider_mappings::replace`].
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: VirtualAccountId) -> Result<bool> {
    const SQL: &str = "DELETE FROM virtual_accounts WHERE id = $1";
    let found = Conn::from(&mut *tx)
        .execute(SQL, values_of![id.as_uuid()])
        .await?
        > 0;
    if found {
        tx.record_change(Change::VirtualAccount(id)).await?;
    }
    Ok(found)
}

/// The virtual account with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(
    conn: impl Into<Conn<'_>>,
    id: VirtualAccountId,
) -> Result<Option<VirtualAccount>> {
    const SQL: &str = "SELECT id, name, description, created_at, updated_at \
                       FROM virtual_accounts WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// The virtual account with a name.
///
/// # Errors
/// When the database fails.
pub async fn find_by_name(
    conn: impl Into<Conn<'_>>,
    name: &Name,
) -> Result<Option<VirtualAccount>> {
    const SQL: &str = "SELECT id, name, description, created_at, updated_at \
                       FROM virtual_accounts WHERE name = $1";
    conn.into()
        .fetch_optional(SQL, values_of![name.as_str()])
        .await
}

/// Virtual accounts by name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: impl Into<Conn<'_>>,
    request: &PageRequest<Name>,
) -> Result<Page<VirtualAccount, Name>> {
    const SQL: &str = "SELECT id, name, description, created_at, updated_at FROM virtual_accounts \
                       WHERE name > $1 ORDER BY name LIMIT $2";
    let after = request.after.as_ref().map_or("", Name::as_str);
    let accounts = conn
        .into()
        .fetch_all(SQL, values_of![after, request.rows()])
        .await?;
    Ok(Page::cut(accounts, request, |account: &VirtualAccount| {
        account.name.clone()
    }))
}

/// Every virtual account, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<VirtualAccount>> {
    const SQL: &str = "SELECT id, name, description, created_at, updated_at FROM virtual_accounts";
    conn.into().fetch_all(SQL, Vec::new()).await
}

impl FromRow for VirtualAccount {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: VirtualAccountId::from_uuid(row.get("id")?),
            name: row.parse("name")?,
            description: row.get("description")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}
