//! Table `identity_provider_mappings`: values of claims that stand for teams and virtual accounts.

use std::collections::BTreeSet;

use warder_shared::id::{IdentityProviderId, TeamId, UserId, VirtualAccountId};
use warder_shared::principal::Subject;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row, corrupt};
use super::subject::subject_columns;
use super::tx::Tx;
use crate::domain::{Change, ClaimMapping, MappingTarget};

/// What is mapped to a team or a virtual account, sorted.
///
/// # Errors
/// When the database fails.
pub async fn of_target(
    conn: impl Into<Conn<'_>>,
    target: MappingTarget,
) -> Result<Vec<ClaimMapping>> {
    const SQL: &str = "SELECT provider_id, value, target_kind, target_id \
        FROM identity_provider_mappings WHERE target_kind = $1 AND target_id = $2 \
        ORDER BY provider_id, value";
    let (kind, id) = columns(target);
    let found: Vec<Mapped> = conn.into().fetch_all(SQL, values_of![kind, id]).await?;
    Ok(found.into_iter().map(|mapped| mapped.mapping).collect())
}

/// Every mapping with what it leads to, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<(MappingTarget, ClaimMapping)>> {
    const SQL: &str =
        "SELECT provider_id, value, target_kind, target_id FROM identity_provider_mappings";
    let found: Vec<Mapped> = conn.into().fetch_all(SQL, Vec::new()).await?;
    Ok(found
        .into_iter()
        .map(|mapped| (mapped.target, mapped.mapping))
        .collect())
}

/// The virtual account that a value is mapped to.
///
/// # Errors
/// When the database fails.
pub async fn account_of(
    conn: impl Into<Conn<'_>>,
    mapping: &ClaimMapping,
) -> Result<Option<VirtualAccountId>> {
    const SQL: &str = "SELECT provider_id, value, target_kind, target_id \
        FROM identity_provider_mappings \
        WHERE provider_id = $1 AND value = $2 AND target_kind = 'virtual-account'";
    let values = values_of![mapping.provider.as_uuid(), mapping.value.as_str()];
    let found: Option<Mapped> = conn.into().fetch_optional(SQL, values).await?;
    Ok(found.and_then(|mapped| match mapped.target {
        MappingTarget::VirtualAccount(id) => Some(id),
        MappingTarget::Team(_) => None,
    }))
}

/// Maps exactly these values to a team or a virtual account; whether that changed anything.
///
/// # Errors
/// [`super::StoreError::Conflict`] when a value is mapped to another virtual account,
/// [`super::StoreError::MissingReference`] when there is no such provider.
pub async fn replace(
    tx: &mut Tx,
    target: MappingTarget,
    mappings: &[ClaimMapping],
) -> Result<bool> {
    const ADD: &str = "INSERT INTO identity_provider_mappings \
        (provider_id, value, target_kind, target_id) VALUES ($1, $2, $3, $4)";
    const REMOVE: &str = "DELETE FROM identity_provider_mappings WHERE provider_id = $1 \
        AND value = $2 AND target_kind = $3 AND target_id = $4";
    let current: BTreeSet<ClaimMapping> = of_target(&mut *tx, target).await?.into_iter().collect();
    let wanted: BTreeSet<ClaimMapping> = mappings.iter().cloned().collect();
    if current == wanted {
        return Ok(false);
    }
    for mapping in current.symmetric_difference(&wanted) {
        let sql = if wanted.contains(mapping) {
            ADD
        } else {
            REMOVE
        };
        let (kind, id) = columns(target);
        let values = values_of![mapping.provider.as_uuid(), mapping.value.as_str(), kind, id];
        Conn::from(&mut *tx).execute(sql, values).await?;
        if matches!(target, MappingTarget::Team(_)) {
            record_members(tx, mapping).await?;
        }
    }
    forget_unmapped_groups(tx).await?;
    tx.record_change(change(target)).await?;
    Ok(true)
}

/// Removes everything that is mapped from a provider's claims.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_provider(tx: &mut Tx, provider: IdentityProviderId) -> Result<()> {
    const FIND: &str = "SELECT provider_id, value, target_kind, target_id \
                        FROM identity_provider_mappings WHERE provider_id = $1";
    const DELETE: &str = "DELETE FROM identity_provider_mappings WHERE provider_id = $1";
    let found: Vec<Mapped> = Conn::from(&mut *tx)
        .fetch_all(FIND, values_of![provider.as_uuid()])
        .await?;
    for Mapped { target, mapping } in found {
        if matches!(target, MappingTarget::Team(_)) {
            record_members(tx, &mapping).await?;
        }
        tx.record_change(change(target)).await?;
    }
    Conn::from(&mut *tx)
        .execute(DELETE, values_of![provider.as_uuid()])
        .await?;
    forget_unmapped_groups(tx).await
}

/// Tells pods of the users whom a provider said to be in a group.
async fn record_members(tx: &mut Tx, mapping: &ClaimMapping) -> Result<()> {
    const SQL: &str =
        "SELECT user_id FROM user_identity_groups WHERE provider_id = $1 AND value = $2";
    let values = values_of![mapping.provider.as_uuid(), mapping.value.as_str()];
    let members: Vec<Member> = Conn::from(&mut *tx).fetch_all(SQL, values).await?;
    for member in members {
        tx.record_change(Change::User(member.0)).await?;
    }
    Ok(())
}

/// What a provider once said of a group must not come back when the group is mapped again.
async fn forget_unmapped_groups(tx: &mut Tx) -> Result<()> {
    const SQL: &str = "DELETE FROM user_identity_groups WHERE NOT EXISTS \
        (SELECT 1 FROM identity_provider_mappings \
         WHERE identity_provider_mappings.provider_id = user_identity_groups.provider_id \
         AND identity_provider_mappings.value = user_identity_groups.value \
         AND identity_provider_mappings.target_kind = 'team')";
    Conn::from(tx).execute(SQL, Vec::new()).await.map(drop)
}

fn columns(target: MappingTarget) -> (&'static str, uuid::Uuid) {
    subject_columns(match target {
        MappingTarget::Team(id) => Subject::Team(id),
        MappingTarget::VirtualAccount(id) => Subject::VirtualAccount(id),
    })
}

const fn change(target: MappingTarget) -> Change {
    match target {
        MappingTarget::Team(id) => Change::Team(id),
        MappingTarget::VirtualAccount(id) => Change::VirtualAccount(id),
    }
}

struct Mapped {
    target: MappingTarget,
    mapping: ClaimMapping,
}

impl FromRow for Mapped {
    fn from_row(row: &Row) -> Result<Self> {
        let (kind, id): (String, uuid::Uuid) = (row.get("target_kind")?, row.get("target_id")?);
        let target = match kind.as_str() {
            "team" => MappingTarget::Team(TeamId::from_uuid(id)),
            "virtual-account" => MappingTarget::VirtualAccount(VirtualAccountId::from_uuid(id)),
            _ => {
                return Err(corrupt(
                    "target_kind",
                    "not a kind that claims are mapped to",
                ));
            }
        };
        Ok(Self {
            target,
            mapping: ClaimMapping {
                provider: IdentityProviderId::from_uuid(row.get("provider_id")?),
                value: row.get("value")?,
            },
        })
    }
}

struct Member(UserId);

impl FromRow for Member {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(UserId::from_uuid(row.get("user_id")?)))
    }
}
