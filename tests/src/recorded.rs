//! Requests as an upstream server received them: the only witness of what the gateway sends.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One request, with everything that arrived.
#[derive(Debug, Clone)]
pub struct Request {
    /// The HTTP method.
    pub method: String,
    /// The path, undecoded.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// Names in lower case, in order, repetitions included.
    pub headers: Vec<(String, String)>,
    /// The body as it arrived.
    pub body: String,
}

impl Request {
    /// The only value of a header, if it is there.
    ///
    /// # Panics
    /// When it is there more than once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self
            .headers
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str());
        let value = values.next();
        assert!(
            values.next().is_none(),
            "{name} arrived more than once: {:?}",
            self.headers
        );
        value
    }

    /// The JSON-RPC method of the message.
    #[must_use]
    pub fn rpc_method(&self) -> Option<String> {
        let message: Value = serde_json::from_str(&self.body).ok()?;
        message.get("method")?.as_str().map(str::to_owned)
    }

    /// Whether the word occurs anywhere in the request.
    #[must_use]
    pub fn mentions(&self, word: &str) -> bool {
        self.path.contains(word)
            || self.query.contains(word)
            || self.body.contains(word)
            || self
                .headers
                .iter()
                .any(|(name, value)| name.contains(word) || value.contains(word))
    }
}

/// The file into which a server in another process writes its requests, one JSON object per line.
#[derive(Debug)]
pub(crate) struct RecordFile(pub(crate) PathBuf);

impl RecordFile {
    /// What has been written so far.
    pub(crate) fn read(&self) -> Vec<Request> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        // The last line may still be on its way.
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| parse(line, &self.0))
            .collect()
    }
}

fn parse(line: &str, path: &Path) -> Request {
    let value: Value = serde_json::from_str(line)
        .unwrap_or_else(|error| panic!("{}: {error}: {line}", path.display()));
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let headers = value["headers"].as_array().into_iter().flatten();
    let word = |header: &Value, index: usize| header[index].as_str().unwrap_or_default().to_owned();
    Request {
        method: text("method"),
        path: text("path"),
        query: text("query"),
        headers: headers
            .map(|header| (word(header, 0), word(header, 1)))
            .collect(),
        body: text("body"),
    }
}
