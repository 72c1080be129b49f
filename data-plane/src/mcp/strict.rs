//! JSON that every parser reads alike (T12–T14).
//!
//! What is forwarded is what was received, byte for byte. So a body is accepted only if no parser
//! further on could see in it something else than was authorized here: no member twice at any depth
//! (compared after unescaping), no nesting past [`MAX_DEPTH`], nothing after the value.

use std::{borrow::Cow, collections::HashSet, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Deepest nesting of a message.
pub(crate) const MAX_DEPTH: usize = 64;

/// Walks over any value and refuses what is not strict. Keeps nothing but whether it is an object.
#[derive(Clone, Copy)]
pub(crate) struct Walk {
    depth: usize,
}

impl Walk {
    /// A walk over a value that stands inside `depth` others.
    pub(crate) const fn at(depth: usize) -> Self {
        Self { depth }
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth >= MAX_DEPTH {
            Err(E::custom("nested too deeply"))
        } else {
            Ok(Self {
                depth: self.depth + 1,
            })
        }
    }
}

impl<'de> DeserializeSeed<'de> for Walk {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<bool, A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<bool, A::Error> {
        let inner = self.deeper()?;
        let mut seen = Members::default();
        while let Some(key) = members.next_key_seed(Text)? {
            seen.insert(key)?;
            members.next_value_seed(inner)?;
        }
        Ok(true)
    }
}

/// Reads a string, borrowed where it has no escapes.
pub(crate) struct Text;

impl<'de> DeserializeSeed<'de> for Text {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Text {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The member names of one object.
#[derive(Default)]
pub(crate) struct Members<'de> {
    few: Vec<Cow<'de, str>>,
    many: HashSet<Cow<'de, str>>,
}

/// From here on a hash set is faster than looking through a list, and cannot be made slow.
const FEW: usize = 16;

impl<'de> Members<'de> {
    /// Notes a member.
    pub(crate) fn insert<E: Error>(&mut self, name: Cow<'de, str>) -> Result<(), E> {
        let new = if self.few.len() < FEW {
            let new = !self.few.contains(&name);
            self.few.push(name);
            new
        } else {
            !self.few.contains(&name) && self.many.insert(name)
        };
        if new {
            Ok(())
        } else {
            Err(E::custom("a member occurs twice"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn walk(text: &str) -> Result<(), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        Walk::at(0).deserialize(&mut deserializer).map(drop)?;
        deserializer.end()
    }

    #[test]
    fn t13_a_member_twice_is_refused_at_every_depth_and_in_every_spelling() {
        for bad in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"{"x":{"y":[{"a":1,"b":0,"a":2}]}}"#,
            r#"[[{"a":{},"a":{}}]]"#,
            r#"{"":1,"":2}"#,
            r#"{"é":1,"\u00e9":2}"#,
        ] {
            assert!(walk(bad).is_err(), "{bad}");
        }
        let wide: Vec<String> = (0..100).map(|number| format!("\"k{number}\":0")).collect();
        assert!(walk(&format!("{{{}}}", wide.join(","))).is_ok());
        assert!(walk(&format!("{{{},\"k3\":1}}", wide.join(","))).is_err());
        assert!(walk(&format!("{{{},\"k77\":1}}", wide.join(","))).is_err());
    }

    #[test]
    fn t67_nesting_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(walk(&nested(MAX_DEPTH)).is_ok());
        assert!(walk(&nested(MAX_DEPTH + 1)).is_err());
        assert!(walk(&"[".repeat(1_000_000)).is_err());
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for bad in [
            "",
            " ",
            "{",
            "{}x",
            "{} {}",
            "\u{feff}{}",
            "{'a':1}",
            "[1,]",
            "nul",
            "01",
            "\"\\ud800\"",
            "{\"a\":1e999}",
            "\"\u{1}\"",
        ] {
            assert!(walk(bad).is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn t13_any_object_with_a_member_twice_is_refused(keys in prop::collection::vec("[a-c]{1,2}", 0..24)) {
            let members: Vec<String> = keys.iter().map(|key| format!("\"{key}\":0")).collect();
            let distinct: HashSet<_> = keys.iter().collect();
            prop_assert_eq!(walk(&format!("{{{}}}", members.join(","))).is_ok(), distinct.len() == keys.len());
        }
    }
}
