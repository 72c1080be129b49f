//! What a server sends, as far as the gateway has to know it: whether it is a message, and whose answer
//! it is (T25).

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A message of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FromServer<'a> {
    /// A request or a notification of its own.
    Own,
    /// An answer to the request of this id (JSON text). Only an error may have none.
    Answer(Option<&'a str>),
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    jsonrpc: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

/// Reads one message; `None` for anything else, also for one that is a request and an answer at once.
pub(crate) fn read(text: &str) -> Option<FromServer<'_>> {
    let envelope: Envelope<'_> = serde_json::from_str(text).ok()?;
    let id = envelope.id.map(RawValue::get);
    match (envelope.method, envelope.result, envelope.error) {
        _ if envelope.jsonrpc != "2.0" => None,
        (Some(_), None, None) => Some(FromServer::Own),
        (None, Some(_), None) if id.is_some() => Some(FromServer::Answer(id)),
        (None, None, Some(_)) => Some(FromServer::Answer(id)),
        _ => None,
    }
}

/// Whether an answer is one to the request of this id: the same value of the same type, however spelled.
pub(crate) fn answers(answer: FromServer<'_>, id: &str) -> bool {
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    match answer {
        FromServer::Own => false,
        FromServer::Answer(None) => true,
        FromServer::Answer(Some(own)) => {
            own == id || value(own).is_some_and(|own| Some(own) == value(id))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t25_an_answer_is_told_by_its_id() {
        let answers = |text: &str, id: &str| read(text).is_some_and(|message| answers(message, id));
        assert!(answers(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#, "1"));
        assert!(answers(
            r#"{"jsonrpc":"2.0","id":"\u0061","result":{}}"#,
            "\"a\""
        ));
        assert!(answers(
            r#"{"jsonrpc":"2.0","error":{"code":1,"message":""}}"#,
            "1"
        ));
        for other in [
            r#"{"jsonrpc":"2.0","id":2,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
            r#"{"jsonrpc":"2.0","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
        ] {
            assert!(!answers(other, "1"), "{other}");
        }
    }

    #[test]
    fn r17_what_is_no_message_is_told_from_one() {
        for bad in [
            "",
            "<script>",
            "[]",
            "{}",
            "null",
            r#"{"id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}x"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{"tools":[]}}"#,
            r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(
            read(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#),
            Some(FromServer::Own)
        );
    }
}
