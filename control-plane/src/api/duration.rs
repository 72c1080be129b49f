//! Durations in requests: seconds as a number, or a text with its unit.

use std::{fmt, time::Duration};

use serde::{Deserialize, Deserializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Object, OneOfBuilder, RefOr, Schema, Type},
};

/// A duration such as `3600`, `"90s"` or `"30d"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SpanVisitor)
    }
}

struct SpanVisitor;

impl de::Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a duration: seconds as a whole number, or a text like \"30m\", \"24h\" or \"30d\"",
        )
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Span, E> {
        Ok(Span(Duration::from_secs(seconds)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Span, E> {
        warder_shared::config::duration(text)
            .map(Span)
            .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

impl PartialSchema for Span {
    fn schema() -> RefOr<Schema> {
        let seconds = Object::builder()
            .schema_type(Type::Integer)
            .minimum(Some(0))
            .description(Some("seconds"));
        let text = Object::builder()
            .schema_type(Type::String)
            .description(Some("with its unit: `30m`, `24h`, `30d`"));
        OneOfBuilder::new().item(seconds).item(text).into()
    }
}

impl ToSchema for Span {
    fn name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_seconds_or_a_text_with_a_unit() {
        let read = |text: &str| {
            serde_json::from_str::<Span>(text)
                .ok()
                .map(|span| span.0.as_secs())
        };
        assert_eq!(read("90"), Some(90));
        assert_eq!(read("\"2m\""), Some(120));
        assert_eq!(read("\"30d\""), Some(30 * 86_400));
        for bad in [
            "-1", "1.5", "\"\"", "\"90\"", "\"soon\"", "null", "true", "[1]",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
