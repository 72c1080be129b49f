//! Use cases of teams.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use warder_shared::{id::TeamId, name::Name, principal::Subject};

use crate::{
    authorize::{Permit, Tenant},
    domain::{AuditEvent, Email, MappingTarget, ObjectKind, Page, PageRequest, Team},
    service::{
        Failure, Precondition, Services, Violations,
        identity_providers::mapping::{self, MappingInput, MappingView},
        text,
    },
    store::{Tx, audit_events, collaborators, teams, users},
};

/// A team, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Team)]
pub struct TeamView {
    /// Never used again, even after the team is gone.
    #[schema(value_type = String, format = Uuid)]
    pub id: TeamId,
    /// Its name in subjects: `team:<name>`.
    #[schema(value_type = String)]
    pub name: Name,
    /// Name shown to people.
    pub display_name: String,
    /// Addresses of its members, sorted: those that somebody put here.
    #[schema(value_type = Vec<String>)]
    pub members: Vec<Email>,
    /// Groups of identity providers whose people are members too.
    pub identity_provider_mapping: Vec<MappingView>,
    /// When the team was made.
    pub created_at: DateTime<Utc>,
    /// When a field or the membership last changed.
    pub updated_at: DateTime<Utc>,
}

/// The wanted state of a team.
#[derive(Debug)]
pub struct TeamInput {
    /// Name shown to people; absent: the team's name.
    pub display_name: Option<String>,
    /// Addresses of its members.
    pub members: Vec<Email>,
    /// Groups of identity providers whose people are members too.
    pub identity_provider_mapping: Vec<MappingInput>,
}

/// Teams by name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    _: &Permit<Tenant>,
    page: PageRequest<Name>,
) -> Result<Page<TeamView, Name>, Failure> {
    let mut tx = services.store.begin_read().await?;
    let page = teams::list(&mut tx, &page).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for team in page.items {
        items.push(view(&mut tx, team).await?);
    }
    Ok(Page {
        items,
        next: page.next,
    })
}

/// One team.
///
/// # Errors
/// [`Failure::NotFound`].
pub async fn get(services: &Services, _: &Permit<Tenant>, name: &str) -> Result<TeamView, Failure> {
    let mut tx = services.store.begin_read().await?;
    let team = find(&mut tx, name).await?.ok_or(NOT_FOUND)?;
    view(&mut tx, team).await
}

/// Creates a team or replaces its state; whether it is new.
///
/// # Errors
/// [`Failure::Invalid`] or [`Failure::PreconditionFailed`].
pub async fn put(
    services: &Services,
    permit: &Permit<Tenant>,
    name: &str,
    input: TeamInput,
    precondition: &Precondition,
) -> Result<(bool, TeamView), Failure> {
    let name: Name = name
        .parse()
        .map_err(|error| Failure::invalid("name", format!("{error}")))?;
    if name.as_str() == Team::EVERYONE {
        return Err(Failure::invalid(
            "name",
            "`everyone` always means all users",
        ));
    }
    let display_name = input.display_name.unwrap_or_else(|| name.to_string());
    text::label(&display_name)
        .map_err(|error| Failure::invalid("/display_name", error.to_string()))?;

    let mut tx = services.store.begin().await?;
    let before = match teams::find_by_name(&mut tx, &name).await? {
        Some(team) => Some(view(&mut tx, team).await?),
        None => None,
    };
    precondition.check(before.as_ref())?;
    let members = resolve(&mut tx, &input.members).await?;
    let now = tx.now();
    let mut team = Team {
        id: before
            .as_ref()
            .map_or_else(|| TeamId::new(tx.clock()), |before| before.id),
        name,
        display_name,
        created_at: before.as_ref().map_or(now, |before| before.created_at),
        updated_at: before.as_ref().map_or(now, |before| before.updated_at),
    };
    if before.is_none() {
        teams::insert(&mut tx, &team).await?;
    }
    teams::replace_members(&mut tx, team.id, &members).await?;
    let target = MappingTarget::Team(team.id);
    mapping::replace(&mut tx, target, &input.identity_provider_mapping).await?;
    if let Some(before) = before.as_ref() {
        if view(&mut tx, team.clone()).await? == *before {
            return Ok((false, before.clone()));
        }
        team.updated_at = now;
        teams::update(&mut tx, &team).await?;
    }
    let after = view(&mut tx, team).await?;
    let action = if before.is_none() {
        "team.create"
    } else {
        "team.update"
    };
    let record = permit.record(tx.clock(), action, ObjectKind::Team, after.name.as_str());
    let detail = json!({
        "members": after.members,
        "identity_provider_mapping": after.identity_provider_mapping,
    });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok((before.is_none(), after))
}

/// Deletes a team with its collaborator entries and mapped groups.
///
/// # Errors
/// [`Failure::NotFound`] or [`Failure::PreconditionFailed`].
pub async fn delete(
    services: &Services,
    permit: &Permit<Tenant>,
    name: &str,
    precondition: &Precondition,
) -> Result<(), Failure> {
    let mut tx = services.store.begin().await?;
    let team = find(&mut tx, name).await?.ok_or(NOT_FOUND)?;
    let before = view(&mut tx, team).await?;
    precondition.check(Some(&before))?;
    collaborators::delete_of_subject(&mut tx, Subject::Team(before.id)).await?;
    mapping::replace(&mut tx, MappingTarget::Team(before.id), &[]).await?;
    teams::delete(&mut tx, before.id).await?;
    let record = permit.record(
        tx.clock(),
        "team.delete",
        ObjectKind::Team,
        before.name.as_str(),
    );
    audit_events::insert(&mut tx, &record).await?;
    tx.commit().await?;
    Ok(())
}

const NOT_FOUND: Failure = Failure::NotFound { what: "team" };

async fn find(tx: &mut Tx, name: &str) -> Result<Option<Team>, Failure> {
    let Ok(name) = name.parse() else {
        return Ok(None);
    };
    Ok(teams::find_by_name(tx, &name).await?)
}

async fn view(tx: &mut Tx, team: Team) -> Result<TeamView, Failure> {
    let members = teams::members(&mut *tx, team.id).await?;
    let identity_provider_mapping = mapping::of_target(tx, MappingTarget::Team(team.id)).await?;
    Ok(TeamView {
        id: team.id,
        name: team.name,
        display_name: team.display_name,
        members: members.into_iter().map(|user| user.email).collect(),
        identity_provider_mapping,
        created_at: team.created_at,
        updated_at: team.updated_at,
    })
}

async fn resolve(
    tx: &mut Tx,
    members: &[Email],
) -> Result<Vec<warder_shared::id::UserId>, Failure> {
    let mut violations = Violations::default();
    let mut ids = Vec::with_capacity(members.len());
    for (index, email) in members.iter().enumerate() {
        match users::find_by_email(&mut *tx, email).await? {
            Some(user) => ids.push(user.id),
            None => violations.add(format!("/members/{index}"), "there is no such user"),
        }
    }
    violations.finish()?;
    Ok(ids)
}
