//! Taking forbidden tools out of a `tools/list` result, and nothing else.
//!
//! The rewrite is lossless: every member that stays keeps its text, order and numbers, also members
//! that no revision knows. A filtered list is private to its caller (2026-07-28 caching; T33).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::object::{Object, Unreadable};

/// The message without the tools that `permits` refuses, asked with the name and the text of each; `None` when it may
/// stay as it is.
///
/// # Errors
/// [`Unreadable`].
pub(crate) fn filter(
    message: &str,
    mut permits: impl FnMut(&str, &str) -> bool,
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
        let name = name.ok_or(Unreadable)?.map_err(|_| Unreadable)?;
        if permits(&name, tool.get()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filtered(message: &str) -> Result<Option<String>, Unreadable> {
        filter(message, |name, _| name != "secret")
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
