//! JSON that reads one way only, and paths into it.

use std::{fmt, str::FromStr};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// Most steps of a path.
const MAX_STEPS: usize = 16;

/// Longest path, in bytes.
const MAX_PATH: usize = 512;

/// Reads one JSON object in which no member stands twice, at any depth: what two readers could read
/// differently is not read at all (T3).
///
/// # Errors
/// When it is not such an object.
pub fn object(bytes: &[u8]) -> Result<Map<String, Value>, serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Strict.deserialize(&mut deserializer)?;
    deserializer.end()?;
    match value {
        Value::Object(object) => Ok(object),
        _ => Err(serde_json::Error::custom("not an object")),
    }
}

struct Strict;

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(truth.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(Self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(Self)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom("a member stands twice"));
            }
        }
        Ok(object.into())
    }
}

/// Names a claim: `email`, or `realm_access/roles` for one inside another. A slash in a name is written
/// `~1`, a tilde `~0`, as in a JSON Pointer (RFC 6901 section 3); a leading slash may stand.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClaimPath {
    text: String,
    steps: Vec<String>,
}

/// The text names no claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must name a claim, with `/` before the name of one inside it; `~1` stands for a slash in a name and `~0` for a tilde"
)]
pub struct InvalidPath;

impl ClaimPath {
    /// The path as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands there.
    #[must_use]
    pub fn find<'v>(&self, claims: &'v Map<String, Value>) -> Option<&'v Value> {
        let (first, rest) = self.steps.split_first()?;
        rest.iter().try_fold(claims.get(first)?, |value, step| {
            value.as_object()?.get(step)
        })
    }
}

impl FromStr for ClaimPath {
    type Err = InvalidPath;

    fn from_str(text: &str) -> Result<Self, InvalidPath> {
        let steps = text
            .strip_prefix('/')
            .unwrap_or(text)
            .split('/')
            .map(step)
            .collect::<Option<Vec<_>>>()
            .ok_or(InvalidPath)?;
        if text.len() > MAX_PATH || steps.len() > MAX_STEPS || steps.iter().any(String::is_empty) {
            return Err(InvalidPath);
        }
        Ok(Self {
            text: text.to_owned(),
            steps,
        })
    }
}

/// The name that one step of a path stands for.
fn step(text: &str) -> Option<String> {
    let mut parts = text.split('~');
    let mut name = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.split_at_checked(1)? {
            ("0", rest) => ('~', rest),
            ("1", rest) => ('/', rest),
            _ => return None,
        };
        name.push(escaped);
        name.push_str(rest);
    }
    Some(name)
}

impl fmt::Display for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ClaimPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl Serialize for ClaimPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ClaimPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn t03_a_member_that_stands_twice_is_refused_at_any_depth() {
        assert!(object(br#"{"a":{"b":[{"c":1}]},"d":1.5,"e":-1,"f":null}"#).is_ok());
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"a":[{"b":1,"b":2}]}"#,
            r#"{"a":{"b":{"c":1,"c":1}}}"#,
            "[]",
            "1",
            "{} {}",
            "",
        ] {
            assert!(object(twice.as_bytes()).is_err(), "{twice}");
        }
    }

    #[test]
    fn a_path_reads_like_a_json_pointer() {
        let claims =
            json!({"kubernetes.io/serviceaccount": {"name": "ci"}, "a~b": 1, "email": "x"});
        let claims = claims.as_object().expect("an object");
        let find = |path: &str| {
            path.parse::<ClaimPath>()
                .map(|path| path.find(claims).cloned())
        };
        assert_eq!(find("email"), Ok(Some("x".into())));
        assert_eq!(find("/email"), Ok(Some("x".into())));
        assert_eq!(
            find("kubernetes.io~1serviceaccount/name"),
            Ok(Some("ci".into()))
        );
        assert_eq!(find("a~0b"), Ok(Some(1.into())));
        assert_eq!(find("email/x"), Ok(None));
        assert_eq!(find("nothing"), Ok(None));
        for bad in ["", "/", "a//b", "a/", "a~", "a~2b", &"a/".repeat(20)] {
            assert_eq!(find(bad), Err(InvalidPath), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn t06_a_path_finds_what_it_names_and_nothing_else(name in "[a-z/~.]{1,8}", other in "[a-z/~.]{1,8}") {
            let path: ClaimPath = name.replace('~', "~0").replace('/', "~1").parse().expect("a path");
            let claims = json!({ &other: 1 });
            let found = path.find(claims.as_object().expect("an object")).is_some();
            prop_assert_eq!(found, name == other);
        }

        #[test]
        fn t03_strict_reading_agrees_with_the_library(value in any::<Vec<(String, i64)>>()) {
            let object: Map<String, Value> = value.into_iter().map(|(name, number)| (name, number.into())).collect();
            let text = serde_json::to_vec(&object).expect("JSON");
            prop_assert_eq!(super::object(&text).expect("an object"), object);
        }
    }
}
