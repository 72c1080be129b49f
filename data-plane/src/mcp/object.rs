//! Objects of JSON as the texts of their members, so that one can be changed and the others keep theirs.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::strict::{Members, Text};

/// The answer cannot be understood, so it cannot be shown to be fit for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer is not a JSON-RPC message with a readable result")]
pub(crate) struct Unreadable;

/// An object as its members' texts, in their order.
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Unreadable> {
        serde_json::from_str(text).map_err(|_| Unreadable)
    }

    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, text)| *text)
    }

    /// The object's text with other texts for these members, where it has them.
    pub(super) fn with(&self, changed: &[(&str, &str)]) -> String {
        let mut text = String::from("{");
        for (index, (key, value)) in self.0.iter().enumerate() {
            let value = changed
                .iter()
                .find(|(name, _)| name == key)
                .map_or(*value, |(_, value)| value);
            if index > 0 {
                text.push(',');
            }
            text.push_str(&serde_json::Value::from(key.as_ref()).to_string());
            text.push(':');
            text.push_str(value);
        }
        text.push('}');
        text
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(Cow<'de, str>, &'de str)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
                let (mut object, mut seen) = (Vec::new(), Members::default());
                while let Some(key) = members.next_key_seed(Text)? {
                    seen.insert(key.clone())?;
                    object.push((key, members.next_value::<&RawValue>()?.get()));
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Collect).map(Self)
    }
}
