//! Tables `user_identities` and `user_identity_groups`: who users are at identity providers, and what those
//! last said of their groups.

use std::collections::{BTreeSet, HashMap};

use warder_shared::id::{IdentityProviderId, TeamId, UserId};

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Number, Row, corrupt};
use super::tx::Tx;
use crate::domain::{Change, UserIdentity};

/// Binds a subject of a provider to a user.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the subject is bound already, or another subject of the provider
/// is bound to the user; [`super::StoreError::MissingReference`] when the provider or the user does not
/// exist.
pub async fn insert(tx: &mut Tx, identity: &UserIdentity) -> Result<()> {
    const SQL: &str = "INSERT INTO user_identities (provider_id, subject, user_id, created_at) \
                       VALUES ($1, $2, $3, $4)";
    let values = values_of![
        identity.provider.as_uuid(),
        identity.subject.as_bytes(),
        identity.user.as_uuid(),
        identity.created_at,
    ];
    Conn::from(&mut *tx).execute(SQL, values).await?;
    tx.record_change(Change::User(identity.user)).await
}

/// Whom a subject of a provider is bound to.
///
/// # Errors
/// When the database fails.
pub async fn find(
    conn: impl Into<Conn<'_>>,
    provider: IdentityProviderId,
    subject: &str,
) -> Result<Option<UserIdentity>> {
    const SQL: &str = "SELECT provider_id, subject, user_id, created_at FROM user_identities \
                       WHERE provider_id = $1 AND subject = $2";
    conn.into()
        .fetch_optional(SQL, values_of![provider.as_uuid(), subject.as_bytes()])
        .await
}

/// Who a user is, at every provider that introduced them.
///
/// # Errors
/// When the database fails.
pub async fn of_user(conn: impl Into<Conn<'_>>, user: UserId) -> Result<Vec<UserIdentity>> {
    const SQL: &str = "SELECT provider_id, subject, user_id, created_at FROM user_identities \
                       WHERE user_id = $1 ORDER BY provider_id";
    conn.into().fetch_all(SQL, values_of![user.as_uuid()]).await
}

/// Who everybody is, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn all(conn: impl Into<Conn<'_>>) -> Result<Vec<UserIdentity>> {
    const SQL: &str = "SELECT provider_id, subject, user_id, created_at FROM user_identities";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// How many people of a provider there are.
///
/// # Errors
/// When the database fails.
pub async fn count_of_provider(
    conn: impl Into<Conn<'_>>,
    provider: IdentityProviderId,
) -> Result<i64> {
    const SQL: &str = "SELECT COUNT(*) AS number FROM user_identities WHERE provider_id = $1";
    Ok(conn
        .into()
        .fetch_one::<Number>(SQL, values_of![provider.as_uuid()])
        .await?
        .0)
}

/// Forgets who everybody is at a provider. The users stay.
///
/// # Errors
/// When the database fails.
pub async fn delete_of_provider(tx: &mut Tx, provider: IdentityProviderId) -> Result<()> {
    const FIND: &str = "SELECT provider_id, subject, user_id, created_at FROM user_identities \
                        WHERE provider_id = $1";
    const DELETE: &str = "DELETE FROM user_identities WHERE provider_id = $1";
    let found: Vec<UserIdentity> = Conn::from(&mut *tx)
        .fetch_all(FIND, values_of![provider.as_uuid()])
        .await?;
    for identity in found {
        tx.record_change(Change::User(identity.user)).await?;
    }
    Conn::from(tx)
        .execute(DELETE, values_of![provider.as_uuid()])
        .await
        .map(drop)
}

/// Remembers which groups a provider says a bound user is in, as far as they are mapped to teams; whether
/// that is news. Groups that other providers named, and memberships that somebody made, stay.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when the provider did not introduce the user.
pub async fn replace_groups(
    tx: &mut Tx,
    provider: IdentityProviderId,
    user: UserId,
    groups: &[String],
) -> Result<bool> {
    const MAPPED: &str = "SELECT DISTINCT value FROM identity_provider_mappings \
                          WHERE provider_id = $1 AND target_kind = 'team'";
    const CURRENT: &str =
        "SELECT value FROM user_identity_groups WHERE provider_id = $1 AND user_id = $2";
    const ADD: &str =
        "INSERT INTO user_identity_groups (provider_id, user_id, value) VALUES ($1, $2, $3)";
    const REMOVE: &str = "DELETE FROM user_identity_groups \
                          WHERE provider_id = $1 AND user_id = $2 AND value = $3";
    let key = || values_of![provider.as_uuid(), user.as_uuid()];
    let mapped = Conn::from(&mut *tx)
        .fetch_all::<Group>(MAPPED, values_of![provider.as_uuid()])
        .await?;
    let current = Conn::from(&mut *tx)
        .fetch_all::<Group>(CURRENT, key())
        .await?;
    let current: BTreeSet<String> = current.into_iter().map(|group| group.0).collect();
    let named: BTreeSet<&String> = groups.iter().collect();
    let wanted: BTreeSet<String> = mapped
        .into_iter()
        .map(|group| group.0)
        .filter(|group| named.contains(group))
        .collect();
    for group in current.symmetric_difference(&wanted) {
        let sql = if wanted.contains(group) { ADD } else { REMOVE };
        let mut values = key();
        values.push(group.as_str().into());
        Conn::from(&mut *tx).execute(sql, values).await?;
    }
    let changed = current != wanted;
    if changed {
        tx.record_change(Change::User(user)).await?;
    }
    Ok(changed)
}

/// The teams that follow from what each provider said of a user, or of everybody.
///
/// # Errors
/// When the database fails.
pub async fn teams(
    conn: impl Into<Conn<'_>>,
    of: Option<UserId>,
) -> Result<HashMap<(UserId, IdentityProviderId), Vec<TeamId>>> {
    const SQL: &str = "SELECT DISTINCT user_identity_groups.provider_id, \
        user_identity_groups.user_id, identity_provider_mappings.target_id \
        FROM user_identity_groups JOIN identity_provider_mappings \
        ON identity_provider_mappings.provider_id = user_identity_groups.provider_id \
        AND identity_provider_mappings.value = user_identity_groups.value \
        WHERE identity_provider_mappings.target_kind = 'team' \
        AND ($1 IS NULL OR user_identity_groups.user_id = $1) \
        ORDER BY identity_provider_mappings.target_id";
    let values = values_of![of.map(UserId::as_uuid)];
    let found: Vec<Membership> = conn.into().fetch_all(SQL, values).await?;
    let mut teams: HashMap<_, Vec<TeamId>> = HashMap::new();
    for Membership {
        user,
        provider,
        team,
    } in found
    {
        teams.entry((user, provider)).or_default().push(team);
    }
    Ok(teams)
}

impl FromRow for UserIdentity {
    fn from_row(row: &Row) -> Result<Self> {
        let subject: Vec<u8> = row.get("subject")?;
        Ok(Self {
            provider: IdentityProviderId::from_uuid(row.get("provider_id")?),
            subject: String::from_utf8(subject).map_err(|_| corrupt("subject", "not in UTF-8"))?,
            user: UserId::from_uuid(row.get("user_id")?),
            created_at: row.get("created_at")?,
        })
    }
}

struct Group(String);

impl FromRow for Group {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self(row.get("value")?))
    }
}

struct Membership {
    provider: IdentityProviderId,
    user: UserId,
    team: TeamId,
}

impl FromRow for Membership {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            provider: IdentityProviderId::from_uuid(row.get("provider_id")?),
            user: UserId::from_uuid(row.get("user_id")?),
            team: TeamId::from_uuid(row.get("target_id")?),
        })
    }
}
