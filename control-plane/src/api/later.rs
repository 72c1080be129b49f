//! Fields of the contract that this version refuses by name, rather than as unknown.

use serde::de::IgnoredAny;

use crate::service::{Failure, Violation};

/// Refuses a mapping from identity providers. An empty one says nothing and is accepted.
///
/// # Errors
/// [`Failure::Unsupported`].
pub(super) fn identity_provider_mapping(mapping: Option<&[IgnoredAny]>) -> Result<(), Failure> {
    if mapping.is_none_or(<[IgnoredAny]>::is_empty) {
        return Ok(());
    }
    let detail = "identity providers are not supported by this version; callers authenticate with personal access \
                  tokens and virtual-account tokens";
    Err(Failure::Unsupported(Violation::new(
        "/identity_provider_mapping",
        detail,
    )))
}
