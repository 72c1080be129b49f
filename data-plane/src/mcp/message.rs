//! One message of a client, read strictly: what it is, and what decides about it.
//!
//! Nothing is made anew from what is read here; the body itself goes on.

use std::{borrow::Cow, fmt};

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;
use unicode_normalization::UnicodeNormalization as _;

use super::{
    method::{Form, Method, NamedBy},
    strict::{Members, Text, Walk},
};

/// A client's message.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    /// What kind it is.
    pub(crate) kind: Kind<'a>,
    /// What its `params` say that decides something.
    pub(crate) params: Params<'a>,
}

impl<'a> Message<'a> {
    /// JSON text of a request's id.
    pub(crate) fn id(&self) -> Option<&'a str> {
        match self.kind {
            Kind::Request { id, .. } => Some(id),
            Kind::Notification { .. } | Kind::Response => None,
        }
    }

    /// What it asks for or tells of, or a name that nobody knows; nothing for a response.
    pub(crate) fn method(&self) -> Option<Result<Method, &str>> {
        match &self.kind {
            Kind::Request { method, .. } | Kind::Notification { method } => {
                Some(method.as_ref().copied().map_err(|name| name.as_ref()))
            }
            Kind::Response => None,
        }
    }
}

/// The kinds of JSON-RPC messages.
#[derive(Debug)]
pub(crate) enum Kind<'a> {
    /// Asks for an answer.
    Request {
        /// JSON text of the id: a string or an integer.
        id: &'a str,
        /// What for; an unknown name where this is an error.
        method: Result<Method, Cow<'a, str>>,
    },
    /// Asks for none.
    Notification {
        /// What about.
        method: Result<Method, Cow<'a, str>>,
    },
    /// Answers a request of the server.
    Response,
}

/// The members of `params` that decide something.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    /// Tool or prompt.
    pub(crate) name: Option<Cow<'a, str>>,
    /// Resource.
    pub(crate) uri: Option<Cow<'a, str>>,
    /// JSON text, a string, of the place in a list that an earlier page ended at.
    pub(crate) cursor: Option<&'a str>,
    /// JSON text, a string, of what the server wants to see again (2026-07-28, multi round-trip requests).
    pub(crate) request_state: Option<&'a str>,
    /// Whether a call is to run as a task.
    pub(crate) task: bool,
    /// `ref.type` of a completion.
    pub(crate) reference: Option<Cow<'a, str>>,
    /// `_meta["io.modelcontextprotocol/protocolVersion"]`: the request is a modern one.
    pub(crate) revision: Option<Cow<'a, str>>,
    /// Whether `_meta["io.modelcontextprotocol/clientCapabilities"]` is there, as an object.
    pub(crate) capabilities: bool,
}

impl Params<'_> {
    /// The member that names what the request is about.
    pub(crate) fn named(&self, by: NamedBy) -> Option<&str> {
        match by {
            NamedBy::Name => self.name.as_deref(),
            NamedBy::Uri => self.uri.as_deref(),
        }
    }
}

/// Why a body is not a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// Not JSON text in UTF-8.
    #[error("the body is not JSON")]
    NotJson,
    /// JSON, but not one strict JSON-RPC 2.0 message.
    #[error(
        "the body must be one JSON-RPC 2.0 message: no batch, no member twice or in another spelling, nested at most 64 deep, a string or safe integer as id where the method asks for an answer"
    )]
    NotAMessage,
}

impl Malformed {
    /// The JSON-RPC error code.
    pub(crate) const fn code(self) -> i32 {
        match self {
            Self::NotJson => -32700,
            Self::NotAMessage => -32600,
        }
    }
}

/// Reads a body.
///
/// # Errors
/// [`Malformed`]; the body is not to be forwarded then.
pub(crate) fn parse(body: &[u8]) -> Result<Message<'_>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed::NotJson)?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let judge = |error: serde_json::Error| {
        if error.is_data() {
            Malformed::NotAMessage
        } else {
            Malformed::NotJson
        }
    };
    let envelope = EnvelopeSeed.deserialize(&mut deserializer).map_err(judge)?;
    deserializer.end().map_err(judge)?;
    envelope.classify().ok_or(Malformed::NotAMessage)
}

#[derive(Default)]
struct Envelope<'a> {
    version: bool,
    id: Option<&'a str>,
    method: Option<Cow<'a, str>>,
    params: Option<Params<'a>>,
    answers: u8,
}

impl<'a> Envelope<'a> {
    fn classify(self) -> Option<Message<'a>> {
        if !self.version {
            return None;
        }
        let params = self.params;
        let kind = match (self.method, self.id, self.answers) {
            (Some(name), id, 0) => {
                let method = Method::parse(&name).ok_or(name);
                match (id, method.as_ref().map(|method| method.form())) {
                    (Some(id), Ok(Form::Request) | Err(_)) => Kind::Request { id, method },
                    (None, Ok(Form::Notification) | Err(_)) => Kind::Notification { method },
                    _ => return None,
                }
            }
            (None, Some(_), 1) if params.is_none() => Kind::Response,
            _ => return None,
        };
        Some(Message {
            kind,
            params: params.unwrap_or_default(),
        })
    }
}

const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

/// Every member of `params` that some revision gives a meaning to.
const PARAMS: [&str; 30] = [
    "_meta",
    "name",
    "arguments",
    "uri",
    "cursor",
    "ref",
    "argument",
    "context",
    "level",
    "protocolVersion",
    "capabilities",
    "clientInfo",
    "requestId",
    "reason",
    "progressToken",
    "progress",
    "total",
    "message",
    "taskId",
    "task",
    "status",
    "ttl",
    "inputResponses",
    "requestState",
    "toolsListChanged",
    "promptsListChanged",
    "resourcesListChanged",
    "resourceSubscriptions",
    "notifications",
    "taskIds",
];

const REFERENCE: [&str; 3] = ["type", "name", "uri"];

const META_REVISION: &str = "io.modelcontextprotocol/protocolVersion";

const META_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

const META: [&str; 5] = [
    META_REVISION,
    META_CAPABILITIES,
    "io.modelcontextprotocol/clientInfo",
    "io.modelcontextprotocol/logLevel",
    "progressToken",
];

/// Whether a parser that folds case or compatibility forms, or that also takes the words of a name joined by underscores
/// (the Python SDK's models do), would take `name` for one of `known` (T14).
fn is_twin(name: &str, known: &[&str]) -> bool {
    if known.contains(&name) {
        return false;
    }
    if name.is_ascii() {
        return known.iter().any(|known| folded(known).eq(folded(name)));
    }
    let name: String = name.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    known.iter().any(|known| folded(known).eq(folded(&name)))
}

fn folded(name: &str) -> impl Iterator<Item = char> {
    let words = name.chars().filter(|&character| character != '_');
    words.map(|character| character.to_ascii_lowercase())
}

/// Notes a member name and refuses a second or a folded one.
fn note<'de, E: serde::de::Error>(
    seen: &mut Members<'de>,
    key: Cow<'de, str>,
    known: &[&str],
) -> Result<(), E> {
    if is_twin(&key, known) {
        return Err(E::custom(
            "a member differs from a known one only in its spelling",
        ));
    }
    seen.insert(key)
}

struct EnvelopeSeed;

impl<'de> DeserializeSeed<'de> for EnvelopeSeed {
    type Value = Envelope<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON-RPC message")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        // Read to its end, so that broken JSON is told from a batch.
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Err(A::Error::custom("a batch"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        let mut seen = Members::default();
        while let Some(key) = members.next_key_seed(Text)? {
            note(&mut seen, key.clone(), &ENVELOPE)?;
            match key.as_ref() {
                "jsonrpc" => envelope.version = members.next_value_seed(Text)? == "2.0",
                "id" => envelope.id = Some(id(members.next_value::<&RawValue>()?.get())?),
                "method" => envelope.method = Some(members.next_value_seed(Text)?),
                "params" => envelope.params = Some(members.next_value_seed(ParamsSeed)?),
                "result" | "error" => {
                    envelope.answers += 1;
                    members.next_value_seed(Walk::at(1))?;
                }
                _ => {
                    members.next_value_seed(Walk::at(1))?;
                }
            }
        }
        Ok(envelope)
    }
}

/// Largest integer that every reader keeps as it is, those too that make a double of each number (RFC 8259 section 6).
const MAX_SAFE: u64 = (1 << 53) - 1;

/// A string or an integer; MCP forbids null, JSON-RPC discourages fractions. There is no minus zero: some readers lose
/// its sign, others its type.
fn id<E: serde::de::Error>(text: &str) -> Result<&str, E> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let safe = digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse().is_ok_and(|number: u64| number <= MAX_SAFE)
        && text != "-0";
    // Escapes that are no characters are told by reading them.
    let string = || text.len() <= 1024 && matches!(text_or_none::<E>(text), Ok(Some(_)));
    if safe || string() {
        Ok(text)
    } else {
        Err(E::custom("not an id"))
    }
}

/// A handle that the server gave: a string, or nothing. There are readers that lose digits of numbers.
fn handle<E: serde::de::Error>(value: &RawValue) -> Result<Option<&str>, E> {
    match text_or_none::<E>(value.get())? {
        Some(_) => Ok(Some(value.get())),
        None if value.get() == "null" => Ok(None),
        None => Err(E::custom("not a handle")),
    }
}

struct ParamsSeed;

impl<'de> DeserializeSeed<'de> for ParamsSeed {
    type Value = Params<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ParamsSeed {
    type Value = Params<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("params as an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut params = Params::default();
        let mut seen = Members::default();
        while let Some(key) = members.next_key_seed(Text)? {
            note(&mut seen, key.clone(), &PARAMS)?;
            match key.as_ref() {
                "name" => params.name = Some(members.next_value_seed(Text)?),
                "uri" => params.uri = Some(members.next_value_seed(Text)?),
                "cursor" => params.cursor = handle(members.next_value()?)?,
                "requestState" => params.request_state = handle(members.next_value()?)?,
                "task" => {
                    params.task = true;
                    members.next_value_seed(Walk::at(2))?;
                }
                "ref" => {
                    (params.reference, _) = members.next_value_seed(Parts {
                        text: "type",
                        object: "",
                        known: &REFERENCE,
                    })?
                }
                "_meta" => {
                    (params.revision, params.capabilities) = members.next_value_seed(Parts {
                        text: META_REVISION,
                        object: META_CAPABILITIES,
                        known: &META,
                    })?
                }
                _ => {
                    members.next_value_seed(Walk::at(2))?;
                }
            }
        }
        Ok(params)
    }
}

/// An object of which one member is wanted as text, and of another whether it is an object.
struct Parts {
    text: &'static str,
    object: &'static str,
    known: &'static [&'static str],
}

impl<'de> DeserializeSeed<'de> for Parts {
    type Value = (Option<Cow<'de, str>>, bool);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Parts {
    type Value = (Option<Cow<'de, str>>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut text, mut object) = (None, false);
        let mut seen = Members::default();
        while let Some(key) = members.next_key_seed(Text)? {
            note(&mut seen, key.clone(), self.known)?;
            if key == self.text {
                text = text_or_none(members.next_value::<&RawValue>()?.get())?;
            } else {
                let is_object = members.next_value_seed(Walk::at(3))?;
                object |= is_object && key == self.object;
            }
        }
        Ok((text, object))
    }
}

/// The string that a value is. Anything else says nothing, but has to be strict all the same.
fn text_or_none<'de, E: serde::de::Error>(value: &'de str) -> Result<Option<Cow<'de, str>>, E> {
    let mut deserializer = serde_json::Deserializer::from_str(value);
    if value.starts_with('"') {
        Text.deserialize(&mut deserializer)
            .map(Some)
            .map_err(E::custom)
    } else {
        Walk::at(3)
            .deserialize(&mut deserializer)
            .map(|_| None)
            .map_err(E::custom)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod differential;
