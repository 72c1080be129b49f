//! Rights on a server: its collaborators decide, administrators may do everything.

use warder_shared::{
    id::TeamId,
    name::ServerName,
    policy::{Grant, Role, ServerPolicy, ToolPolicy},
    principal::Principal,
};

use super::{Denied, Permit};
use crate::{
    authenticate::Caller,
    domain::Server,
    service::{Services, subjects::PrincipalName},
    store::{Tx, collaborators, servers},
};

/// A server that the caller may see.
#[derive(Debug)]
pub struct Used {
    /// The server.
    pub server: Server,
    /// The one who calls.
    pub principal: Principal,
    /// Whether the caller may also manage it.
    pub manages: bool,
}

/// A server that the caller may change.
#[derive(Debug)]
pub struct Managed {
    /// The server.
    pub server: Server,
}

/// A name under which the caller may put a server.
#[derive(Debug)]
pub struct PutTarget {
    /// The name.
    pub name: ServerName,
    /// The server that has it now; none: the caller may create one.
    pub current: Option<Server>,
}

/// Values of one caller for one server, which the actor may change.
#[derive(Debug)]
pub struct OverrideOf {
    /// The server.
    pub server: Server,
    /// Whose values they are.
    pub subject: Principal,
    /// The same, as written.
    pub name: PrincipalName,
}

/// A question about one caller and one server, which the actor may ask.
#[derive(Debug)]
pub struct Explained {
    /// The server.
    pub server: Server,
    /// Its collaborators.
    pub grants: Vec<Grant>,
    /// Whom the question is about.
    pub subject: Principal,
    /// The same, as written.
    pub name: PrincipalName,
    /// The actor's own teams; none: an administrator, who may hear of any.
    pub own_teams: Option<Vec<TeamId>>,
}

const UNKNOWN: Denied = Denied::Unknown { what: "server" };
const NEEDS_MANAGER: Denied = Denied::Forbidden {
    needs: "the role mcp-server-manager on this server",
};

/// For callers with any role on the server.
///
/// # Errors
/// [`Denied::Unknown`] for everyone else.
pub async fn used(
    services: &Services,
    caller: &Caller,
    name: &str,
) -> Result<Permit<Used>, Denied> {
    let mut tx = services.store.begin_read().await?;
    let seen = see(&mut tx, caller, name).await?;
    let resource = Used {
        server: seen.server,
        principal: caller.principal(),
        manages: seen.manages,
    };
    Ok(Permit::new(caller, resource))
}

/// For managers of the server.
///
/// # Errors
/// [`Denied::Unknown`] for callers without any role on it, [`Denied::Forbidden`] for its users.
pub async fn managed(
    services: &Services,
    caller: &Caller,
    name: &str,
) -> Result<Permit<Managed>, Denied> {
    let mut tx = services.store.begin_read().await?;
    let seen = see(&mut tx, caller, name).await?;
    if !seen.manages {
        return Err(NEEDS_MANAGER);
    }
    Ok(Permit::new(
        caller,
        Managed {
            server: seen.server,
        },
    ))
}

/// For managers of the server, and for administrators where there is none.
///
/// # Errors
/// [`Denied::Forbidden`] for everyone else: to callers without any role on the server, a taken name
/// looks like a free one.
pub async fn put_server(
    services: &Services,
    caller: &Caller,
    name: ServerName,
) -> Result<Permit<PutTarget>, Denied> {
    const NEEDS_ADMIN: Denied = Denied::Forbidden {
        needs: "the role admin, or mcp-server-manager on an existing server",
    };
    let mut tx = services.store.begin_read().await?;
    let current = match see(&mut tx, caller, name.as_str()).await {
        Ok(seen) if seen.manages => Some(seen.server),
        Ok(_) => return Err(NEEDS_MANAGER),
        Err(Denied::Unknown { .. }) if caller.is_admin() => None,
        Err(Denied::Unknown { .. }) => return Err(NEEDS_ADMIN),
        Err(denied) => return Err(denied),
    };
    Ok(Permit::new(caller, PutTarget { name, current }))
}

/// For everyone with a role on the server about their own values; for its managers about anyone's.
///
/// # Errors
/// [`Denied::Unknown`] for callers without any role on it and for subjects that do not exist,
/// [`Denied::Forbidden`] for users of the server about someone else.
pub async fn override_of(
    services: &Services,
    caller: &Caller,
    server: &str,
    subject: Option<&PrincipalName>,
) -> Result<Permit<OverrideOf>, Denied> {
    let mut tx = services.store.begin_read().await?;
    let seen = see(&mut tx, caller, server).await?;
    let own = caller.principal_name();
    let name = subject.unwrap_or(&own);
    if *name != own && !seen.manages {
        return Err(NEEDS_MANAGER);
    }
    let subject = name
        .resolve(&mut tx)
        .await?
        .ok_or(Denied::Unknown { what: "subject" })?;
    Ok(Permit::new(
        caller,
        OverrideOf {
            server: seen.server,
            subject,
            name: name.clone(),
        },
    ))
}

/// The same as for [`override_of`]: whoever may set someone's values may ask what they lead to.
///
/// # Errors
/// As [`override_of`].
pub async fn explained(
    services: &Services,
    caller: &Caller,
    server: &str,
    subject: &PrincipalName,
) -> Result<Permit<Explained>, Denied> {
    let mut tx = services.store.begin_read().await?;
    let seen = see(&mut tx, caller, server).await?;
    if *subject != caller.principal_name() && !seen.manages {
        return Err(NEEDS_MANAGER);
    }
    let resolved = subject
        .resolve(&mut tx)
        .await?
        .ok_or(Denied::Unknown { what: "subject" })?;
    let resource = Explained {
        server: seen.server,
        grants: seen.grants,
        subject: resolved,
        name: subject.clone(),
        own_teams: (!caller.is_admin()).then(|| caller.teams().to_vec()),
    };
    Ok(Permit::new(caller, resource))
}

struct Seen {
    server: Server,
    grants: Vec<Grant>,
    manages: bool,
}

/// Loads a server for a caller to whom it exists.
async fn see(tx: &mut Tx, caller: &Caller, name: &str) -> Result<Seen, Denied> {
    let name: ServerName = name.parse().map_err(|_| UNKNOWN)?;
    let server = servers::find_by_name(&mut *tx, &name)
        .await?
        .ok_or(UNKNOWN)?;
    let grants = collaborators::of_server(tx, server.id).await?;
    let role = ServerPolicy::compile(&ToolPolicy::default(), &grants)
        .access(caller.principal(), caller.teams())
        .map(|access| access.role());
    if role.is_none() && !caller.is_admin() {
        return Err(UNKNOWN);
    }
    let manages = caller.is_admin() || role == Some(Role::Manager);
    Ok(Seen {
        server,
        grants,
        manages,
    })
}
