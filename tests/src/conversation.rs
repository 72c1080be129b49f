//! A conversation in JSON lines with a script that listens on loopback.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

use crate::process::Process;
use crate::wait::PATIENCE;

/// Both directions of the connection, and the script at its other end.
#[derive(Debug)]
pub(crate) struct Conversation {
    name: String,
    reader: Lines<BufReader<OwnedReadHalf>>,
    writer: OwnedWriteHalf,
    // Killed when dropped.
    _process: Process,
}

impl Conversation {
    /// Starts a script that writes `{"port": …}` to `--address-file`, and connects.
    pub(crate) async fn start(name: &str, command: Command, folder: &Path) -> Self {
        let (process, address) = Process::spawn_listening(name, command, folder).await;
        let port = address["port"]
            .as_u64()
            .and_then(|port| u16::try_from(port).ok());
        let port = port.unwrap_or_else(|| panic!("{name} listens on no port: {address}"));
        let stream = TcpStream::connect(("127.0.0.1", port)).await;
        let stream = stream.unwrap_or_else(|error| panic!("{name} does not accept: {error}"));
        let (reader, writer) = stream.into_split();
        Self {
            name: name.to_owned(),
            reader: BufReader::new(reader).lines(),
            writer,
            _process: process,
        }
    }

    /// Says something.
    pub(crate) async fn send(&mut self, value: &Value) {
        let sent = self.writer.write_all(format!("{value}\n").as_bytes()).await;
        sent.unwrap_or_else(|error| panic!("{} is gone: {error}", self.name));
    }

    /// Hears something.
    pub(crate) async fn receive(&mut self) -> Value {
        let line = tokio::time::timeout(PATIENCE * 2, self.reader.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{} says nothing", self.name));
        let line = line.unwrap_or_else(|error| panic!("{} is gone: {error}", self.name));
        let line = line.unwrap_or_else(|| panic!("{} has ended", self.name));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}
