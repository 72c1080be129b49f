//! Use cases of MCP servers.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use serde_json::json;
use warder_shared::{
    id::ServerId,
    name::ServerName,
    policy::{Grant, Role},
    principal::Subject,
};

use crate::{
    authenticate::Caller,
    authorize::{Managed, Permit, PutTarget, Used},
    domain::{AuditEvent, ObjectKind, Page, PageRequest, SecretMap, Server, ServerType},
    service::{Consequences, Failure, Precondition, Services, collaborators as entries},
    store::{Tx, audit_events, auth_overrides, collaborators, servers},
};

mod input;
mod view;
mod secrets;
mod consequences;

pub use input::{AuthInput, HeaderValues, ServerInput};
pub use view::{AuthSchema, AuthView, HeaderAuthView, Hidden, ServerView, TlsView};

pub(crate) use input::{check_patterns, check_url};

use input::Checked;
use secrets::Secrets;

/// The servers that a caller may use, by name; every server for administrators. Without what
/// only managers see, whoever asks.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    caller: &Caller,
    page: PageRequest<ServerName>,
) -> Result<Page<ServerView, ServerName>, Failure> {
    let page = if caller.is_admin() {
        servers::list(&services.store, &page).await?
    } else {
        servers::list_visible(&services.store, caller.principal(), &page).await?
    };
    Ok(page.map(|server| ServerView::of(services, server, None)))
}

/// One server; with its collaborators for its managers.
///
/// # Errors
/// When the database fails.
pub async fn get(services: &Services, permit: &Permit<Used>) -> Result<ServerView, Failure> {
    let Used {
        server, manages, ..
    } = permit.resource();
    let entries = if *manages {
        let mut tx = services.store.begin_read().await?;
        Some(entries::of_server(&mut tx, server.id).await?)
    } else {
        None
    };
    Ok(ServerView::of(services, server.clone(), entries))
}

/// Creates a server or replaces its state; whether it is new.
///
/// # Errors
/// [`Failure::Invalid`], [`Failure::PreconditionFailed`], or [`Failure::ConfirmationRequired`] when
/// stored credentials would be deleted and `confirmed` is not set.
pub async fn put(
    services: &Services,
    permit: &Permit<PutTarget>,
    input: ServerInput,
    precondition: &Precondition,
    confirmed: bool,
) -> Result<(bool, ServerView), Failure> {
    let checked = input.check(&services.egress)?;
    let mut tx = services.store.begin().await?;
    let current = Current::load(services, &mut tx, permit.resource()).await?;
    precondition.check(current.as_ref().map(|current| &current.view))?;
    let grants = match &checked.collaborators {
        Some(wanted) => Some(entries::resolve(&mut tx, "/collaborators", wanted).await?),
        None if current.is_none() => Some(creator(permit)),
        None => None,
    };
    let (server, secrets) = wanted(permit, &tx, current.as_ref(), checked)?;
    let lost = match &current {
        Some(current) => consequences::of(&mut tx, current, &server, &secrets).await?,
        None => consequences::Lost::default(),
    };
    if !lost.listed.is_empty() && !confirmed {
        return Err(Failure::ConfirmationRequired(lost.listed));
    }

    match &current {
        Some(_) => servers::update(&mut tx, &server).await.map(drop)?,
        None => servers::insert(&mut tx, &server).await?,
    }
    let before = current
        .as_ref()
        .map(|current| (&current.server, &current.secrets));
    secrets.store(services, &mut tx, &server, before).await?;
    for subject in &lost.overrides {
        auth_overrides::delete(&mut tx, server.id, *subject).await?;
    }
    services.vault.settle(&mut tx).await?;
    if let Some(grants) = grants {
        collaborators::replace_of_server(&mut tx, server.id, &grants).await?;
    }
    let entries = entries::of_server(&mut tx, server.id).await?;
    let created = current.is_none();
    if let Some(current) = current {
        let same_entries = current.view.collaborators.as_ref() == Some(&entries);
        if current.is_still(&server, &secrets) && same_entries {
            return Ok((false, current.view));
        }
    }
    let action = if created {
        "mcp_server.create"
    } else {
        "mcp_server.update"
    };
    let event = AuditEvent {
        server: Some(server.name.to_string()),
        detail: facts(&server, &entries, &lost.listed),
        ..permit.record(tx.clock(), action, ObjectKind::Server, server.name.as_str())
    };
    audit_events::insert(&mut tx, &event).await?;
    tx.commit().await?;
    Ok((created, ServerView::of(services, server, Some(entries))))
}

/// Deletes a server with its collaborators and every auth override.
///
/// # Errors
/// [`Failure::NotFound`] or [`Failure::PreconditionFailed`].
pub async fn delete(
    services: &Services,
    permit: &Permit<Managed>,
    precondition: &Precondition,
) -> Result<(), Failure> {
    let mut tx = services.store.begin().await?;
    let id = permit.resource().server.id;
    let server = servers::find(&mut tx, id)
        .await?
        .ok_or(Failure::NotFound { what: "server" })?;
    let name = server.name.to_string();
    let entries = entries::of_server(&mut tx, id).await?;
    precondition.check(Some(&ServerView::of(services, server, Some(entries))))?;
    servers::delete(&mut tx, id).await?;
    services.vault.settle(&mut tx).await?;
    let record = permit.record(
        tx.clock(),
        "mcp_server.delete",
        ObjectKind::Server,
        name.as_str(),
    );
    audit_events::insert(
        &mut tx,
        &AuditEvent {
            server: Some(name),
            ..record
        },
    )
    .await?;
    tx.commit().await?;
    Ok(())
}

/// A server as it is before a change.
struct Current {
    server: Server,
    secrets: Secrets,
    view: ServerView,
}

impl Current {
    async fn load(
        services: &Services,
        tx: &mut Tx,
        target: &PutTarget,
    ) -> Result<Option<Self>, Failure> {
        let server = servers::find_by_name(&mut *tx, &target.name).await?;
        // The permit was made for what had this name a moment ago.
        if server.as_ref().map(|server| server.id)
            != target.current.as_ref().map(|server| server.id)
        {
            return Err(Failure::PreconditionFailed);
        }
        let Some(server) = server else {
            return Ok(None);
        };
        let secrets = Secrets::load(services, tx, server.id).await?;
        let entries = entries::of_server(tx, server.id).await?;
        let view = ServerView::of(services, server.clone(), Some(entries));
        Ok(Some(Self {
            server,
            secrets,
            view,
        }))
    }

    /// Whether nothing is different, apart from when it was written.
    fn is_still(&self, server: &Server, secrets: &Secrets) -> bool {
        let dated = Server {
            updated_at: server.updated_at,
            ..self.server.clone()
        };
        dated == *server && self.secrets.are_same(secrets)
    }
}

fn creator(permit: &Permit<PutTarget>) -> Vec<Grant> {
    let grant = |principal| Grant {
        subject: Subject::from(principal),
        role: Role::Manager,
        tools: None,
        deny_tools: Vec::new(),
    };
    permit.principal().map(grant).into_iter().collect()
}

/// The server and its secrets as they should be.
fn wanted(
    permit: &Permit<PutTarget>,
    tx: &Tx,
    current: Option<&Current>,
    checked: Checked,
) -> Result<(Server, Secrets), Failure> {
    let now = tx.now();
    let secrets = Secrets::merge(
        current.map(|current| (&current.server, &current.secrets)),
        &checked,
    )?;
    let name = permit.resource().name.clone();
    let mut server = Server {
        id: current.map_or_else(|| ServerId::new(tx.clock()), |current| current.server.id),
        display_name: checked.display_name.unwrap_or_else(|| name.to_string()),
        name,
        server_type: ServerType::Remote,
        description: checked.description,
        url: checked.url,
        auth: checked.auth,
        additional_header_names: secrets.additional_headers.names(),
        tool_policy: checked.tool_policy,
        prompts_enabled: checked.prompts_enabled,
        resources_enabled: checked.resources_enabled,
        allow_header_override: checked.allow_header_override,
        ca_cert: checked.ca_cert,
        timeouts: checked.timeouts,
        revision: current.map_or(1, |current| current.server.revision),
        created_by: current.map_or(permit.principal(), |current| current.server.created_by),
        created_at: current.map_or(now, |current| current.server.created_at),
        updated_at: now,
    };
    if let Some(Current {
        server: before,
        secrets: stored,
        ..
    }) = current
    {
        let same =
            before.url == server.url && before.auth == server.auth && stored.are_same(&secrets);
        server.revision += i64::from(!same);
    }
    Ok((server, secrets))
}

/// What the audit log keeps of a server: never a secret.
fn facts(
    server: &Server,
    entries: &[entries::CollaboratorView],
    lost: &Consequences,
) -> serde_json::Value {
    json!({
        "url": server.url,
        "auth": server.auth,
        "additional_headers": server.additional_header_names,
        "tool_policy": server.tool_policy,
        "collaborators": entries,
        "deleted": lost,
        "revision": server.revision,
    })
}

/// Whether two maps hold the same values under the same names.
fn same_values(one: &SecretMap, other: &SecretMap) -> bool {
    let exposed = |map: &SecretMap| -> BTreeMap<String, String> {
        map.iter()
            .map(|(name, value)| (name.to_owned(), value.expose_secret().to_owned()))
            .collect()
    };
    exposed(one) == exposed(other)
}
