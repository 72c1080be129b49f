//! Header values with `{{PLACEHOLDER}}`s in them.

use std::fmt;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::secrets::SecretMap;

/// Longest placeholder name, in characters.
const MAX_PLACEHOLDER: usize = 64;

/// The value of a header, such as `Bearer {{API_KEY}}`, where each caller's own values go into the
/// placeholders. Not secret itself.
#[derive(Clone, PartialEq, Eq)]
pub struct HeaderTemplate {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Placeholder(String),
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// A `{{` is never closed.
    #[error("a placeholder is opened with `{{{{` and never closed with `}}}}`")]
    Unclosed,
    /// The text between the braces is no name.
    #[error(
        "`{{{{{0}}}}}` is not a placeholder: a name has 1 to 64 letters, digits and underscores and \
         does not begin with a digit"
    )]
    Name(String),
}

impl HeaderTemplate {
    /// Names of the placeholders, in order of appearance, each once.
    #[must_use]
    pub fn placeholders(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for part in &self.parts {
            if let Part::Placeholder(name) = part
                && !names.contains(&name.as_str())
            {
                names.push(name.as_str());
            }
        }
        names
    }

    /// Puts values into the placeholders; none when one of them has no value.
    #[must_use]
    pub fn render(&self, values: &SecretMap) -> Option<SecretString> {
        let mut rendered = Zeroizing::new(String::new());
        for part in &self.parts {
            match part {
                Part::Literal(text) => rendered.push_str(text),
                Part::Placeholder(name) => rendered.push_str(values.get(name)?.expose_secret()),
            }
        }
        Some(SecretString::from(rendered.as_str()))
    }

    /// The template as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for HeaderTemplate {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, opened)) = rest.split_once("{{") {
            let (name, after) = opened.split_once("}}").ok_or(InvalidTemplate::Unclosed)?;
            if !is_placeholder(name) {
                return Err(InvalidTemplate::Name(name.to_owned()));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            parts.push(Part::Placeholder(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }
}

impl fmt::Display for HeaderTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for HeaderTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

impl serde::Serialize for HeaderTemplate {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> serde::Deserialize<'de> for HeaderTemplate {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

fn is_placeholder(name: &str) -> bool {
    name.len() <= MAX_PLACEHOLDER
        && name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> SecretMap {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn placeholders_are_filled_in_place() {
        let template: HeaderTemplate = "Basic {{USER}}:{{KEY}}:{{USER}}!".parse().unwrap();
        assert_eq!(template.placeholders(), ["USER", "KEY"]);
        let rendered = template
            .render(&values(&[("USER", "ada"), ("KEY", "{{USER}}")]))
            .unwrap();
        assert_eq!(rendered.expose_secret(), "Basic ada:{{USER}}:ada!");
        assert!(template.render(&values(&[("USER", "ada")])).is_none());
    }

    #[test]
    fn a_text_without_placeholders_is_itself() {
        let template: HeaderTemplate = "plain } {value}".parse().unwrap();
        assert!(template.placeholders().is_empty());
        assert_eq!(
            template.render(&SecretMap::new()).unwrap().expose_secret(),
            "plain } {value}"
        );
    }

    #[test]
    fn malformed_placeholders_are_refused() {
        assert_eq!(
            "a {{B".parse::<HeaderTemplate>(),
            Err(InvalidTemplate::Unclosed)
        );
        for name in ["", " A", "1A", "A-B", "{A", "Ä", &"A".repeat(65)] {
            let text = format!("{{{{{name}}}}}");
            assert!(
                matches!(
                    text.parse::<HeaderTemplate>(),
                    Err(InvalidTemplate::Name(_))
                ),
                "{text}"
            );
        }
    }
}
