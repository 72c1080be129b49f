//! Use cases of identity providers.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use warder_shared::{id::IdentityProviderId, name::Name};

use crate::{
    authorize::{Permit, Tenant},
    domain::{AuditEvent, IdentityProvider, ObjectKind, Page, PageRequest},
    service::{Consequences, Failure, Precondition, Services, Violation, pointer_step},
    store::{Tx, audit_events, identity_provider_keys, identity_providers, user_identities},
};

mod input;
pub mod mapping;
mod secret;
mod sign_in;
mod view;

pub use input::{LoginInput, ProviderInput, ResolveToInput};
pub use sign_in::{SignInClient, sign_in_client, sign_in_providers};
pub use view::{KeysView, LoginView, ProviderView, ResolveToSchema};

use input::Checked;

/// Identity providers by name.
///
/// # Errors
/// When the database fails.
pub async fn list(
    services: &Services,
    _: &Permit<Tenant>,
    page: PageRequest<Name>,
) -> Result<Page<ProviderView, Name>, Failure> {
    let mut tx = services.store.begin_read().await?;
    let page = identity_providers::list(&mut tx, &page).await?;
    let mut items = Vec::with_capacity(page.items.len());
    for provider in page.items {
        items.push(view(&mut tx, provider).await?);
    }
    Ok(Page {
        items,
        next: page.next,
    })
}

/// One identity provider.
///
/// # Errors
/// [`Failure::NotFound`].
pub async fn get(
    services: &Services,
    _: &Permit<Tenant>,
    name: &str,
) -> Result<ProviderView, Failure> {
    let mut tx = services.store.begin_read().await?;
    let provider = find(&mut tx, name).await?;
    view(&mut tx, provider).await
}

/// Creates an identity provider or replaces what is configured of it; whether it is new.
///
/// # Errors
/// [`Failure::Invalid`], [`Failure::PreconditionFailed`], [`Failure::Taken`] when another provider has
/// its issuer or speaks for one of its domains, or [`Failure::ConfirmationRequired`] when its people
/// would not be known any more and `confirmed` is not set.
pub async fn put(
    services: &Services,
    permit: &Permit<Tenant>,
    target: (&str, &Precondition, bool),
    input: ProviderInput,
) -> Result<(bool, ProviderView), Failure> {
    let (name, precondition, confirmed) = target;
    let name: Name = name
        .parse()
        .map_err(|error| Failure::invalid("name", format!("{error}")))?;
    let checked = input.check(&services.egress, services.public_url())?;
    let mut tx = services.store.begin().await?;
    let current = match identity_providers::find_by_name(&mut tx, &name).await? {
        Some(provider) => Some(Current {
            view: view(&mut tx, provider.clone()).await?.configured(),
            secret: secret::load(&services.vault, &mut tx, provider.id).await?,
            provider,
        }),
        None => None,
    };
    precondition.check(current.as_ref().map(|current| &current.view))?;
    let (provider, secret) = wanted(&tx, name, current.as_ref(), checked)?;
    check_others(&mut tx, &provider).await?;
    let created = current.is_none();
    let id = provider.id;
    if let Some(current) = &current
        && current.is_still(&provider, secret.as_ref())
    {
        drop(tx);
    } else {
        let lost = store(services, &mut tx, current.as_ref(), &provider, secret).await?;
        if !lost.is_empty() && !confirmed {
            return Err(Failure::ConfirmationRequired(lost));
        }
        audit(&mut tx, permit, created, &provider, &lost).await?;
        tx.commit().await?;
        services.provider_keys.read(id).await?;
    }
    let mut tx = services.store.begin_read().await?;
    let provider = identity_providers::find(&mut tx, id)
        .await?
        .ok_or(NOT_FOUND)?;
    Ok((created, view(&mut tx, provider).await?))
}

/// Deletes an identity provider with the claims mapped from it and who its people are. The users stay.
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
    let provider = find(&mut tx, name).await?;
    let before = view(&mut tx, provider).await?;
    precondition.check(Some(&before.configured()))?;
    let people = user_identities::count_of_provider(&mut tx, before.id).await?;
    identity_providers::delete(&mut tx, before.id).await?;
    services.vault.settle(&mut tx).await?;
    let record = permit.record(
        tx.clock(),
        "identity_provider.delete",
        ObjectKind::IdentityProvider,
        before.name.as_str(),
    );
    let detail = json!({ "issuer": before.issuer, "user_identities": people });
    audit_events::insert(&mut tx, &AuditEvent { detail, ..record }).await?;
    tx.commit().await?;
    Ok(())
}

const NOT_FOUND: Failure = Failure::NotFound {
    what: "identity provider",
};

/// The identity provider of a name.
pub(super) async fn find(tx: &mut Tx, name: &str) -> Result<IdentityProvider, Failure> {
    let name = name.parse().map_err(|_| NOT_FOUND)?;
    identity_providers::find_by_name(tx, &name)
        .await?
        .ok_or(NOT_FOUND)
}

async fn view(tx: &mut Tx, provider: IdentityProvider) -> Result<ProviderView, Failure> {
    let keys = identity_provider_keys::find(&mut *tx, provider.id).await?;
    let secret = identity_providers::client_secret(tx, provider.id).await?;
    Ok(ProviderView::of(provider, secret.is_some(), keys.as_ref()))
}

/// An identity provider as it is before a change.
struct Current {
    provider: IdentityProvider,
    secret: Option<SecretString>,
    view: ProviderView,
}

impl Current {
    /// Whether nothing is different, apart from when it was written.
    fn is_still(&self, provider: &IdentityProvider, secret: Option<&SecretString>) -> bool {
        self.provider.issuer == provider.issuer
            && self.provider.configuration == provider.configuration
            && self.has_secret(secret)
    }

    fn has_secret(&self, secret: Option<&SecretString>) -> bool {
        let exposed = |secret: &SecretString| secret.expose_secret().to_owned();
        self.secret.as_ref().map(exposed) == secret.map(exposed)
    }

    /// Whether its keys are somewhere else now, or somebody else's.
    fn publishes_elsewhere(&self, provider: &IdentityProvider) -> bool {
        self.provider.issuer != provider.issuer
            || self.provider.configuration.jwks_uri != provider.configuration.jwks_uri
    }
}

/// The provider and its client secret as they should be.
fn wanted(
    tx: &Tx,
    name: Name,
    current: Option<&Current>,
    checked: Checked,
) -> Result<(IdentityProvider, Option<SecretString>), Failure> {
    let now = tx.now();
    let mut configuration = checked.configuration;
    if configuration.display_name.is_empty() {
        configuration.display_name = name.to_string();
    }
    let before = current.map(|current| &current.provider);
    let provider = IdentityProvider {
        id: before.map_or_else(|| IdentityProviderId::new(tx.clock()), |before| before.id),
        name,
        issuer: checked.issuer,
        configuration,
        revision: before.map_or(1, |before| before.revision + 1),
        created_at: before.map_or(now, |before| before.created_at),
        updated_at: now,
    };
    let kept = || {
        let moved = before.is_some_and(|before| before.origin() != provider.origin());
        let stored = current.and_then(|current| current.secret.clone());
        match stored {
            None => Err("has no stored value to keep"),
            Some(_) if moved => {
                Err("must be entered again: the stored value belongs to the issuer's old origin")
            }
            Some(secret) => Ok(Some(secret)),
        }
    };
    let secret = match checked.client_secret {
        None => Ok(None),
        Some(Some(entered)) => Ok(Some(entered)),
        Some(None) => kept(),
    };
    let secret = secret.map_err(|error| Failure::invalid("/login/client_secret", error))?;
    Ok((provider, secret))
}

/// Two providers must not speak for the same people.
async fn check_others(tx: &mut Tx, provider: &IdentityProvider) -> Result<(), Failure> {
    let others = identity_providers::all(tx).await?;
    for other in others.iter().filter(|other| other.id != provider.id) {
        if other.issuer == provider.issuer {
            let detail = format!("is the issuer of the identity provider `{}`", other.name);
            return Err(Failure::Taken(Violation::new("/issuer", detail)));
        }
        let (Some(people), Some(others)) = (provider.people(), other.people()) else {
            continue;
        };
        let mut both = people.email_domains.intersection(&others.email_domains);
        if let Some(domain) = both.next() {
            let detail = format!(
                "`{domain}` is a domain of the identity provider `{}`, which alone may speak for it",
                other.name
            );
            let pointer = "/resolve_to/email_domains";
            return Err(Failure::Taken(Violation::new(pointer, detail)));
        }
    }
    Ok(())
}

/// Writes a provider that is different; what that makes untrue and deletes.
async fn store(
    services: &Services,
    tx: &mut Tx,
    current: Option<&Current>,
    provider: &IdentityProvider,
    secret: Option<SecretString>,
) -> Result<Consequences, Failure> {
    let mut lost = Consequences::default();
    match current {
        None => identity_providers::insert(tx, provider).await?,
        Some(current) => {
            identity_providers::update(tx, provider).await?;
            if current.publishes_elsewhere(provider) {
                // Keys of the old place must not sign for the new one.
                identity_provider_keys::delete(tx, provider.id).await?;
            }
            if current.provider.issuer != provider.issuer {
                // A subject of one issuer is somebody else at another.
                let people = user_identities::count_of_provider(&mut *tx, provider.id).await?;
                lost.user_identities = u64::try_from(people).unwrap_or_default();
                user_identities::delete_of_provider(tx, provider.id).await?;
            }
        }
    }
    let kept = current.is_some_and(|current| {
        current.has_secret(secret.as_ref()) && current.provider.origin() == provider.origin()
    });
    if !kept {
        secret::store(&services.vault, tx, provider, secret).await?;
    }
    Ok(lost)
}

async fn audit(
    tx: &mut Tx,
    permit: &Permit<Tenant>,
    created: bool,
    provider: &IdentityProvider,
    lost: &Consequences,
) -> Result<(), Failure> {
    let action = if created {
        "identity_provider.create"
    } else {
        "identity_provider.update"
    };
    let name = provider.name.as_str();
    let record = permit.record(tx.clock(), action, ObjectKind::IdentityProvider, name);
    let detail = json!({
        "issuer": provider.issuer,
        "configuration": provider.configuration,
        "deleted": lost,
        "revision": provider.revision,
    });
    audit_events::insert(tx, &AuditEvent { detail, ..record }).await?;
    Ok(())
}

/// A pointer to one item of a list, or one member of an object.
fn below(pointer: &str, step: impl std::fmt::Display) -> String {
    format!("{pointer}/{}", pointer_step(&step.to_string()))
}
