//! `identity_provider_mapping` of teams and virtual accounts.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;
use warder_shared::{id::IdentityProviderId, identity_provider::MAX_VALUE_LENGTH, name::Name};

use crate::{
    domain::{ClaimMapping, MappingTarget},
    service::{Failure, Violation, Violations},
    store::{Tx, identity_provider_mappings, identity_providers, virtual_accounts},
};

/// Most values that are mapped to one team or virtual account.
const MAX_MAPPINGS: usize = 1000;

/// A value of an identity provider's claim that stands for a team or a virtual account.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[schema(as = IdentityProviderMapping)]
pub struct MappingView {
    /// Name of the provider.
    #[schema(value_type = String)]
    pub identity_provider: Name,
    /// The claim's value, exactly.
    pub value: String,
}

/// The same, as entered.
#[derive(Debug)]
pub struct MappingInput {
    /// Name of the provider.
    pub identity_provider: Name,
    /// The claim's value.
    pub value: String,
}

/// What is mapped to a team or a virtual account, sorted.
pub(in crate::service) async fn of_target(
    tx: &mut Tx,
    target: MappingTarget,
) -> Result<Vec<MappingView>, Failure> {
    let mappings = identity_provider_mappings::of_target(&mut *tx, target).await?;
    let mut names: BTreeMap<IdentityProviderId, Name> = BTreeMap::new();
    let mut views = Vec::with_capacity(mappings.len());
    for mapping in mappings {
        let name = match names.get(&mapping.provider) {
            Some(name) => name.clone(),
            None => match identity_providers::find(&mut *tx, mapping.provider).await? {
                Some(provider) => names
                    .entry(mapping.provider)
                    .or_insert(provider.name)
                    .clone(),
                None => continue,
            },
        };
        views.push(MappingView {
            identity_provider: name,
            value: mapping.value,
        });
    }
    views.sort();
    Ok(views)
}

/// Maps exactly these values to a team or a virtual account.
///
/// # Errors
/// [`Failure::Invalid`], or [`Failure::Taken`] when a value stands for another virtual account.
pub(in crate::service) async fn replace(
    tx: &mut Tx,
    target: MappingTarget,
    wanted: &[MappingInput],
) -> Result<(), Failure> {
    const POINTER: &str = "/identity_provider_mapping";
    let mut violations = Violations::default();
    if wanted.len() > MAX_MAPPINGS {
        let detail = format!("must have at most {MAX_MAPPINGS} values");
        return Err(Failure::invalid(POINTER, detail));
    }
    let mut mappings = Vec::with_capacity(wanted.len());
    for (index, input) in wanted.iter().enumerate() {
        let pointer = format!("{POINTER}/{index}");
        let value = &input.value;
        if value.is_empty() || value.len() > MAX_VALUE_LENGTH || value.contains(char::is_control) {
            violations.add(
                format!("{pointer}/value"),
                "must be 1 to 512 bytes without control characters",
            );
        }
        match identity_providers::find_by_name(&mut *tx, &input.identity_provider).await? {
            None => violations.add(
                format!("{pointer}/identity_provider"),
                "there is no such identity provider",
            ),
            Some(provider) => mappings.push((
                pointer,
                ClaimMapping {
                    provider: provider.id,
                    value: value.clone(),
                },
            )),
        }
    }
    violations.finish()?;
    if let MappingTarget::VirtualAccount(id) = target {
        for (pointer, mapping) in &mappings {
            let taken = identity_provider_mappings::account_of(&mut *tx, mapping).await?;
            let Some(other) = taken.filter(|other| *other != id) else {
                continue;
            };
            let other = virtual_accounts::find(&mut *tx, other).await?;
            let name = other.map_or_else(String::new, |other| format!(" `{}`", other.name));
            let detail = format!("stands for the virtual account{name} already");
            return Err(Failure::Taken(Violation::new(
                format!("{pointer}/value"),
                detail,
            )));
        }
    }
    let mappings: Vec<_> = mappings.into_iter().map(|(_, mapping)| mapping).collect();
    identity_provider_mappings::replace(tx, target, &mappings).await?;
    Ok(())
}
