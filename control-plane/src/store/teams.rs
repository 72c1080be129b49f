//! Tables `teams` and `team_members`.

use std::collections::BTreeSet;

use warder_shared::id::{TeamId, UserId};
use warder_shared::name::Name;

use super::Result;
use super::query::{Conn, values_of};
use super::row::{FromRow, Row};
use super::tx::Tx;
use crate::domain::{Change, Page, PageRequest, Team, User};

/// One user's place in one team.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The team.
    pub team_id: TeamId,
    /// Its member.
    pub user_id: UserId,
}

/// Adds a team without members.
///
/// # Errors
/// [`super::StoreError::Conflict`] when the name is taken.
pub async fn insert(tx: &mut Tx, team: &Team) -> Result<()> {
    const SQL: &str = "INSERT INTO teams (id, name, display_name, created_at, updated_at) \
                       VALUES ($1, $2, $3, $4, $5)";
    let values = values_of![
        team.id.as_uuid(),
        team.name.as_str(),
        team.display_name.as_str(),
        team.created_at,
        team.updated_at,
    ];
    Conn::from(tx).execute(SQL, values).await.map(drop)
}

/// Writes the display name and the time of change; whether there is such a team.
///
/// # Errors
/// When the database fails.
pub async fn update(tx: &mut Tx, team: &Team) -> Result<bool> {
    const SQL: &str = "UPDATE teams SET display_name = $2, updated_at = $3 WHERE id = $1";
    let values = values_of![
        team.id.as_uuid(),
        team.display_name.as_str(),
        team.updated_at
    ];
    Ok(Conn::from(tx).execute(SQL, values).await? > 0)
}

/// Removes a team and its memberships; whether there was one. Rules and claims that name it are the
/// caller's to remove: [`super::collaborators::delete_of_subject`],
/// [`super::identity_provider_mappings::replace`].
///
/// # Errors
/// When the database fails.
pub async fn delete(tx: &mut Tx, id: TeamId) -> Result<bool> {
    const SQL: &str = "DELETE FROM teams WHERE id = $1";
    replace_members(tx, id, &[]).await?;
    Ok(Conn::from(tx)
        .execute(SQL, values_of![id.as_uuid()])
        .await?
        > 0)
}

/// The team with an id.
///
/// # Errors
/// When the database fails.
pub async fn find(conn: impl Into<Conn<'_>>, id: TeamId) -> Result<Option<Team>> {
    const SQL: &str =
        "SELECT id, name, display_name, created_at, updated_at FROM teams WHERE id = $1";
    conn.into()
        .fetch_optional(SQL, values_of![id.as_uuid()])
        .await
}

/// The team with a name.
///
/// # Errors
/// When the database fails.
pub async fn find_by_name(conn: impl Into<Conn<'_>>, name: &Name) -> Result<Option<Team>> {
    const SQL: &str =
        "SELECT id, name, display_name, created_at, updated_at FROM teams WHERE name = $1";
    conn.into()
        .fetch_optional(SQL, values_of![name.as_str()])
        .await
}

/// Teams by name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    conn: impl Into<Conn<'_>>,
    request: &PageRequest<Name>,
) -> Result<Page<Team, Name>> {
    const SQL: &str = "SELECT id, name, display_name, created_at, updated_at FROM teams \
                       WHERE name > $1 ORDER BY name LIMIT $2";
    let after = request.after.as_ref().map_or("", Name::as_str);
    let teams = conn
        .into()
        .fetch_all(SQL, values_of![after, request.rows()])
        .await?;
    Ok(Page::cut(teams, request, |team: &Team| team.name.clone()))
}

/// The users that somebody put in a team, by email.
///
/// # Errors
/// When the database fails.
pub async fn members(conn: impl Into<Conn<'_>>, id: TeamId) -> Result<Vec<User>> {
    const SQL: &str = "SELECT users.id, email, name, roles, status, created_at, updated_at \
                       FROM users JOIN team_members ON team_members.user_id = users.id \
                       WHERE team_members.team_id = $1 ORDER BY email";
    conn.into().fetch_all(SQL, values_of![id.as_uuid()]).await
}

/// The teams of a user, by name: those that somebody put them in, and those that identity providers did.
///
/// # Errors
/// When the database fails.
pub async fn of_user(conn: impl Into<Conn<'_>>, id: UserId) -> Result<Vec<Team>> {
    const SQL: &str = "SELECT teams.id, name, display_name, created_at, updated_at \
                       FROM teams JOIN user_teams ON user_teams.team_id = teams.id \
                       WHERE user_teams.user_id = $1 ORDER BY name";
    conn.into().fetch_all(SQL, values_of![id.as_uuid()]).await
}

/// Every membership that somebody made, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn all_memberships(conn: impl Into<Conn<'_>>) -> Result<Vec<Membership>> {
    const SQL: &str = "SELECT team_id, user_id FROM team_members";
    conn.into().fetch_all(SQL, Vec::new()).await
}

/// The memberships of a user that somebody made, in no particular order.
///
/// # Errors
/// When the database fails.
pub async fn memberships_of_user(conn: impl Into<Conn<'_>>, id: UserId) -> Result<Vec<Membership>> {
    const SQL: &str = "SELECT team_id, user_id FROM team_members WHERE user_id = $1";
    conn.into().fetch_all(SQL, values_of![id.as_uuid()]).await
}

/// Makes exactly these users the members of a team that somebody put there; whether anybody came or went.
///
/// # Errors
/// [`super::StoreError::MissingReference`] when the team or a user does not exist.
pub async fn replace_members(tx: &mut Tx, id: TeamId, members: &[UserId]) -> Result<bool> {
    const CURRENT: &str = "SELECT team_id, user_id FROM team_members WHERE team_id = $1";
    const ADD: &str = "INSERT INTO team_members (team_id, user_id) VALUES ($1, $2)";
    const REMOVE: &str = "DELETE FROM team_members WHERE team_id = $1 AND user_id = $2";
    let current: Vec<Membership> = Conn::from(&mut *tx)
        .fetch_all(CURRENT, values_of![id.as_uuid()])
        .await?;
    let current: BTreeSet<UserId> = current
        .into_iter()
        .map(|membership| membership.user_id)
        .collect();
    let wanted: BTreeSet<UserId> = members.iter().copied().collect();
    for user in current.symmetric_difference(&wanted).copied() {
        let sql = if wanted.contains(&user) { ADD } else { REMOVE };
        Conn::from(&mut *tx)
            .execute(sql, values_of![id.as_uuid(), user.as_uuid()])
            .await?;
        tx.record_change(Change::User(user)).await?;
    }
    Ok(current != wanted)
}

impl FromRow for Team {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            id: TeamId::from_uuid(row.get("id")?),
            name: row.parse("name")?,
            display_name: row.get("display_name")?,
            created_at: row.get("created_at")?,
            updated_at: row.get("updated_at")?,
        })
    }
}

impl FromRow for Membership {
    fn from_row(row: &Row) -> Result<Self> {
        Ok(Self {
            team_id: TeamId::from_uuid(row.get("team_id")?),
            user_id: UserId::from_uuid(row.get("user_id")?),
        })
    }
}
