//! Whether a user may use what a token would be for: the same policy that pods decide by.

use warder_shared::{id::UserId, oauth::Resource, policy::ServerPolicy, principal::Principal};

use crate::{
    domain::{Server, User},
    store::{StoreError, Tx, collaborators, servers, teams, users},
};

/// What a user may use.
pub(super) enum Access {
    /// Whatever they may use at each time.
    Gateway,
    /// This server.
    Server(Box<Server>),
}

/// What the user gets access to when they grant this; none: they have no access themselves, or there is no
/// such server, or they are not active (any more).
pub(super) async fn of_user(
    tx: &mut Tx,
    user: UserId,
    resource: &Resource,
) -> Result<Option<Access>, StoreError> {
    let active = users::find(&mut *tx, user).await?.filter(User::is_active);
    if active.is_none() {
        return Ok(None);
    }
    let name = match resource {
        Resource::Gateway => return Ok(Some(Access::Gateway)),
        Resource::Server(name) => name,
    };
    let Some(server) = servers::find_by_name(&mut *tx, name).await? else {
        return Ok(None);
    };
    let grants = collaborators::of_server(&mut *tx, server.id).await?;
    let teams: Vec<_> = teams::of_user(&mut *tx, user)
        .await?
        .into_iter()
        .map(|team| team.id)
        .collect();
    let policy = ServerPolicy::compile(&server.tool_policy, &grants);
    let permitted = policy.access(Principal::User(user), &teams).is_some();
    Ok(permitted.then(|| Access::Server(Box::new(server))))
}
