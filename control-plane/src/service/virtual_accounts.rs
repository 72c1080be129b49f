//! Use cases of virtual accounts.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use warder_shared::{
    id::VirtualAccountId,
    name::Name,
    policy::{Grant, Role},
    principal::{Principal, Subject},
};

use crate::{
    authorize::{Permit, Tenant},
    domain::{
        AuditEvent, Collaborator, MappingTarget, ObjectKind, Page, PageRequest, VirtualAccount,
    },
    service::{
        Failure, Precondition, Services, Violations,
        identity_providers::mapping::{self, MappingInput, MappingView},
        servers::check_patterns,
        text,
    },
    store::{Tx, audit_events, auth_overrides, collaborators, servers, tokens, virtual_accounts},
};

/// A virtual account, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = VirtualAccount)]
pub struct AccountView {
    /// Never used again, even after the account is gone.
    #[schema(value_type = String, format = Uuid)]
    pub id: VirtualAccountId,
    /// Its name in subjects: `virtual-account:<name>`.
    #[schema(value_type = String)]
    pub name: Name,
    /// What the account is for.
    pub description: String,
    /// What it may use, by server.
    pub permissions: Vec<PermissionView>,
    /// Values of identity providers' claims that stand for it.
    pub identity_provider_mapping: Vec<MappingView>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// When its description or permissions were last changed here.
    pub updated_at: DateTime<Utc>,
}

/// What a virtual account may do with one server, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Permission)]
pub struct PermissionView {
    /// Name of the server.
    #[schema(value_type = String)]
    pub server: Name,
    /// What it may do with the server.
    #[schema(value_type = crate::service::words::ServerRole)]
    pub role: Role,
    /// Patterns of the tools that it may call; absent: every tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<String>>,
    /// Patterns of tools that it may not call.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub deny_tools: Vec<String>,
}

/// The wanted state of a virtual account.
#[derive(Debug)]
pub struct AccountInput {
    /// What the account is for.
    pub description: String,
    /// What it may use; `None`: unchanged.
    pub permissions: Option<Vec<PermissionInput>>,
    /// Values of identity providers' claims that stand for it.
    pub identity_provider_mapping: Vec<MappingInput>,
}

/// What a virtual account may do with one server, as entered.
#[derive(Debug)]
pub struct PermissionInput {
    /// Name of the server.
    pub server: Name,
    /// What it may do with the server.
    pub role: Role,
    /// Patterns of the tools that it may call; `None`: every tool.
    pub tools: Option<Vec<String>>,
    /// Patterns of tools that it may not call.
    pub deny_tools: Vec<String>,
}

/// Virtual accounts by name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    _: &Permit<Tenant>,
    page: PageRequest<Name>,
) -> Result<Page<AccountView, Name>, Failure> {
    let mut tx = services.store.begin_read().await?;
    let page = virtual_accounts::list(&mut tx, &page).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for account in page.items {
        items.push(view(&mut tx, account).await?);
    }
    Ok(Page {
        items,
        next: page.next,
    })
}

/// One virtual account.
///
/// # Errors
/// [`Failure::NotFound`].
pub async fn get(
    services: &Services,
    _: &Permit<Tenant>,
    name: &str,
) -> Result<AccountView, Failure> {
    let mut tx = services.store.begin_read().await?;
    let account = find(&mut tx, name).await?;
    view(&mut tx, account).await
}

/// Creates a virtual account or replaces its state; whether it is new.
///
/// # Errors
/// [`Failure::Invalid`], [`Failure::PreconditionFailed`], or [`Failure::Taken`] when a value stands for
/// another account.
pub async fn put(
    services: &Services,
    permit: &Permit<Tenant>,
    name: &str,
    input: AccountInput,
    precondition: &Precondition,
) -> Result<(bool, AccountView), Failure> {
    let name: Name = name
        .parse()
        .map_err(|error| Failure::invalid("name", format!("{error}")))?;
    text::prose(&input.description)
        .map_err(|error| Failure::invalid("/description", error.to_string()))?;
    let mut tx = services.store.begin().await?;
    let before = match virtual_accounts::find_by_name(&mut tx, &name).await? {
        Some(account) => Some(view(&mut tx, account).await?),
        None => None,
    };
    precondition.check(before.as_ref())?;
    let now = tx.now();
    let mut account = VirtualAccount {
        id: before
            .as_ref()
            .map_or_else(|| VirtualAccountId::new(tx.clock()), |before| before.id),
        name,
        description: input.description,
        created_at: before.as_ref().map_or(now, |before| before.created_at),
        updated_at: before.as_ref().map_or(now, |before| before.updated_at),
    };
    if before.is_none() {
        virtual_accounts::insert(&mut tx, &account).await?;
    }
    if let Some(permissions) = input.permissions {
        let subject = Subject::VirtualAccount(account.id);
        let rules = resolve(&mut tx, subject, permissions).await?;
        collaborators::replace_of_subject(&mut tx, subject, &rules).await?;
    }
    let target = MappingTarget::VirtualAccount(account.id);
    mapping::replace(&mut tx, target, &input.identity_provider_mapping).await?;
    if let Some(before) = &before {
        if view(&mut tx, account.clone()).await? == *before {
            return Ok((false, before.clone()));
        }
        account.updated_at = now;
        virtual_accounts::update(&mut tx, &account).await?;
    }
    let after = view(&mut tx, account).await?;
    let action = if before.is_none() {
        "virtual_account.create"
    } else {
        "virtual_account.update"
    };
    let record = permit.record(
        tx.clock(),
        action,
        ObjectKind::VirtualAccount,
        after.name.as_str(),
    );
    let detail = json!({
        "permissions": after.permissions,
        "identity_provider_mapping": after.identity_provider_mapping,
    });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok((before.is_none(), after))
}

/// Deletes a virtual account with everything that names it, and revokes its tokens.
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
    let account = find(&mut tx, name).await?;
    let before = view(&mut tx, account).await?;
    precondition.check(Some(&before))?;
    let principal = Principal::VirtualAccount(before.id);
    collaborators::delete_of_subject(&mut tx, Subject::from(principal)).await?;
    auth_overrides::delete_of_subject(&mut tx, principal).await?;
    services.vault.settle(&mut tx).await?;
    mapping::replace(&mut tx, MappingTarget::VirtualAccount(before.id), &[]).await?;
    let revoked = tokens::revoke_of_owner(&mut tx, principal).await?;
    virtual_accounts::delete(&mut tx, before.id).await?;
    let record = permit.record(
        tx.clock(),
        "virtual_account.delete",
        ObjectKind::VirtualAccount,
        before.name.as_str(),
    );
    let detail = json!({ "revoked_tokens": revoked });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(())
}

/// The virtual account of a name.
pub(super) async fn find(tx: &mut Tx, name: &str) -> Result<VirtualAccount, Failure> {
    const NOT_FOUND: Failure = Failure::NotFound {
        what: "virtual account",
    };
    let name = name.parse().map_err(|_| NOT_FOUND)?;
    virtual_accounts::find_by_name(tx, &name)
        .await?
        .ok_or(NOT_FOUND)
}

async fn view(tx: &mut Tx, account: VirtualAccount) -> Result<AccountView, Failure> {
    let mut permissions = Vec::new();
    for rule in collaborators::of_subject(&mut *tx, Subject::VirtualAccount(account.id)).await? {
        if let Some(server) = servers::find(&mut *tx, rule.server_id).await? {
            let Grant {
                role,
                tools,
                deny_tools,
                ..
            } = rule.grant;
            permissions.push(PermissionView {
                server: server.name,
                role,
                tools,
                deny_tools,
            });
        }
    }
    permissions.sort_by(|one, other| one.server.cmp(&other.server));
    let identity_provider_mapping =
        mapping::of_target(tx, MappingTarget::VirtualAccount(account.id)).await?;
    Ok(AccountView {
        id: account.id,
        name: account.name,
        description: account.description,
        permissions,
        identity_provider_mapping,
        created_at: account.created_at,
        updated_at: account.updated_at,
    })
}

async fn resolve(
    tx: &mut Tx,
    subject: Subject,
    permissions: Vec<PermissionInput>,
) -> Result<Vec<Collaborator>, Failure> {
    let mut violations = Violations::default();
    let mut seen = BTreeSet::new();
    let mut rules = Vec::with_capacity(permissions.len());
    for (index, permission) in permissions.into_iter().enumerate() {
        let pointer = format!("/permissions/{index}");
        check_patterns(
            &format!("{pointer}/tools"),
            permission.tools.as_deref().unwrap_or_default(),
            &mut violations,
        );
        check_patterns(
            &format!("{pointer}/deny_tools"),
            &permission.deny_tools,
            &mut violations,
        );
        match servers::find_by_name(&mut *tx, &permission.server).await? {
            Some(server) => rules.push(Collaborator {
                server_id: server.id,
                grant: Grant {
                    subject,
                    role: permission.role,
                    tools: permission.tools,
                    deny_tools: permission.deny_tools,
                },
            }),
            None => violations.add(format!("{pointer}/server"), "there is no such server"),
        }
        if !seen.insert(permission.server) {
            violations.add(format!("{pointer}/server"), "is named twice");
        }
    }
    violations.finish()?;
    Ok(rules)
}
