//! Named secret values, as they are sealed.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// A value shorter than this shows nothing of itself: four characters would be too much of it.
const SHORTEST_WITH_HINT: usize = 8;

/// How many characters of a value people may see to recognize it.
const HINT_LENGTH: usize = 4;

/// Header or placeholder name → secret value. Its debug form has the names only.
#[derive(Clone, Default)]
pub struct SecretMap(BTreeMap<String, SecretString>);

/// Opened bytes that are not a map of secrets. Never says what they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not hold named secrets")]
pub struct MalformedSecrets;

impl SecretMap {
    /// An empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a value.
    pub fn insert(&mut self, name: impl Into<String>, value: SecretString) {
        self.0.insert(name.into(), value);
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&SecretString> {
        self.0.get(name)
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SecretString)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// The names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name → last four characters of the value; nothing of a value under eight characters.
    #[must_use]
    pub fn hints(&self) -> BTreeMap<String, String> {
        self.0
            .iter()
            .map(|(name, value)| (name.clone(), hint(value.expose_secret())))
            .collect()
    }

    /// The bytes to seal.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let exposed: BTreeMap<&str, &str> = self
            .0
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        // A map of strings to strings has no way to fail; an empty value would fail at opening.
        Zeroizing::new(serde_json::to_vec(&exposed).unwrap_or_default())
    }

    /// Reads what [`SecretMap::to_bytes`] made.
    ///
    /// # Errors
    /// When the bytes are anything else.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedSecrets> {
        let values: BTreeMap<String, String> =
            serde_json::from_slice(bytes).map_err(|_| MalformedSecrets)?;
        Ok(values.into_iter().collect())
    }
}

impl FromIterator<(String, String)> for SecretMap {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(values: I) -> Self {
        Self(
            values
                .into_iter()
                .map(|(name, value)| (name, SecretString::from(value)))
                .collect(),
        )
    }
}

impl FromIterator<(String, SecretString)> for SecretMap {
    fn from_iter<I: IntoIterator<Item = (String, SecretString)>>(values: I) -> Self {
        Self(values.into_iter().collect())
    }
}

impl fmt::Debug for SecretMap {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

fn hint(value: &str) -> String {
    let length = value.chars().count();
    if length < SHORTEST_WITH_HINT {
        return String::new();
    }
    value.chars().skip(length - HINT_LENGTH).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(values: &[(&str, &str)]) -> SecretMap {
        values
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn bytes_round_trip() {
        let secrets = map(&[("Authorization", "Bearer \"ü\n"), ("X-Key", "")]);
        let read = SecretMap::from_bytes(&secrets.to_bytes()).unwrap();
        assert_eq!(read.names(), ["Authorization", "X-Key"]);
        assert_eq!(
            read.get("Authorization").unwrap().expose_secret(),
            "Bearer \"ü\n"
        );
        assert_eq!(SecretMap::from_bytes(b"[]").unwrap_err(), MalformedSecrets);
    }

    #[test]
    fn hints_show_four_characters_of_long_values_only() {
        let hints = map(&[("a", "sk-1234567"), ("b", "1234567"), ("c", "12345678")]).hints();
        assert_eq!(hints["a"], "4567");
        assert_eq!(hints["b"], "");
        assert_eq!(hints["c"], "5678");
    }

    #[test]
    fn t57_debug_output_has_no_value() {
        let text = format!("{:?}", map(&[("Authorization", "canary-value")]));
        assert_eq!(text, r#"{"Authorization"}"#);
    }
}
