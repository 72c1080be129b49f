//! HTTP/1.1 byte by byte, for requests that no library would send.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// One connection on which anything can be sent.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// One response.
#[derive(Debug, Clone)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The status line and the header lines.
    pub head: String,
    /// The body; chunks are not joined.
    pub body: String,
}

impl Response {
    /// The first value of a header, trimmed.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        lines
            .find(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim())
    }

    /// The type of the gateway's error in the body, if it is one.
    #[must_use]
    pub fn error_type(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_str(&self.body).ok()?;
        body["error"]["type"].as_str().map(str::to_owned)
    }
}

impl Connection {
    /// Opens a connection.
    ///
    /// # Panics
    /// When nobody listens.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        Self {
            stream,
            received: Vec::new(),
        }
    }

    /// Sends bytes. An error means that the other side has closed, which reading will show.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        drop(self.stream.write_all(bytes.as_ref()).await);
    }

    /// Reads one response; none: the connection was closed without one.
    ///
    /// # Panics
    /// When neither happens in time.
    pub async fn response(&mut self, within: Duration) -> Option<Response> {
        timeout(within, self.read_response())
            .await
            .unwrap_or_else(|_| panic!("no response and no close for {within:?}"))
    }

    /// Waits for the other side to close, and returns what it sent before.
    ///
    /// # Panics
    /// When it does not.
    pub async fn closed(&mut self, within: Duration) -> Vec<u8> {
        let read_on = async { while self.fill().await {} };
        timeout(within, read_on)
            .await
            .unwrap_or_else(|_| panic!("the connection is still open after {within:?}"));
        std::mem::take(&mut self.received)
    }

    async fn read_response(&mut self) -> Option<Response> {
        let end = loop {
            if let Some(end) = find(&self.received, b"\r\n\r\n") {
                break end + 4;
            }
            if !self.fill().await {
                return None;
            }
        };
        let head =
            String::from_utf8_lossy(&self.received.drain(..end).collect::<Vec<_>>()).into_owned();
        let status = head.split(' ').nth(1)?.parse().ok()?;
        let mut response = Response {
            status,
            head,
            body: String::new(),
        };
        let length = match response
            .header("content-length")
            .and_then(|value| value.parse::<usize>().ok())
        {
            Some(length) => {
                while self.received.len() < length && self.fill().await {}
                length
            }
            None if response.header("transfer-encoding").is_some() => {
                while !self.received.ends_with(b"0\r\n\r\n") && self.fill().await {}
                self.received.len()
            }
            None if matches!(status, 100..200 | 204 | 304) => 0,
            None => {
                while self.fill().await {}
                self.received.len()
            }
        };
        let body: Vec<u8> = self
            .received
            .drain(..length.min(self.received.len()))
            .collect();
        response.body = String::from_utf8_lossy(&body).into_owned();
        Some(response)
    }

    /// Reads more; no: the other side has closed.
    async fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                true
            }
        }
    }
}

/// Sends one request on a connection of its own and reads the response; none: it was closed without one.
///
/// # Panics
/// When neither happens in time.
pub async fn exchange(address: SocketAddr, request: impl AsRef<[u8]>) -> Option<Response> {
    let mut connection = Connection::open(address).await;
    connection.write(request).await;
    connection.response(crate::wait::PATIENCE).await
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack
        .windows(needle.len())
        .position(|window| window == needle)
}
