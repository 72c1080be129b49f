//! The secret header values of a server: opened, merged with what was entered, sealed again.

use warder_shared::id::ServerId;

use super::{
    input::{Checked, Entered},
    same_values,
};
use crate::{
    domain::{SecretMap, Server},
    service::{Failure, Services, Violations, pointer_step},
    store::{Sealed, Tx, servers},
    vault::Binding,
};

/// The secret header values of a server, in the open.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Values of the shared headers (OUT-2).
    pub(super) auth: SecretMap,
    /// Values of the additional headers.
    pub(super) additional_headers: SecretMap,
}

impl Secrets {
    /// Opens what is stored.
    pub(super) async fn load(
        services: &Services,
        tx: &mut Tx,
        id: ServerId,
    ) -> Result<Self, Failure> {
        let stored = servers::secrets(&mut *tx, id).await?.unwrap_or_default();
        let auth = match &stored.auth {
            Some(sealed) => {
                let binding = Binding::server_auth(id, &sealed.origin, sealed.revision);
                open(services, tx, &binding, sealed).await?
            }
            None => SecretMap::new(),
        };
        let additional_headers = match &stored.additional_headers {
            Some(sealed) => {
                let binding =
                    Binding::server_additional_headers(id, &sealed.origin, sealed.revision);
                open(services, tx, &binding, sealed).await?
            }
            None => SecretMap::new(),
        };
        Ok(Self {
            auth,
            additional_headers,
        })
    }

    /// What should be stored: the entered values, and the stored ones that are kept. Stored values do
    /// not follow the server to another origin (T29).
    pub(super) fn merge(
        current: Option<(&Server, &Self)>,
        checked: &Checked,
    ) -> Result<Self, Failure> {
        let nothing = Self::default();
        let stored = current.map_or(&nothing, |(_, secrets)| secrets);
        let moved_from = current
            .map(|(server, _)| server.origin())
            .filter(|origin| *origin != checked.url.origin().ascii_serialization());
        let mut violations = Violations::default();
        let mut merge = |pointer: &str, entered: &Entered, stored: &SecretMap| {
            let mut merged = entered.values.clone();
            for name in &entered.kept {
                let pointer = format!("{pointer}/{}", pointer_step(name));
                match stored
                    .iter()
                    .find(|(known, _)| known.eq_ignore_ascii_case(name))
                {
                    None => violations.add(pointer, "has no stored value to keep"),
                    Some(_) if moved_from.is_some() => {
                        violations.add(pointer, "must be entered again: the stored value belongs to the server's old origin");
                    }
                    Some((_, value)) => merged.insert(name.clone(), value.clone()),
                }
            }
            merged
        };
        let merged = Self {
            auth: merge("/auth/headers", &checked.auth_values, &stored.auth),
            additional_headers: merge(
                "/additional_headers",
                &checked.additional_headers,
                &stored.additional_headers,
            ),
        };
        violations.finish()?;
        Ok(merged)
    }

    /// Whether both hold the same values.
    pub(super) fn are_same(&self, other: &Self) -> bool {
        same_values(&self.auth, &other.auth)
            && same_values(&self.additional_headers, &other.additional_headers)
    }

    /// Seals what is different from `before` in value or place, for the server as it is now.
    pub(super) async fn store(
        &self,
        services: &Services,
        tx: &mut Tx,
        server: &Server,
        before: Option<(&Server, &Self)>,
    ) -> Result<(), Failure> {
        let origin = server.origin();
        let nothing = Self::default();
        let stored = before.map_or(&nothing, |(_, secrets)| secrets);
        let moved = before.is_some_and(|(before, _)| before.origin() != origin);
        if moved || !same_values(&self.auth, &stored.auth) {
            let binding = Binding::server_auth(server.id, &origin, server.revision);
            let sealed = seal(services, tx, binding, &self.auth).await?;
            servers::set_auth_secret(tx, server.id, sealed.as_ref()).await?;
        }
        if moved || !same_values(&self.additional_headers, &stored.additional_headers) {
            let binding = Binding::server_additional_headers(server.id, &origin, server.revision);
            let sealed = seal(services, tx, binding, &self.additional_headers).await?;
            servers::set_additional_headers(tx, server.id, sealed.as_ref()).await?;
        }
        Ok(())
    }
}

async fn open(
    services: &Services,
    tx: &mut Tx,
    binding: &Binding,
    sealed: &Sealed,
) -> Result<SecretMap, Failure> {
    let bytes = services
        .vault
        .open_value(tx, binding, &sealed.bytes)
        .await?;
    SecretMap::from_bytes(&bytes).map_err(|error| Failure::Internal(error.into()))
}

/// An empty map is stored as nothing.
async fn seal(
    services: &Services,
    tx: &mut Tx,
    binding: Binding,
    values: &SecretMap,
) -> Result<Option<Sealed>, Failure> {
    if values.is_empty() {
        return Ok(None);
    }
    let bytes = services
        .vault
        .seal(tx, &binding, &values.to_bytes())
        .await?;
    Ok(Some(Sealed {
        bytes,
        origin: binding.origin,
        revision: binding.revision,
    }))
}
