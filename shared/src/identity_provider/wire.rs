//! Providers as the protocol carries them.

use serde_json::Value;

use super::{IdentifyBy, JwkSet, Provider, RequiredClaims, ResolveTo};
use crate::{proto::v1, snapshot::InvalidChange};

impl TryFrom<&v1::IdentityProvider> for Provider {
    type Error = InvalidChange;

    fn try_from(provider: &v1::IdentityProvider) -> Result<Self, InvalidChange> {
        use v1::identity_provider::ResolveTo as Wire;
        const MALFORMED: InvalidChange = InvalidChange::Missing("a readable identity provider");
        let path = |text: &str| text.parse().map_err(|_| MALFORMED);
        let resolve_to = match provider.resolve_to.as_ref().ok_or(MALFORMED)? {
            Wire::VirtualAccount(to) => ResolveTo::VirtualAccount {
                claim: path(&to.claim)?,
            },
            Wire::User(to) => ResolveTo::User {
                identify_by: match to.identify_by() {
                    v1::IdentifyBy::Email => IdentifyBy::Email,
                    v1::IdentifyBy::Subject => IdentifyBy::Subject,
                    v1::IdentifyBy::Unspecified => return Err(MALFORMED),
                },
                email_claim: path(&to.email_claim)?,
                team_claim: to.team_claim.as_deref().map(path).transpose()?,
            },
        };
        let mut required_claims = RequiredClaims::new();
        for required in &provider.required_claims {
            let values: Result<Vec<Value>, _> = required
                .values
                .iter()
                .map(|text| serde_json::from_str(text))
                .collect();
            required_claims.insert(path(&required.claim)?, values.map_err(|_| MALFORMED)?);
        }
        let algorithms: Result<_, _> = provider
            .algorithms
            .iter()
            .map(|name| name.parse())
            .collect();
        let token_types = provider
            .token_types
            .iter()
            .map(|name| (!name.is_empty()).then(|| name.to_ascii_lowercase()));
        Ok(Self {
            id: provider.id.parse()?,
            name: provider.name.parse()?,
            issuer: provider.issuer.clone(),
            revision: provider.revision,
            audiences: provider.audiences.clone(),
            algorithms: algorithms.map_err(|_| MALFORMED)?,
            token_types: token_types.collect(),
            required_claims,
            resolve_to,
            // None yet, or none any more: no token is accepted.
            keys: JwkSet::parse(&provider.jwks).unwrap_or_default(),
        })
    }
}

impl From<&Provider> for v1::IdentityProvider {
    fn from(provider: &Provider) -> Self {
        use v1::identity_provider::ResolveTo as Wire;
        let resolve_to = match &provider.resolve_to {
            ResolveTo::VirtualAccount { claim } => Wire::VirtualAccount(v1::ToVirtualAccount {
                claim: claim.to_string(),
            }),
            ResolveTo::User {
                identify_by,
                email_claim,
                team_claim,
            } => Wire::User(v1::ToUser {
                identify_by: match identify_by {
                    IdentifyBy::Email => v1::IdentifyBy::Email,
                    IdentifyBy::Subject => v1::IdentifyBy::Subject,
                }
                .into(),
                email_claim: email_claim.to_string(),
                team_claim: team_claim.as_ref().map(ToString::to_string),
            }),
        };
        let required =
            |(claim, values): (&crate::json::ClaimPath, &Vec<Value>)| v1::RequiredClaim {
                claim: claim.to_string(),
                values: values.iter().map(ToString::to_string).collect(),
            };
        Self {
            id: provider.id.to_string(),
            name: provider.name.to_string(),
            issuer: provider.issuer.clone(),
            revision: provider.revision,
            audiences: provider.audiences.clone(),
            algorithms: provider
                .algorithms
                .iter()
                .map(ToString::to_string)
                .collect(),
            token_types: provider
                .token_types
                .iter()
                .map(|name| name.clone().unwrap_or_default())
                .collect(),
            required_claims: provider.required_claims.iter().map(required).collect(),
            jwks: provider.keys.to_json().to_vec(),
            resolve_to: Some(resolve_to),
        }
    }
}
