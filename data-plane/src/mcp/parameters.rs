//! Arguments of tools that requests repeat in headers (2026-07-28, `x-mcp-header` and `Mcp-Param-…`; T17).
//!
//! Which ones do, the server's list of tools says. A pod learns it from the lists that pass through it.

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use foldhash::fast::RandomState;
use http::HeaderMap;
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::Value;
use warder_shared::{id::ServerId, snapshot::Server};

use super::mirror::{self, Mismatch, PARAM_PREFIX};

/// Most servers, in a revision each, whose tools are known.
const MAX_SERVERS: u64 = 1_000;

/// Most tools of one server that are known to repeat arguments.
const MAX_TOOLS: usize = 1_000;

/// Most arguments that one tool repeats, and how deep they may stand.
const MAX_PARAMETERS: usize = 64;
const MAX_DEPTH: usize = 16;

const ANNOTATION: &str = "x-mcp-header";

/// What is known of the tools of every server.
pub(crate) struct Parameters {
    servers: Cache<(ServerId, u64), Tools, RandomState>,
    /// Whether anything is: few servers annotate anything.
    any: AtomicBool,
}

type Tools = Arc<RwLock<HashMap<String, Arc<[Parameter]>>>>;

/// An argument that a header repeats.
#[derive(Debug, PartialEq, Eq)]
struct Parameter {
    /// The header, in lower case.
    header: String,
    /// Names of properties, from the arguments inwards.
    path: Vec<String>,
}

impl Parameters {
    /// Nothing is known.
    pub(crate) fn new() -> Self {
        Self {
            servers: Cache::builder()
                .max_capacity(MAX_SERVERS)
                .build_with_hasher(RandomState::default()),
            any: AtomicBool::new(false),
        }
    }

    /// Takes note of a tool, as the server's list describes it.
    pub(crate) fn learn(&self, server: &Server, tool: &str, description: &str) {
        let key = (server.id, server.revision);
        let annotated = description.contains(ANNOTATION);
        if !annotated && !self.any.load(Ordering::Relaxed) {
            return;
        }
        let parameters = if annotated {
            read(description)
        } else {
            Vec::new()
        };
        if parameters.is_empty() {
            if let Some(tools) = self.servers.get(&key) {
                let mut tools = tools.write().unwrap_or_else(PoisonError::into_inner);
                tools.remove(tool);
            }
            return;
        }
        self.any.store(true, Ordering::Relaxed);
        let tools = self.servers.get_with(key, Tools::default);
        let mut tools = tools.write().unwrap_or_else(PoisonError::into_inner);
        if tools.len() < MAX_TOOLS || tools.contains_key(tool) {
            tools.insert(tool.to_owned(), parameters.into());
        }
    }

    /// Compares the headers of a call with its arguments, if its tool is known to repeat any. Headers that it is not
    /// known to repeat say nothing.
    ///
    /// # Errors
    /// [`Mismatch::Header`]; a header may be missing in the legacy era only.
    pub(crate) fn check(
        &self,
        server: &Server,
        tool: &str,
        call: &Repeated<'_>,
    ) -> Result<(), Mismatch> {
        if !self.any.load(Ordering::Relaxed) {
            return Ok(());
        }
        let Some(tools) = self.servers.get(&(server.id, server.revision)) else {
            return Ok(());
        };
        let known = {
            let tools = tools.read().unwrap_or_else(PoisonError::into_inner);
            tools.get(tool).cloned()
        };
        known.map_or(Ok(()), |parameters| compare(&parameters, call))
    }
}

/// A call that may repeat some of its arguments.
pub(crate) struct Repeated<'a> {
    /// Its headers.
    pub(crate) headers: &'a HeaderMap,
    /// Its body, which was read strictly before.
    pub(crate) body: &'a [u8],
    /// Whether headers may not be missing.
    pub(crate) modern: bool,
}

fn compare(parameters: &[Parameter], call: &Repeated<'_>) -> Result<(), Mismatch> {
    #[derive(Deserialize)]
    struct Body {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        #[serde(default)]
        arguments: Value,
    }
    let differs = || Mismatch::Header("Mcp-Param");
    let Body { params } = serde_json::from_slice(call.body).map_err(|_| differs())?;
    for parameter in parameters {
        let value = parameter
            .path
            .iter()
            .try_fold(&params.arguments, |value, name| value.get(name))
            .filter(|value| !value.is_null());
        let agrees = match (mirror::single(call.headers, &parameter.header)?, value) {
            (None, None) => true,
            (None, Some(_)) => !call.modern,
            (Some(_), None) => false,
            (Some(header), Some(value)) => {
                mirror::decode(header).is_some_and(|header| says(&header, value))
            }
        };
        if !agrees {
            return Err(differs());
        }
    }
    Ok(())
}

/// Whether a header says this value: a string as it is, an integer as a number, a boolean by its name.
fn says(header: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => header == text,
        Value::Bool(flag) => header == if *flag { "true" } else { "false" },
        Value::Number(number) => {
            let integer = number.as_i64().map(i128::from);
            let integer = integer.or_else(|| number.as_u64().map(i128::from));
            let digits = header.strip_prefix('-').unwrap_or(header);
            let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
            let said = header.parse::<i128>().ok().filter(|_| is_decimal);
            match integer {
                Some(integer) => said == Some(integer),
                // An integer all the same, as JSON Schema has it: 2.0.
                None => {
                    said.is_some_and(|said| number.as_f64().is_some_and(|own| is_same(own, said)))
                }
            }
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

fn is_same(float: f64, integer: i128) -> bool {
    // As text: no conversion that rounds.
    format!("{float:.0}") == integer.to_string() && float.fract() == 0.0
}

/// The arguments that a tool repeats. None at all if one annotation is not valid: clients leave such a tool out.
fn read(description: &str) -> Vec<Parameter> {
    #[derive(Deserialize)]
    struct Tool {
        #[serde(rename = "inputSchema", default)]
        schema: Value,
    }
    let mut parameters = Vec::new();
    let valid = serde_json::from_str(description)
        .is_ok_and(|Tool { schema }| collect(&schema, &mut Vec::new(), &mut parameters));
    if !valid {
        parameters.clear();
    }
    parameters
}

fn collect(schema: &Value, path: &mut Vec<String>, parameters: &mut Vec<Parameter>) -> bool {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().all(|(name, property)| {
        path.push(name.clone());
        let valid = path.len() <= MAX_DEPTH
            && annotation(property, path, parameters)
            && collect(property, path, parameters);
        path.pop();
        valid
    })
}

/// Whether the property has no annotation, or a valid one.
fn annotation(property: &Value, path: &[String], parameters: &mut Vec<Parameter>) -> bool {
    let Some(header) = property.get(ANNOTATION) else {
        return true;
    };
    let simple = ["string", "integer", "boolean"];
    let kind = property.get("type").and_then(Value::as_str);
    let header = header.as_str().map(str::to_ascii_lowercase);
    let header = header
        .filter(|header| !header.is_empty() && kind.is_some_and(|kind| simple.contains(&kind)));
    let Some(header) = header.map(|header| format!("{PARAM_PREFIX}{header}")) else {
        return false;
    };
    let is_token = http::HeaderName::from_bytes(header.as_bytes()).is_ok();
    let is_new = parameters.iter().all(|other| other.header != header);
    parameters.push(Parameter {
        header,
        path: path.to_vec(),
    });
    is_token && is_new && parameters.len() <= MAX_PARAMETERS
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tool(properties: Value) -> Vec<(String, Vec<String>)> {
        let tool =
            json!({"name": "a", "inputSchema": {"type": "object", "properties": properties}});
        let read = read(&tool.to_string()).into_iter();
        read.map(|parameter| (parameter.header, parameter.path))
            .collect()
    }

    #[test]
    fn annotations_are_found_under_properties_only() {
        let nested = json!({"type": "object", "properties": {"id": {"type": "integer", "x-mcp-header": "Tenant-Id"}}});
        let inside = json!({"type": "array", "items": {"type": "string", "x-mcp-header": "Item"}});
        assert_eq!(
            tool(
                json!({"region": {"type": "string", "x-mcp-header": "Region"}, "tenant": nested, "z": inside})
            ),
            [
                ("mcp-param-region".to_owned(), vec!["region".to_owned()]),
                (
                    "mcp-param-tenant-id".to_owned(),
                    vec!["tenant".to_owned(), "id".to_owned()]
                ),
            ]
        );
        for invalid in [
            json!({"a": {"type": "string", "x-mcp-header": ""}}),
            json!({"a": {"type": "string", "x-mcp-header": "a b"}}),
            json!({"a": {"type": "string", "x-mcp-header": 7}}),
            json!({"a": {"type": "number", "x-mcp-header": "A"}}),
            json!({"a": {"x-mcp-header": "A"}}),
            json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}),
        ] {
            assert_eq!(tool(invalid.clone()), [], "{invalid}");
        }
    }

    #[test]
    fn t17_a_header_says_what_the_argument_says() {
        for (header, value) in [
            ("a", json!("a")),
            ("", json!("")),
            ("7", json!("7")),
            ("7", json!(7)),
            ("007", json!(7)),
            ("-7", json!(-7)),
            ("7", json!(7.0)),
            ("18446744073709551615", json!(u64::MAX)),
            ("true", json!(true)),
            ("false", json!(false)),
        ] {
            assert!(says(header, &value), "{header} {value}");
        }
        for (header, value) in [
            ("A", json!("a")),
            ("a ", json!("a")),
            ("7", json!("07")),
            ("7", json!(8)),
            ("+7", json!(7)),
            ("7.0", json!(7)),
            ("7", json!(7.5)),
            ("", json!(0)),
            ("-", json!(0)),
            ("18446744073709551616", json!(u64::MAX)),
            ("True", json!(true)),
            ("1", json!(true)),
            ("null", json!(null)),
            ("[]", json!([])),
        ] {
            assert!(!says(header, &value), "{header} {value}");
        }
    }
}
