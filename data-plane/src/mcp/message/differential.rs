//! Whatever is accepted here, others read the same way (T12–T18): the parsers that servers are made with get the same bytes.

use std::{collections::BTreeMap, process::Command};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{files::tests_folder, process::run, upstream::python};
use rmcp::model::ClientJsonRpcMessage;
use serde_json::Value;

use super::{Kind, Message, parse};
use crate::mcp::method::Method;

/// How many messages are made up.
const CASES: usize = 12_000;

/// What decides about a message, by the name of the member.
type Reading = BTreeMap<&'static str, Value>;

/// What Warder reads.
fn own(message: &Message<'_>) -> Reading {
    let text = |text: Option<&str>| text.map(Value::from);
    let raw = |text: Option<&str>| text.map(|text| serde_json::from_str(text).expect("JSON"));
    let (id, method) = match &message.kind {
        Kind::Request { id, method } => (Some(*id), Some(method)),
        Kind::Notification { method } => (None, Some(method)),
        // Which request of the server it answers is the server's business.
        Kind::Response => (None, None),
    };
    let method = method.map(|method| match method {
        Ok(method) => method.as_str(),
        Err(name) => name,
    });
    let params = &message.params;
    let members = [
        ("id", raw(id)),
        ("method", text(method)),
        ("name", text(params.name.as_deref())),
        ("uri", text(params.uri.as_deref())),
        ("cursor", raw(params.cursor)),
        ("requestState", raw(params.request_state)),
        ("task", params.task.then_some(Value::Bool(true))),
        ("ref", text(params.reference.as_deref())),
        ("revision", text(params.revision.as_deref())),
    ];
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// What another parser reads, of the tree that it made.
fn theirs(message: &Value) -> Reading {
    let params = &message["params"];
    let string = |value: &Value| value.is_string().then(|| value.clone());
    let any = |value: Option<&Value>| value.cloned();
    let handle = |name| any(params.get(name).filter(|value| !value.is_null()));
    let method = message.get("method");
    let members = [
        ("id", method.and_then(|_| any(message.get("id")))),
        ("method", any(method)),
        ("name", any(params.get("name"))),
        ("uri", any(params.get("uri"))),
        ("cursor", handle("cursor")),
        ("requestState", handle("requestState")),
        ("task", params.get("task").map(|_| Value::Bool(true))),
        ("ref", string(&params["ref"]["type"])),
        (
            "revision",
            string(&params["_meta"]["io.modelcontextprotocol/protocolVersion"]),
        ),
    ];
    members
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
}

/// What a typed reader may leave out, since its types have no such member; it reads it nowhere then.
fn agree(own: &Reading, theirs: &Reading, typed: bool) -> bool {
    let says_more = theirs
        .iter()
        .any(|(name, value)| own.get(name) != Some(value));
    let names = ["tools/call", "prompts/get"].contains(
        &own.get("method")
            .and_then(Value::as_str)
            .unwrap_or_default(),
    );
    let must = |name: &str| !typed || matches!(name, "id" | "method") || (names && name == "name");
    let says_less = own
        .keys()
        .any(|name| must(name) && !theirs.contains_key(name));
    !says_more && !says_less
}

/// Numbers that are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % sides as u64).expect("few sides")
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.roll(of.len())]
    }
}

const STRINGS: &[&str] = &[
    r#""""#,
    r#""echo""#,
    r#""ec\u0068o""#,
    r#""tools\/call""#,
    r#""tools/call""#,
    r#""Tools/Call""#,
    r#""tools/call\u0000""#,
    r#""\u0000""#,
    r#""é""#,
    r#""e\u0301""#,
    r#""\ud83d\ude00""#,
    r#""\ud800""#,
    r#""\udc00\ud800""#,
    r#""a\nb""#,
    "\"a\u{2028}b\"",
    "\"\u{feff}a\"",
    "\"a\u{7f}\"",
    "\"\u{1}\"",
    r#""\x41""#,
    r#""\u00zz""#,
    r#"'a'"#,
    r#""7""#,
    r#""2.0""#,
    r#""2026-07-28""#,
    r#""ref/prompt""#,
    r#""ref/resource""#,
    "\"\u{10ffff}\"",
    r#""file:///a""#,
    r#""%65cho""#,
    r#"" echo ""#,
    "\"ſ\"",
];

const OTHERS: &[&str] = &[
    "0",
    "1",
    "-1",
    "-0",
    "00",
    "01",
    "+1",
    "1.",
    ".5",
    "1.0",
    "1e0",
    "1E2",
    "1e-2",
    "-0.0",
    "1e400",
    "-1e400",
    "9007199254740991",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "123456789012345678901234567890",
    "0.1000000000000000055511151231257827",
    "2147483648",
    "4294967296",
    "null",
    "true",
    "false",
    "True",
    "NaN",
    "Infinity",
    "-Infinity",
    "undefined",
    "0x10",
    "1_000",
    "{}",
    "[]",
    "[null]",
    "{\"a\":{}}",
    "{\"name\":\"evil\"}",
    "{\"method\":\"ping\",\"name\":\"evil\"}",
    "/**/1",
    "",
];

const KEYS: &[&str] = &[
    "jsonrpc",
    "id",
    "method",
    "params",
    "result",
    "error",
    "name",
    "uri",
    "cursor",
    "requestState",
    "task",
    "ref",
    "_meta",
    "arguments",
    "type",
    "__proto__",
    "constructor",
    "prototype",
    "toString",
    "hasOwnProperty",
    "Method",
    "METHOD",
    "Params",
    "paramſ",
    "Name",
    "ｎame",
    "naｍe",
    "n\u{e5}me",
    "id ",
    " id",
    "",
    "meta",
    "request_state",
    "_name",
    "uri_",
    "requeststate",
    "model_config",
    "progressToken",
    "io.modelcontextprotocol/protocolVersion",
    "io.modelcontextprotocol/clientCapabilities",
    r"m\u0065thod",
    r"n\u0061me",
    r"name\u0000",
    r"\ud800",
    r"params\u200b",
    "__class__",
    "self",
    "args",
];

impl Dice {
    /// Any value, often a strange one.
    fn value(&mut self, depth: usize) -> String {
        match self.roll(12) {
            0 | 1 if depth < 4 => {
                let members: Vec<_> = (0..self.roll(4)).map(|_| self.member(depth + 1)).collect();
                format!("{{{}}}", members.join(","))
            }
            2 if depth < 4 => {
                let items: Vec<_> = (0..self.roll(4)).map(|_| self.value(depth + 1)).collect();
                format!("[{}]", items.join(","))
            }
            3 if self.roll(20) == 0 => {
                let deep = 55 + self.roll(14);
                format!("{}{}", "[".repeat(deep), "]".repeat(deep))
            }
            4..=7 => self.pick(STRINGS).to_owned(),
            _ => self.pick(OTHERS).to_owned(),
        }
    }

    fn member(&mut self, depth: usize) -> String {
        format!("\"{}\":{}", self.pick(KEYS), self.value(depth))
    }

    /// A message that is right, as its members.
    fn message(&mut self) -> (Vec<String>, Vec<String>) {
        let methods = Method::ALL;
        let method = methods[self.roll(methods.len())].as_str();
        let mut envelope = vec![
            r#""jsonrpc":"2.0""#.to_owned(),
            format!("\"method\":\"{method}\""),
        ];
        if !method.starts_with("notifications/") {
            envelope.push(format!(
                "\"id\":{}",
                ["1", "0", "\"a\"", "\"listen:0\"", "-7", "9007199254740991"][self.roll(6)]
            ));
        }
        let params = match method {
            "tools/call" => r#""name":"echo"|"arguments":{"a":[1,2.5,{"b":null}],"name":"x"}"#,
            "prompts/get" => r#""name":"greet""#,
            "resources/read" | "resources/subscribe" | "resources/unsubscribe" => {
                r#""uri":"file:///a""#
            }
            "completion/complete" => {
                r#""ref":{"type":"ref/prompt","name":"greet"}|"argument":{"name":"a","value":"b"}"#
            }
            "initialize" => {
                r#""protocolVersion":"2025-11-25"|"capabilities":{}|"clientInfo":{"name":"a","version":"1"}"#
            }
            "logging/setLevel" => r#""level":"info""#,
            "notifications/cancelled" => r#""requestId":1"#,
            "notifications/progress" => r#""progressToken":1|"progress":0.5"#,
            "subscriptions/listen" => r#""notifications":{"toolsListChanged":true}"#,
            list if list.ends_with("list") => r#""cursor":"page-2""#,
            _ => r#""_meta":{"x":1}"#,
        };
        (envelope, params.split('|').map(str::to_owned).collect())
    }

    /// Makes an object of members, having done something to them.
    fn object(&mut self, mut members: Vec<String>, harm: usize) -> String {
        for _ in 0..harm {
            let at = self.roll(members.len() + 1).min(members.len());
            let other = at.min(members.len().saturating_sub(1));
            match self.roll(7) {
                0 | 1 => members.insert(at, self.member(1)),
                2 if !members.is_empty() => {
                    let key = members[other].split(':').next().unwrap_or_default();
                    let twin = format!("{key}:{}", self.pick(STRINGS));
                    members.insert(at, twin);
                }
                3 if !members.is_empty() => drop(members.remove(other)),
                4 if !members.is_empty() => members.swap(other, 0),
                5 if !members.is_empty() => {
                    let key = members[other]
                        .split(':')
                        .next()
                        .unwrap_or_default()
                        .to_owned();
                    members[other] = format!("{key}:{}", self.value(1));
                }
                6 if !members.is_empty() => {
                    members[other] = self.respelled(&members[other].clone())
                }
                _ => {}
            }
        }
        let spaces = ["", " ", "\n", "\r\n\t", "\u{a0}", "\u{b}"];
        let space = spaces[self.roll(30).saturating_sub(24)];
        format!("{{{space}{}{space}}}", members.join(&format!(",{space}")))
    }

    /// A member with one letter of its name escaped, or in the other case.
    fn respelled(&mut self, member: &str) -> String {
        let at = 1 + self.roll(3);
        let Some(letter) = member
            .as_bytes()
            .get(at)
            .filter(|byte| byte.is_ascii_lowercase())
        else {
            return member.to_owned();
        };
        let spelled = match self.roll(3) {
            0 => char::from(letter.to_ascii_uppercase()).to_string(),
            1 => format!("\\u{letter:04X}"),
            _ => format!("\\u{letter:04x}"),
        };
        format!("{}{spelled}{}", &member[..at], &member[at + 1..])
    }

    /// One body.
    fn body(&mut self) -> Vec<u8> {
        let (mut envelope, params) = self.message();
        let (outer, inner) = (
            [0, 0, 0, 0, 1, 1, 2][self.roll(7)],
            [0, 1, 1, 1, 2, 3][self.roll(6)],
        );
        let params = self.object(params, inner);
        let place = self.roll(envelope.len() + 1);
        envelope.insert(place, format!("\"params\":{params}"));
        let text = self.object(envelope, outer);
        let mut bytes = match self.roll(40) {
            0 => format!("\u{feff}{text}"),
            1 => format!("[{text}]"),
            2 => format!("{text}{text}"),
            3 => format!("{text},"),
            4 => format!(" \r\n\t{text} "),
            5 => format!("{text}\0"),
            6 => format!("{text}//"),
            _ => text,
        }
        .into_bytes();
        if self.roll(10) == 0 {
            let with = b"\"\\{}[]:, \0\xff\x80u1e-";
            let (at, with) = (self.roll(bytes.len()), with[self.roll(with.len())]);
            match self.roll(3) {
                0 => bytes[at] = with,
                1 => bytes.insert(at, with),
                _ => drop(bytes.remove(at)),
            }
        }
        bytes
    }
}

/// Bodies that once were, or easily could be, read in two ways; the first ones are accepted.
const KEPT: &[&str] = &[
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"name":"other"}}}"#,
    r#"{"jsonrpc":"2.0","id":9007199254740991,"method":"tools\/call","params":{"n\u0061me":"ec\u0068o"}}"#,
    r#"{"jsonrpc":"2.0","id":"\ud83d\ude00","method":"tools/list","params":{"cursor":"\u0000"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"__proto__":{"name":"evil"}}}}"#,
    r#"{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":-0,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","request_state":"evil"}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
    r#"{"jsonrpc":"2.0","id":"\ud800","method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"__proto__":{"uri":"file:///evil"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","__proto__":{"params":{"name":"evil"}}}"#,
    r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":null}"#,
    r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
];

async fn readings(
    name: &str,
    mut command: Command,
    script: &str,
    bodies: &[Vec<u8>],
) -> Vec<[Option<Value>; 2]> {
    command.arg(tests_folder().join(script));
    let input: String = bodies
        .iter()
        .map(|body| STANDARD.encode(body) + "\n")
        .collect();
    let (status, output, errors) = run(name, command, Some(&input)).await;
    assert!(status.success(), "{name}: {errors}");
    let read: Vec<[Option<Value>; 2]> = output
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of two readings"))
        .collect();
    assert_eq!(read.len(), bodies.len(), "{name}");
    read
}

#[tokio::test]
async fn t13_what_is_accepted_is_read_alike_by_the_parsers_of_servers() {
    let mut dice = Dice(0x0077_6172_6465_7220);
    let kept = KEPT.iter().map(|body| body.as_bytes().to_vec());
    let bodies: Vec<_> = kept.chain((0..CASES).map(|_| dice.body())).collect();
    let accepted: Vec<_> = bodies
        .into_iter()
        .filter(|body| parse(body).is_ok())
        .collect();
    assert!(
        accepted.len() > CASES / 5,
        "only {} of {CASES} are accepted",
        accepted.len()
    );
    assert!(
        accepted.len() < CASES * 4 / 5,
        "{} of {CASES}: not hostile",
        accepted.len()
    );

    let (by_python, by_node) = tokio::join!(
        readings(
            "Python reader",
            Command::new(python()),
            "python/readers/messages.py",
            &accepted
        ),
        readings(
            "Node reader",
            Command::new("node"),
            "node/readers/messages.mjs",
            &accepted
        ),
    );
    let mut taken = BTreeMap::<&str, usize>::new();
    let mut different = Vec::new();
    for ((body, python), node) in accepted.iter().zip(by_python).zip(by_node) {
        let own = own(&parse(body).expect("accepted"));
        let rust: Option<ClientJsonRpcMessage> = serde_json::from_slice(body).ok();
        let rust = rust.map(|message| serde_json::json!({"message": message}));
        let [python, python_sdk] = python;
        let [node, node_sdk] = node;
        for (reader, read, typed) in [
            ("Python", python, false),
            ("Python SDK", python_sdk, true),
            ("Node", node, false),
            ("TypeScript SDK", node_sdk, true),
            ("Rust SDK", rust, true),
        ] {
            let Some(read) = read else { continue };
            *taken.entry(reader).or_default() += 1;
            let theirs = theirs(&read["message"]);
            if !agree(&own, &theirs, typed) {
                let body = String::from_utf8_lossy(body);
                different.push(format!(
                    "{reader}: {theirs:?}\n    not {own:?}\n    in {body}"
                ));
            }
        }
    }
    assert!(
        different.is_empty(),
        "{} differ:\n{}",
        different.len(),
        different[..different.len().min(40)].join("\n")
    );
    for (reader, least) in [
        ("Python", accepted.len()),
        ("Node", accepted.len()),
        ("Python SDK", accepted.len() / 2),
        ("TypeScript SDK", accepted.len() / 2),
        ("Rust SDK", accepted.len() / 4),
    ] {
        assert!(
            taken[reader] >= least,
            "{reader} took only {taken:?} of {}",
            accepted.len()
        );
    }
}

#[test]
fn t13_another_reading_is_noticed() {
    let message = |body: &str| serde_json::from_str::<Value>(body).expect("JSON");
    let own = own(&parse(KEPT[0].as_bytes()).expect("accepted"));
    assert!(agree(&own, &theirs(&message(KEPT[0])), true));
    for (from, to) in [
        ("\"echo\"", "\"other\""),
        ("\"id\":1", "\"id\":\"1\""),
        ("tools/call", "prompts/get"),
        ("\"name\":\"echo\"", "\"uri\":\"echo\""),
    ] {
        assert!(
            !agree(
                &own,
                &theirs(&message(&KEPT[0].replacen(from, to, 1))),
                true
            ),
            "{to}"
        );
    }
}
