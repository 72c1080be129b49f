//! Use cases of auth overrides: callers' own values for a server.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use warder_shared::{headers, id::OverrideId};

use crate::{
    authorize::{OverrideOf, Permit, Used},
    domain::{
        AuditEvent, AuthOverride, ObjectKind, OverrideKeys, Page, PageRequest, SecretMap, Server,
    },
    service::{Failure, Services, Violations, pointer_step, subjects::PrincipalName},
    store::{Tx, audit_events, auth_overrides, servers},
    vault::Binding,
};

/// Someone's own values for a server, as read back: never the values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = AuthOverride)]
pub struct OverrideView {
    /// Whose values they are: `user:<email>` or `virtual-account:<name>`.
    #[schema(value_type = String)]
    pub subject: PrincipalName,
    /// Placeholder or header name → last four characters of the value; empty for a short value.
    pub last_four: BTreeMap<String, String>,
    /// When values were first entered.
    pub created_at: DateTime<Utc>,
    /// When values were last replaced.
    pub updated_at: DateTime<Utc>,
}

/// Someone's own values for a server, as entered.
#[derive(Debug)]
pub enum OverrideInput {
    /// The only value that the server asks for.
    Single(SecretString),
    /// Placeholder or header name → value.
    Named(BTreeMap<String, SecretString>),
}

/// Who has values of their own: everyone for managers, else the caller at most.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    permit: &Permit<Used>,
    page: PageRequest<OverrideId>,
) -> Result<Page<OverrideView, OverrideId>, Failure> {
    let Used {
        server,
        principal,
        manages,
    } = permit.resource();
    let mut tx = services.store.begin_read().await?;
    let page = if *manages {
        auth_overrides::list_of_server(&mut tx, server.id, &page).await?
    } else {
        let own = auth_overrides::find(&mut tx, server.id, *principal).await?;
        let items = own
            .into_iter()
            .filter(|own| page.after.is_none_or(|after| own.id > after))
            .collect();
        Page { items, next: None }
    };
    let mut items = Vec::with_capacity(page.items.len());
    for item in page.items {
        if let Some(subject) = PrincipalName::of(&mut tx, item.subject).await? {
            items.push(view(subject, item));
        }
    }
    Ok(Page {
        items,
        next: page.next,
    })
}

/// Stores someone's own values, replacing those before; whether there were none.
///
/// # Errors
/// [`Failure::Invalid`], or [`Failure::NotFound`] when the server is gone.
pub async fn put(
    services: &Services,
    permit: &Permit<OverrideOf>,
    input: OverrideInput,
) -> Result<(bool, OverrideView), Failure> {
    let OverrideOf {
        server,
        subject,
        name,
    } = permit.resource();
    let mut tx = services.store.begin().await?;
    let server = servers::find(&mut tx, server.id)
        .await?
        .ok_or(Failure::NotFound { what: "server" })?;
    if name.resolve(&mut tx).await? != Some(*subject) {
        return Err(Failure::NotFound { what: "subject" });
    }
    let values = check(&server, input)?;
    let before = auth_overrides::find(&mut tx, server.id, *subject).await?;
    let now = tx.now();
    let record = AuthOverride {
        id: before
            .as_ref()
            .map_or_else(|| OverrideId::new(tx.clock()), |before| before.id),
        server_id: server.id,
        subject: *subject,
        hints: values.hints(),
        origin: server.origin(),
        revision: before.as_ref().map_or(1, |before| before.revision + 1),
        created_at: before.as_ref().map_or(now, |before| before.created_at),
        updated_at: now,
    };
    let binding = Binding::auth_override(
        record.id,
        server.id,
        *subject,
        &record.origin,
        record.revision,
    );
    let sealed = services
        .vault
        .seal(&mut tx, &binding, &values.to_bytes())
        .await?;
    auth_overrides::put(&mut tx, &record, &sealed).await?;
    let detail = json!({ "names": values.names() });
    audit(&mut tx, permit, "auth_override.put", detail).await?;
    tx.commit().await?;
    Ok((before.is_none(), view(name.clone(), record)))
}

/// Deletes someone's own values.
///
/// # Errors
/// [`Failure::NotFound`] when there are none.
pub async fn delete(services: &Services, permit: &Permit<OverrideOf>) -> Result<(), Failure> {
    let OverrideOf {
        server, subject, ..
    } = permit.resource();
    let mut tx = services.store.begin().await?;
    if !auth_overrides::delete(&mut tx, server.id, *subject).await? {
        return Err(Failure::NotFound {
            what: "auth override",
        });
    }
    services.vault.settle(&mut tx).await?;
    audit(&mut tx, permit, "auth_override.delete", json!({})).await?;
    tx.commit().await?;
    Ok(())
}

async fn audit(
    tx: &mut Tx,
    permit: &Permit<OverrideOf>,
    action: &str,
    detail: serde_json::Value,
) -> Result<(), Failure> {
    let OverrideOf { server, name, .. } = permit.resource();
    let record = permit.record(
        tx.clock(),
        action,
        ObjectKind::AuthOverride,
        name.to_string(),
    );
    let event = AuditEvent {
        server: Some(server.name.to_string()),
        detail,
        ..record
    };
    audit_events::insert(tx, &event).await?;
    Ok(())
}

fn view(subject: PrincipalName, item: AuthOverride) -> OverrideView {
    OverrideView {
        subject,
        last_four: item.hints,
        created_at: item.created_at,
        updated_at: item.updated_at,
    }
}

/// The values under the names that the server knows them by.
fn check(server: &Server, input: OverrideInput) -> Result<SecretMap, Failure> {
    let keys = server.auth.override_keys();
    let entered = match input {
        OverrideInput::Single(value) => vec![("/value".to_owned(), only_name(&keys)?, value)],
        OverrideInput::Named(values) => {
            let pointed = |(name, value): (String, _)| {
                (format!("/values/{}", pointer_step(&name)), name, value)
            };
            values.into_iter().map(pointed).collect()
        }
    };
    let mut violations = Violations::default();
    if entered.is_empty() {
        violations.add("/values", "must have at least one value");
    }
    let mut values = SecretMap::new();
    for (pointer, name, value) in entered {
        match known_name(&keys, &name) {
            Ok((name, header)) => {
                if violations
                    .take(
                        pointer,
                        headers::parse_value(&header, value.expose_secret()),
                    )
                    .is_some()
                {
                    values.insert(name, value);
                }
            }
            Err(detail) => violations.add(pointer, detail),
        }
    }
    if let OverrideKeys::Placeholders(names) = &keys {
        for name in names.iter().filter(|name| values.get(name).is_none()) {
            violations.add(format!("/values/{}", pointer_step(name)), "is required");
        }
    }
    violations.finish()?;
    Ok(values)
}

/// The name that a single value stands for.
fn only_name(keys: &OverrideKeys) -> Result<String, Failure> {
    match keys {
        OverrideKeys::Placeholders(names) | OverrideKeys::Headers(names) if names.len() == 1 => {
            Ok(names.iter().next().cloned().unwrap_or_default())
        }
        OverrideKeys::Placeholders(names) | OverrideKeys::Headers(names) => {
            let names = names
                .iter()
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join(", ");
            Err(Failure::invalid(
                "/value",
                format!("is not enough: use `values` with {names}"),
            ))
        }
        OverrideKeys::AnyHeader => Err(Failure::invalid(
            "/value",
            "does not say which header: use `values` with the header's name",
        )),
    }
}

/// The name as the server writes it, and a header name to check the value against.
fn known_name(keys: &OverrideKeys, name: &str) -> Result<(String, http::HeaderName), String> {
    match keys {
        OverrideKeys::Placeholders(names) => match names.get(name) {
            // The values of placeholders become parts of header values.
            Some(name) => Ok((name.clone(), http::header::AUTHORIZATION)),
            None => Err("the server has no such placeholder".into()),
        },
        OverrideKeys::Headers(names) => {
            let known = names.iter().find(|known| known.eq_ignore_ascii_case(name));
            let known = known.ok_or("the server's `auth` has no such header")?;
            let header = headers::parse_name(known).map_err(|error| error.to_string())?;
            Ok((known.clone(), header))
        }
        OverrideKeys::AnyHeader => {
            let header = headers::parse_name(name).map_err(|error| error.to_string())?;
            Ok((name.to_owned(), header))
        }
    }
}
