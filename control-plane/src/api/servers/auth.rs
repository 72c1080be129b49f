//! `auth` of a server, as it comes in.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use secrecy::SecretString;
use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::service::{
    Failure, Violation, pointer_step,
    servers::{AuthInput, AuthSchema, HeaderValues},
};

/// What this version does; the others are refused by name.
const SUPPORTED: &str =
    "supported are `none`, `header` (level `shared` or `individual`) and `forwarding`";

/// `auth` of a server: read field by field, because which fields there may be depends on `type`.
#[derive(Debug)]
pub struct AuthRequest {
    kind: String,
    level: Option<String>,
    headers: Option<Headers>,
    unknown: Vec<String>,
}

#[derive(Debug)]
enum Headers {
    Values(HeaderValues),
    Names(Vec<String>),
}

/// Header name → value, or `null` to keep the stored one. Two spellings of one name are refused.
#[derive(Debug, Default)]
pub struct HeaderMapRequest(pub HeaderValues);

impl AuthRequest {
    /// What the caller means.
    ///
    /// # Errors
    /// [`Failure::Unsupported`] for an auth type of a later version, [`Failure::Invalid`] for fields
    /// that do not go together.
    pub fn interpret(self) -> Result<AuthInput, Failure> {
        if !matches!(self.kind.as_str(), "none" | "header" | "forwarding") {
            return Err(match self.kind.as_str() {
                "oauth2" | "passthrough" => {
                    let detail = format!(
                        "`{}` is not supported by this version; {SUPPORTED}",
                        self.kind
                    );
                    Failure::Unsupported(Violation::new("/auth/type", detail))
                }
                _ => Failure::invalid("/auth/type", format!("is not known; {SUPPORTED}")),
            });
        }
        if let Some(field) = self.unknown.first() {
            return Err(Failure::invalid(
                format!("/auth/{}", pointer_step(field)),
                "unknown field",
            ));
        }
        if self.kind != "header" && self.level.is_some() {
            return Err(Failure::invalid(
                "/auth/level",
                "goes with type `header` only",
            ));
        }
        match (self.kind.as_str(), self.level.as_deref(), self.headers) {
            ("none", _, None) => Ok(AuthInput::None),
            ("none", _, Some(_)) => Err(Failure::invalid(
                "/auth/headers",
                "does not go with type `none`",
            )),
            ("header", Some("shared"), Some(Headers::Values(values))) => {
                Ok(AuthInput::SharedHeader(values))
            }
            ("header", Some("individual"), Some(Headers::Values(values))) => individual(values),
            ("header", Some("shared" | "individual"), _) => Err(Failure::invalid(
                "/auth/headers",
                "must be an object: header name → value",
            )),
            ("header", _, _) => Err(Failure::invalid(
                "/auth/level",
                "must be `shared` or `individual`",
            )),
            (_, _, Some(Headers::Values(_))) => Err(Failure::invalid(
                "/auth/headers",
                "must be a list of header names",
            )),
            (_, _, Some(Headers::Names(names))) => Ok(AuthInput::Forwarding(Some(names))),
            (_, _, None) => Ok(AuthInput::Forwarding(None)),
        }
    }
}

fn individual(values: HeaderValues) -> Result<AuthInput, Failure> {
    use secrecy::ExposeSecret as _;
    let mut templates = BTreeMap::new();
    for (name, value) in values {
        let Some(template) = value else {
            let pointer = format!("/auth/headers/{}", pointer_step(&name));
            return Err(Failure::invalid(
                pointer,
                "must be a template such as `Bearer {{API_KEY}}`",
            ));
        };
        templates.insert(name, template.expose_secret().to_owned());
    }
    Ok(AuthInput::IndividualHeader(templates))
}

impl<'de> Deserialize<'de> for AuthRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AuthVisitor)
    }
}

struct AuthVisitor;

impl<'de> de::Visitor<'de> for AuthVisitor {
    type Value = AuthRequest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a `type`")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<AuthRequest, A::Error> {
        let (mut kind, mut level, mut headers, mut unknown) = (None, None, None, Vec::new());
        let mut seen = BTreeSet::new();
        while let Some(field) = map.next_key::<String>()? {
            match field.as_str() {
                "type" => kind = Some(map.next_value()?),
                "level" => level = Some(map.next_value()?),
                "headers" => headers = Some(map.next_value()?),
                _ => {
                    map.next_value::<de::IgnoredAny>()?;
                    unknown.push(field.clone());
                }
            }
            if !seen.insert(field) {
                return Err(de::Error::custom("a field appears twice"));
            }
        }
        let kind = kind.ok_or_else(|| de::Error::missing_field("type"))?;
        Ok(AuthRequest {
            kind,
            level,
            headers,
            unknown,
        })
    }
}

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> de::Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers, or a list of header names")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Headers, A::Error> {
        HeaderMapVisitor
            .visit_map(map)
            .map(|map| Headers::Values(map.0))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
        let mut names = Vec::new();
        while let Some(name) = list.next_element()? {
            names.push(name);
        }
        Ok(Headers::Names(names))
    }
}

impl<'de> Deserialize<'de> for HeaderMapRequest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(HeaderMapVisitor)
    }
}

struct HeaderMapVisitor;

impl<'de> de::Visitor<'de> for HeaderMapVisitor {
    type Value = HeaderMapRequest;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object: header name → value")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<HeaderMapRequest, A::Error> {
        let mut values = HeaderValues::new();
        let mut seen = BTreeSet::new();
        while let Some((name, value)) = map.next_entry::<String, Option<String>>()? {
            if !seen.insert(name.to_ascii_lowercase()) {
                return Err(de::Error::custom("a header appears twice"));
            }
            values.insert(name, value.map(SecretString::from));
        }
        Ok(HeaderMapRequest(values))
    }
}

impl PartialSchema for AuthRequest {
    fn schema() -> RefOr<Schema> {
        AuthSchema::schema()
    }
}

impl ToSchema for AuthRequest {
    fn name() -> Cow<'static, str> {
        AuthSchema::name()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        AuthSchema::schemas(schemas);
    }
}

impl PartialSchema for HeaderMapRequest {
    fn schema() -> RefOr<Schema> {
        BTreeMap::<String, Option<String>>::schema()
    }
}

impl ToSchema for HeaderMapRequest {
    fn name() -> Cow<'static, str> {
        "HeaderValues".into()
    }
}
