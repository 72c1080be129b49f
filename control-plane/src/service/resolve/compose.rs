//! From opened secrets to headers: which layer gives which.

use std::collections::BTreeMap;

use secrecy::SecretString;

use crate::domain::{HeaderTemplate, OverrideKeys, SecretMap, Server, ServerAuth};

/// What a request to a server carries, and what is missing for it.
#[derive(Debug, Clone)]
pub struct Resolution {
    /// Headers of the auth layer: the caller's own, and those of the server's auth that the caller did
    /// not replace. Empty while values are missing.
    pub auth: SecretMap,
    /// Headers of the lowest layer, sent whatever the auth is.
    pub additional: SecretMap,
    /// Placeholders or header names that the caller has to enter first.
    pub missing: Vec<String>,
    /// The one origin (RFC 6454) that the headers may be sent to.
    pub origin: String,
}

/// Everything that was sealed.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    pub(super) shared: SecretMap,
    pub(super) additional: SecretMap,
    pub(super) own: Option<SecretMap>,
}

/// Puts the headers together.
pub(super) fn compose(server: &Server, secrets: &Secrets) -> Resolution {
    let auth = match &server.auth {
        ServerAuth::None | ServerAuth::Forwarding { .. } => Ok(SecretMap::new()),
        ServerAuth::SharedHeader { .. } => Ok(secrets.shared.clone()),
        ServerAuth::IndividualHeader { headers } => render(headers, secrets.own.as_ref()),
    };
    let (mut auth, missing) = match auth {
        Ok(auth) => (auth, Vec::new()),
        Err(names) => (SecretMap::new(), names),
    };
    // Values of placeholders are in the headers already; everything else is a header itself.
    if !matches!(server.auth.override_keys(), OverrideKeys::Placeholders(_))
        && let Some(own) = &secrets.own
    {
        auth = overlay(&auth, own);
    }
    Resolution {
        auth,
        additional: secrets.additional.clone(),
        missing,
        origin: server.origin(),
    }
}

/// The headers of templates, or the placeholders without a value.
fn render(
    headers: &BTreeMap<String, HeaderTemplate>,
    own: Option<&SecretMap>,
) -> Result<SecretMap, Vec<String>> {
    let none = SecretMap::new();
    let own = own.unwrap_or(&none);
    let mut missing: Vec<String> = headers
        .values()
        .flat_map(HeaderTemplate::placeholders)
        .filter(|name| own.get(name).is_none())
        .map(str::to_owned)
        .collect();
    missing.sort();
    missing.dedup();
    if !missing.is_empty() {
        return Err(missing);
    }
    Ok(headers
        .iter()
        .filter_map(|(name, template)| Some((name.clone(), template.render(own)?)))
        .collect::<SecretMap>())
}

/// The upper headers, and those of the lower that have no namesake above. Names of headers are the same
/// in every case (RFC 9110, section 5.1).
fn overlay(lower: &SecretMap, upper: &SecretMap) -> SecretMap {
    let kept = lower.iter().filter(|(name, _)| {
        !upper
            .iter()
            .any(|(above, _)| above.eq_ignore_ascii_case(name))
    });
    kept.chain(upper.iter())
        .map(|(name, value)| (name.to_owned(), value.clone()))
        .collect::<BTreeMap<String, SecretString>>()
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests;
