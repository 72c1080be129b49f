//! Use cases of collaborators.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use warder_shared::{
    id::ServerId,
    policy::{Grant, Role},
};

use crate::{
    authorize::{Managed, Permit},
    domain::{AuditEvent, ObjectKind, Server},
    service::{
        Failure, Precondition, Services, Violations, servers::check_patterns, subjects::SubjectName,
    },
    store::{Tx, audit_events, collaborators, servers},
};

/// A collaborator entry, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CollaboratorEntry)]
pub struct CollaboratorView {
    /// `user:<email>`, `team:<name>`, `virtual-account:<name>` or `team:everyone`.
    #[schema(value_type = String)]
    pub subject: SubjectName,
    /// What they may do with the server.
    #[schema(value_type = crate::service::words::ServerRole)]
    pub role: Role,
    /// Patterns of the tools that they may call; absent: every tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Patterns of tools that they may not call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny_tools: Vec<String>,
}

/// A collaborator entry, as entered.
#[derive(Debug, Clone)]
pub struct CollaboratorInput {
    /// Whom it names.
    pub subject: SubjectName,
    /// What they may do with the server.
    pub role: Role,
    /// Patterns of the tools that they may call; `None`: every tool.
    pub tools: Option<Vec<String>>,
    /// Patterns of tools that they may not call.
    pub deny_tools: Vec<String>,
}

/// The collaborators of a server.
///
/// # Errors
/// When the database fails.
pub async fn get(
    services: &Services,
    permit: &Permit<Managed>,
) -> Result<Vec<CollaboratorView>, Failure> {
    let mut tx = services.store.begin_read().await?;
    of_server(&mut tx, permit.resource().server.id).await
}

/// Replaces the collaborators of a server.
///
/// # Errors
/// [`Failure::Invalid`], [`Failure::PreconditionFailed`], or [`Failure::NotFound`] when the server is
/// gone.
pub async fn put(
    services: &Services,
    permit: &Permit<Managed>,
    input: Vec<CollaboratorInput>,
    precondition: &Precondition,
) -> Result<Vec<CollaboratorView>, Failure> {
    let mut tx = services.store.begin().await?;
    let id = permit.resource().server.id;
    let server = servers::find(&mut tx, id)
        .await?
        .ok_or(Failure::NotFound { what: "server" })?;
    let before = of_server(&mut tx, id).await?;
    precondition.check(Some(&before))?;
    let grants = resolve(&mut tx, "", &input).await?;
    collaborators::replace_of_server(&mut tx, id, &grants).await?;
    let after = of_server(&mut tx, id).await?;
    if after == before {
        return Ok(before);
    }
    let server = Server {
        updated_at: tx.now(),
        ..server
    };
    servers::update(&mut tx, &server).await?;
    let record = permit.record(
        tx.clock(),
        "mcp_server.set_collaborators",
        ObjectKind::Server,
        server.name.as_str(),
    );
    let detail = json!({ "collaborators": after });
    let event = AuditEvent {
        server: Some(server.name.to_string()),
        detail,
        ..record
    };
    audit_events::insert(&mut tx, &event).await?;
    tx.commit().await?;
    Ok(after)
}

/// The collaborators of a server, by subject.
pub(super) async fn of_server(tx: &mut Tx, id: ServerId) -> Result<Vec<CollaboratorView>, Failure> {
    let mut views = Vec::new();
    for grant in collaborators::of_server(&mut *tx, id).await? {
        // A subject that is gone was removed from here in the same transaction.
        if let Some(subject) = SubjectName::of(tx, grant.subject).await? {
            views.push(CollaboratorView {
                subject,
                role: grant.role,
                tools: grant.tools,
                deny_tools: grant.deny_tools,
            });
        }
    }
    views.sort_by(|one, other| one.subject.cmp(&other.subject));
    Ok(views)
}

/// Looks up everyone that the entries name. `pointer` is where the list stands in the request.
pub(super) async fn resolve(
    tx: &mut Tx,
    pointer: &str,
    entries: &[CollaboratorInput],
) -> Result<Vec<Grant>, Failure> {
    let mut violations = Violations::default();
    let mut seen = BTreeSet::new();
    let mut grants = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let pointer = format!("{pointer}/{index}");
        check_patterns(
            &format!("{pointer}/tools"),
            entry.tools.as_deref().unwrap_or_default(),
            &mut violations,
        );
        check_patterns(
            &format!("{pointer}/deny_tools"),
            &entry.deny_tools,
            &mut violations,
        );
        if !seen.insert(&entry.subject) {
            violations.add(format!("{pointer}/subject"), "is named twice");
        }
        match entry.subject.resolve(tx).await? {
            Some(subject) => grants.push(Grant {
                subject,
                role: entry.role,
                tools: entry.tools.clone(),
                deny_tools: entry.deny_tools.clone(),
            }),
            None => violations.add(format!("{pointer}/subject"), "there is no such subject"),
        }
    }
    violations.finish()?;
    Ok(grants)
}
