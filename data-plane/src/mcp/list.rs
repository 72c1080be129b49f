//! Taking forbidden tools out of a `tools/list` result, and nothing else.
//!
//! The rewrite is lossless: every member that stays keeps its text, order and numbers, also members
//! that no revision knows. A filtered list is private to its caller (2026-07-28 caching; T33).

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::strict::{Members, Text};

/// The answer cannot be understood, so it cannot be shown to be free of forbidden tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server's answer is not a JSON-RPC message with a readable list of tools")]
pub(crate) struct Unreadable;

/// The message without the tools that `permits` refuses; `None` when it may stay as it is.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn filter(
    message: &str,
    permits: impl Fn(&str) -> bool,
) -> Result<Option<String>, Unreadable> {
    let envelope = Object::parse(message)?;
    let Some(result) = envelope.get("result") else {
        return Ok(None);
    };
    if !result.starts_with('{') {
        return Ok(None);
    }
    let result = Object::parse(result)?;
    let Some(tools) = result.get("tools") else {
        return Ok(None);
    };
    let tools: Vec<&RawValue> = serde_json::from_str(tools).map_err(|_| Unreadable)?;
    let mut kept = Vec::with_capacity(tools.len());
    for tool in &tools {
        let name = Object::parse(tool.get())?
            .get("name")
            .map(serde_json::from_str::<Cow<'_, str>>);
        if permits(&name.ok_or(Unreadable)?.map_err(|_| Unreadable)?) {
            kept.push(tool.get());
        }
    }
    let shared = result
        .get("cacheScope")
        .is_some_and(|scope| scope != "\"private\"");
    if kept.len() == tools.len() && !shared {
        return Ok(None);
    }
    let tools = format!("[{}]", kept.join(","));
    let result = result.with(&[("tools", &tools), ("cacheScope", "\"private\"")]);
    Ok(Some(envelope.with(&[("result", &result)])))
}

/// An object as its members' texts, in their order.
struct Object<'a>(Vec<(Cow<'a, str>, &'a str)>);

impl<'a> Object<'a> {
    fn parse(text: &'a str) -> Result<Self, Unreadable> {
        serde_json::from_str(text).map_err(|_| Unreadable)
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, text)| *text)
    }

    /// The object's text with other texts for these members, where it has them.
    fn with(&self, changed: &[(&str, &str)]) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(message: &str) -> Result<Option<String>, Unreadable> {
        filter(message, |name| name != "secret")
    }

    #[test]
    fn what_stays_keeps_its_text() {
        let message = r#"{"jsonrpc":"2.0", "x":1e2,"result":{"nextCursor":"","tools":[ {"name":"a","n":1.50,"z":{"b":[1, 2]}}, {"name":"s\u0065cret"},{"description":"secret","name":"b"}],"_meta":{"k":00.1e1}},"id":"7"}"#
            .replace("00.1e1", "0.1e1");
        let expected = r#"{"jsonrpc":"2.0","x":1e2,"result":{"nextCursor":"","tools":[{"name":"a","n":1.50,"z":{"b":[1, 2]}},{"description":"secret","name":"b"}],"_meta":{"k":0.1e1}},"id":"7"}"#;
        assert_eq!(filtered(&message), Ok(Some(expected.into())));
    }

    #[test]
    fn a_message_without_forbidden_tools_stays_as_it_is() {
        for message in [
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"}]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[],"cacheScope":"private"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"secret"}}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"tools":[{"name":"secret"}]}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
        ] {
            assert_eq!(filtered(message), Ok(None), "{message}");
        }
    }

    #[test]
    fn t33_a_list_that_depends_on_the_caller_is_private() {
        let public =
            r#"{"id":1,"result":{"tools":[{"name":"a"}],"ttlMs":9,"cacheScope":"public"}}"#;
        assert_eq!(
            filtered(public),
            Ok(Some(public.replace("public", "private")))
        );
    }

    #[test]
    fn t22_a_list_that_two_parsers_could_read_differently_is_not_passed_on() {
        for message in [
            "",
            "{",
            r#"{"id":1,"result":{"tools":[{"name":"a"}],"tools":[{"name":"secret"}]}}"#,
            r#"{"id":1,"result":{"tools":[]},"result":{"tools":[{"name":"secret"}]}}"#,
            r#"{"id":1,"result":{"tools":[{"name":"a","name":"secret"}]}}"#,
            r#"{"id":1,"result":{"tools":[{"title":"no name"}]}}"#,
            r#"{"id":1,"result":{"tools":[{"name":7}]}}"#,
            r#"{"id":1,"result":{"tools":{"name":"secret"}}}"#,
            r#"{"id":1,"result":{"tools":["secret"]}}"#,
        ] {
            assert_eq!(filtered(message), Err(Unreadable), "{message}");
        }
    }
}
