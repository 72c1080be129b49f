//! Every column that holds sealed values. The vault refuses to seal for any other.
//!
//! A new sealed column has a line in [`PLACES`], is read by [`every`] and written by
//! [`crate::store::sealed::replace`]; the store function that deletes its rows notes them with
//! `Tx::drop_seal`.

use super::Binding;
use crate::store::{
    Result, Tx, auth_overrides, identity_providers, oauth_grants, servers, session_keys,
    signing_keys,
};

/// Tables and columns.
pub(super) const PLACES: &[(&str, &str)] = &[
    ("mcp_servers", "auth_secret"),
    ("mcp_servers", "additional_headers"),
    ("auth_overrides", "secret"),
    ("identity_providers", "client_secret"),
    ("signing_keys", "private_key"),
    ("session_keys", "key"),
    ("oauth_grants", "secret"),
];

/// Every sealed value there is, with what it should be bound to.
pub(super) async fn every(tx: &mut Tx) -> Result<Vec<(Binding, Vec<u8>)>> {
    let mut values = Vec::new();
    for (id, secrets) in servers::all_secrets(&mut *tx).await? {
        if let Some(sealed) = secrets.auth {
            let binding = Binding::server_auth(id, &sealed.origin, sealed.revision);
            values.push((binding, sealed.bytes));
        }
        if let Some(sealed) = secrets.additional_headers {
            let binding = Binding::server_additional_headers(id, &sealed.origin, sealed.revision);
            values.push((binding, sealed.bytes));
        }
    }
    for item in auth_overrides::all_sealed(&mut *tx).await? {
        let record = item.record;
        let (id, server, subject) = (record.id, record.server_id, record.subject);
        let binding = Binding::auth_override(id, server, subject, &record.origin, record.revision);
        values.push((binding, item.sealed_values));
    }
    for (id, sealed) in identity_providers::all_client_secrets(&mut *tx).await? {
        let binding = Binding::identity_provider_client_secret(id, &sealed.origin, sealed.revision);
        values.push((binding, sealed.bytes));
    }
    for (kid, sealed) in signing_keys::all_sealed(&mut *tx).await? {
        values.push((Binding::signing_key(&kid), sealed));
    }
    for key in session_keys::list(&mut *tx).await? {
        values.push((Binding::session_key(&key.record.id), key.sealed_key));
    }
    for (id, user, sealed) in oauth_grants::all_sealed(&mut *tx).await? {
        values.push((Binding::oauth_grant(id, user), sealed));
    }
    Ok(values)
}
