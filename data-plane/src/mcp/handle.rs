//! Handles of servers inside messages: a place in a list (`nextCursor`, `cursor`), and what a server wants to see again
//! (`requestState`). Clients hold them sealed (T24).
//!
//! The rewrite is lossless: of a message only the one string changes, and what a server gave comes back to it in the very
//! text in which it was given. The empty string is no secret and stays.

use std::ops::Range;

use super::{
    message::Params,
    method::Method,
    object::{Object, Unreadable},
    session::Purpose,
};

/// Where the answer to a request has a handle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// `result.nextCursor`
    Cursor,
    /// `result.requestState`, for one more request of the same method about the same thing.
    State {
        /// The method.
        method: Method,
        /// What it is about.
        named: String,
    },
}

impl Place {
    /// Where the answer to a request of this method has one.
    pub(crate) fn of(method: Method, named: Option<&str>) -> Option<Self> {
        match method {
            Method::ToolsList
            | Method::PromptsList
            | Method::ResourcesList
            | Method::ResourceTemplatesList => Some(Self::Cursor),
            Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead => Some(Self::State {
                method,
                named: named.unwrap_or_default().to_owned(),
            }),
            _ => None,
        }
    }

    const fn member(&self) -> &'static str {
        match self {
            Self::Cursor => "nextCursor",
            Self::State { .. } => "requestState",
        }
    }

    /// Whether a message may have a handle at all. Most have none: those are not parsed.
    pub(crate) fn may_be_in(message: &str) -> bool {
        message.contains("\"nextCursor\"") || message.contains("\"requestState\"")
    }

    /// What its seal says.
    pub(crate) fn purpose(&self) -> Purpose<'_> {
        match self {
            Self::Cursor => Purpose::Cursor,
            Self::State { method, named } => Purpose::State {
                method: method.as_str(),
                named,
            },
        }
    }

    /// The message with its handle sealed; `None` when there is none.
    ///
    /// # Errors
    /// [`Unreadable`]: two parsers could find different ones, or it cannot be sealed.
    pub(crate) fn seal(
        &self,
        message: &str,
        seal: impl FnOnce(&str) -> Option<String>,
    ) -> Result<Option<String>, Unreadable> {
        if !Self::may_be_in(message) {
            return Ok(None);
        }
        let envelope = Object::parse(message)?;
        let Some(result) = envelope.get("result").filter(|text| text.starts_with('{')) else {
            return Ok(None);
        };
        let result = Object::parse(result)?;
        let handle = result.get(self.member());
        let Some(handle) = handle.filter(|text| !matches!(*text, "null" | "\"\"")) else {
            return Ok(None);
        };
        let sealed = seal(handle).ok_or(Unreadable)?;
        let sealed = serde_json::Value::from(sealed).to_string();
        Ok(Some(splice(message, range(message, handle), &sealed)))
    }
}

/// A handle of a request, and where it stands in its body.
pub(crate) struct Held<'a> {
    /// The string, as the client has it.
    pub(crate) sealed: String,
    /// What it must have been sealed for.
    pub(crate) purpose: Purpose<'a>,
    /// Place of its JSON text.
    pub(crate) at: Range<usize>,
}

/// The handles that a request brings, from the last to the first.
pub(crate) fn held<'a>(
    body: &str,
    method: Method,
    named: Option<&'a str>,
    params: &Params<'_>,
) -> Vec<Held<'a>> {
    let state = Purpose::State {
        method: method.as_str(),
        named: named.unwrap_or_default(),
    };
    let texts = [
        (params.cursor, Purpose::Cursor),
        (params.request_state, state),
    ];
    let mut held: Vec<_> = texts
        .into_iter()
        .filter_map(|(text, purpose)| {
            let text = text.filter(|text| *text != "\"\"")?;
            Some(Held {
                sealed: serde_json::from_str(text).unwrap_or_default(),
                purpose,
                at: range(body, text),
            })
        })
        .collect();
    held.sort_by_key(|held| std::cmp::Reverse(held.at.start));
    held
}

/// The text with another part.
pub(crate) fn splice(text: &str, at: Range<usize>, part: &str) -> String {
    [&text[..at.start], part, &text[at.end..]].concat()
}

/// Where a part of a text stands in it.
fn range(whole: &str, part: &str) -> Range<usize> {
    let start = part.as_ptr().addr() - whole.as_ptr().addr();
    start..start + part.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::message;

    fn sealed(place: &Place, message: &str) -> Result<Option<String>, Unreadable> {
        place.seal(message, |text| {
            (text.len() < 100).then(|| format!("<{}>", text.len()))
        })
    }

    #[test]
    fn t24_of_an_answer_only_the_handle_changes() {
        let state = Place::of(Method::ToolsCall, Some("a")).expect("a place");
        let message = "{ \"id\": 1e0,\"result\" : {\"tools\":[{\"nextCursor\":\"x\"}], \"nextCursor\":\"\\u0061\\/\", \"n\":1.50},\"jsonrpc\":\"2.0\" }";
        assert_eq!(
            sealed(&Place::Cursor, message),
            Ok(Some(message.replace("\"\\u0061\\/\"", "\"<10>\"")))
        );
        assert_eq!(sealed(&state, message), Ok(None));
        let asks = r#"{"id":1,"result":{"resultType":"input_required","requestState":"s"}}"#;
        assert_eq!(
            sealed(&state, asks),
            Ok(Some(asks.replace("\"s\"", "\"<3>\"")))
        );
        for none in [
            r#"{"id":1,"result":{"nextCursor":""}}"#,
            r#"{"id":1,"result":{"nextCursor":null}}"#,
            r#"{"id":1,"result":{"x":{"nextCursor":"a"}}}"#,
            r#"{"id":1,"result":"nextCursor"}"#,
            r#"{"id":1,"error":{"code":1,"message":"nextCursor"}}"#,
        ] {
            assert_eq!(sealed(&Place::Cursor, none), Ok(None), "{none}");
        }
        for bad in [
            r#"{"id":1,"result":{"nextCursor":"a","nextCursor":"b"}}"#,
            r#"{"id":1,"result":{"nextCursor":"a"},"result":{"nextCursor":"b"}}"#,
            &format!(
                r#"{{"id":1,"result":{{"nextCursor":"{}"}}}}"#,
                "a".repeat(100)
            ),
        ] {
            assert_eq!(sealed(&Place::Cursor, bad), Err(Unreadable), "{bad}");
        }
    }

    #[test]
    fn t24_of_a_request_only_the_handles_change() {
        let body = r#"{"jsonrpc":"2.0","id":1, "method":"tools/call","params":{"cursor":"c\u0031","name":"a", "requestState" :"s","arguments":{"cursor":"x"}}}"#;
        let message = message::parse(body.as_bytes()).expect("a message");
        let mut text = body.to_owned();
        let held = held(body, Method::ToolsCall, Some("a"), &message.params);
        let seen: Vec<_> = held.iter().map(|held| held.sealed.as_str()).collect();
        assert_eq!(seen, ["s", "c1"]);
        for held in held {
            text = splice(&text, held.at, "{\"own\":1}");
        }
        let expected = body
            .replace(r#""c\u0031""#, r#"{"own":1}"#)
            .replace(r#""s""#, r#"{"own":1}"#);
        assert_eq!(text, expected);
    }

    #[test]
    fn t24_an_empty_handle_is_nobodys() {
        let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"cursor":"","requestState":null}}"#;
        let message = message::parse(body.as_bytes()).expect("a message");
        assert!(held(body, Method::ToolsList, None, &message.params).is_empty());
    }
}
