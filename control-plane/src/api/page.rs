//! Lists in pages: `{"items": […], "next_cursor": …}`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;

use crate::{
    api::{problem::Problem, query::PageParams},
    domain::{Page, PageRequest},
};

/// Items per page when the caller does not say.
const DEFAULT_LIMIT: u16 = 50;

/// Most items per page.
const MAX_LIMIT: u16 = 200;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listing<T> {
    /// In a stable order.
    pub items: Vec<T>,
    /// Give it back as `cursor` to continue; `null`: this was the last page.
    pub next_cursor: Option<String>,
}

impl PageParams {
    /// What the store is asked for. The cursor of another list, or one made by hand, is refused where
    /// it does not read as a key of this one.
    ///
    /// # Errors
    /// A problem that names the parameter.
    pub fn request<K: DeserializeOwned>(&self) -> Result<PageRequest<K>, Problem> {
        let limit = self.limit.unwrap_or(DEFAULT_LIMIT);
        if !(1..=MAX_LIMIT).contains(&limit) {
            return Err(Problem::invalid(
                "limit",
                format!("must be 1 to {MAX_LIMIT}"),
            ));
        }
        let after = self.cursor.as_deref().map(decode).transpose()?;
        Ok(PageRequest {
            after,
            limit: limit.into(),
        })
    }
}

impl<T> Listing<T> {
    /// The page, with its cursor in the form that callers see.
    pub fn of<K: Serialize>(page: Page<T, K>) -> Self {
        Self {
            items: page.items,
            next_cursor: page.next.map(|key| encode(&key)),
        }
    }
}

fn encode(key: &impl Serialize) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(key).unwrap_or_default())
}

fn decode<K: DeserializeOwned>(cursor: &str) -> Result<K, Problem> {
    URL_SAFE_NO_PAD
        .decode(cursor)
        .ok()
        .and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .ok_or_else(|| Problem::invalid("cursor", "is not one that this list answered"))
}
