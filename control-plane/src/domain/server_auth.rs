//! How the gateway authenticates to a server (`auth` of a remote server).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::header_template::HeaderTemplate;

/// What the gateway sends upstream. Holds no secret: the values of shared headers are sealed beside
/// it, under these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ServerAuth {
    /// OUT-1: nothing.
    None,
    /// OUT-2: stored headers, the same for everyone.
    SharedHeader {
        /// Names of the headers; their values are sealed.
        names: Vec<String>,
    },
    /// OUT-3: headers with each caller's own values in their placeholders.
    IndividualHeader {
        /// Header name → template.
        headers: BTreeMap<String, HeaderTemplate>,
    },
    /// OUT-7: headers that the client sends along.
    Forwarding {
        /// The only names accepted; absent: any permitted name.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        headers: Option<Vec<String>>,
    },
}

/// Which names the values of an auth override are entered under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverrideKeys {
    /// Exactly these placeholders, all of them.
    Placeholders(BTreeSet<String>),
    /// One or more headers with these names.
    Headers(BTreeSet<String>),
    /// Any header that may be sent upstream.
    AnyHeader,
}

impl ServerAuth {
    /// What an auth override of such a server holds.
    #[must_use]
    pub fn override_keys(&self) -> OverrideKeys {
        match self {
            Self::None | Self::Forwarding { .. } => OverrideKeys::AnyHeader,
            Self::SharedHeader { names } => OverrideKeys::Headers(names.iter().cloned().collect()),
            Self::IndividualHeader { headers } => {
                let placeholders: BTreeSet<String> = headers
                    .values()
                    .flat_map(|template| template.placeholders())
                    .map(str::to_owned)
                    .collect();
                if placeholders.is_empty() {
                    OverrideKeys::Headers(headers.keys().cloned().collect())
                } else {
                    OverrideKeys::Placeholders(placeholders)
                }
            }
        }
    }

    /// Names of the headers that this auth sets by itself.
    #[must_use]
    pub fn header_names(&self) -> Vec<String> {
        match self {
            Self::None | Self::Forwarding { .. } => Vec::new(),
            Self::SharedHeader { names } => names.clone(),
            Self::IndividualHeader { headers } => headers.keys().cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn individual(headers: &[(&str, &str)]) -> ServerAuth {
        let headers = headers
            .iter()
            .map(|(name, template)| ((*name).to_owned(), template.parse().unwrap()))
            .collect();
        ServerAuth::IndividualHeader { headers }
    }

    #[test]
    fn an_override_is_keyed_by_placeholder_where_there_is_one() {
        let auth = individual(&[("Authorization", "Bearer {{KEY}}"), ("X-Org", "acme")]);
        assert_eq!(
            auth.override_keys(),
            OverrideKeys::Placeholders(["KEY".to_owned()].into())
        );
        let auth = individual(&[("X-Org", "acme")]);
        assert_eq!(
            auth.override_keys(),
            OverrideKeys::Headers(["X-Org".to_owned()].into())
        );
        let auth = ServerAuth::SharedHeader {
            names: vec!["Authorization".to_owned()],
        };
        assert_eq!(
            auth.override_keys(),
            OverrideKeys::Headers(["Authorization".to_owned()].into())
        );
        assert_eq!(ServerAuth::None.override_keys(), OverrideKeys::AnyHeader);
    }

    #[test]
    fn the_stored_form_is_stable() {
        let auth = individual(&[("Authorization", "Bearer {{KEY}}")]);
        let text = serde_json::to_string(&auth).unwrap();
        assert_eq!(
            text,
            r#"{"type":"individual_header","headers":{"Authorization":"Bearer {{KEY}}"}}"#
        );
        assert_eq!(serde_json::from_str::<ServerAuth>(&text).unwrap(), auth);
        let text = serde_json::to_string(&ServerAuth::Forwarding { headers: None }).unwrap();
        assert_eq!(text, r#"{"type":"forwarding"}"#);
    }
}
