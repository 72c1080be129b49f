//! How servers say that they have no such tool, and one way for us to say it (AC-3).
//!
//! A caller must not learn from the wording whether a tool is forbidden or does not exist. The
//! specification asks for −32602; some servers answer with a tool error, each in words of its own.

use serde_json::Value;

/// Longest answer that is looked at: no server says this at length.
pub(crate) const MAX_LENGTH: usize = 4 * 1024;

/// Whether an answer to `tools/call` says that there is no tool of this name.
pub(crate) fn says_so(answer: &str, tool: &str) -> bool {
    // Most answers are no errors and have not failed: those are not parsed.
    let may_say_so = answer.contains("\"error\"") || answer.contains("true");
    if answer.len() > MAX_LENGTH || !may_say_so {
        return false;
    }
    let Ok(answer) = serde_json::from_str::<Value>(answer) else {
        return false;
    };
    if let Some(message) = answer.pointer("/error/message").and_then(Value::as_str) {
        return answer
            .pointer("/error/code")
            .and_then(Value::as_i64)
            .is_some_and(|code| [-32601, -32602].contains(&code))
            && words(message, tool);
    }
    let failed = answer.pointer("/result/isError").and_then(Value::as_bool) == Some(true);
    let content = answer.pointer("/result/content").and_then(Value::as_array);
    match content.map(Vec::as_slice) {
        Some([only]) if failed => only["text"].as_str().is_some_and(|text| words(text, tool)),
        _ => false,
    }
}

fn words(text: &str, tool: &str) -> bool {
    // "MCP error -32602: " and quotation marks around the name leave some room.
    let short = text.len() <= tool.len() + 48;
    let lower = text.to_ascii_lowercase();
    let unknown =
        lower.contains("unknown tool") || (lower.contains("tool") && lower.contains("not found"));
    // The Rust SDK does not repeat the name.
    short && unknown && (text.contains(tool) || lower == "tool not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wordings_of_known_servers_are_recognized() {
        for answer in [
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: nope"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"tool not found"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"Unknown tool: 'nope'"}],"isError":true}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"MCP error -32602: Tool nope not found"}],"isError":true}}"#,
        ] {
            assert!(says_so(answer, "nope"), "{answer}");
        }
    }

    #[test]
    fn other_answers_are_left_alone() {
        for answer in [
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: other"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Invalid arguments for tool nope"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"Unknown tool: nope"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"Unknown tool: nope"}],"isError":false}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"nope: the page on the tool shelf was not found in the library that you named"}],"isError":true}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"ok"},{"type":"text","text":"Unknown tool: nope"}],"isError":true}}"#,
        ] {
            assert!(!says_so(answer, "nope"), "{answer}");
        }
    }
}
