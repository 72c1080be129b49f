//! A connection that watches what hyper does not: a deadline for the head of a request that does not
//! also end idle connections (T67), and whether a head names two framings (T65).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};

/// How long the head of a request may take from its first byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may stay without a request. Longer than usual load balancers hold theirs, so
/// that it is not us who close under a request that is on its way.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a client may leave an answer unread.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(60);

/// As much of a head as is kept: more than hyper reads.
const MAX_HEAD: usize = 128 * 1024;

/// Nothing of a request is there.
const IDLE: u8 = 0;
/// The same, and only since a moment: an exchange has just ended.
const ENDED: u8 = 1;
/// A head has begun.
const HEAD: u8 = 2;
/// Requests are being answered: one, or over HTTP/2 many.
const BUSY: u8 = 3;

/// What the connection and its requests tell each other.
#[derive(Debug, Default)]
struct Tap {
    phase: AtomicU8,
    /// Set with the first request over HTTP/2, whose frames come whether there are requests or not.
    http2: AtomicBool,
    /// Requests that are being answered.
    exchanges: AtomicUsize,
    head: Mutex<Vec<u8>>,
}

/// One connection's handle, given to its requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Connection(Arc<Tap>);

/// One request on a connection: while it exists, no head is awaited.
#[derive(Debug)]
pub(crate) struct Exchange(Connection);

impl Connection {
    /// A request's head is complete.
    pub(crate) fn exchange(&self, http2: bool) -> Exchange {
        self.0.http2.store(http2, Ordering::Release);
        self.0.exchanges.fetch_add(1, Ordering::AcqRel);
        self.0.phase.store(BUSY, Ordering::Release);
        Exchange(self.clone())
    }

    fn is_awaiting(&self) -> bool {
        self.0.phase.load(Ordering::Acquire) < HEAD && !self.0.http2.load(Ordering::Acquire)
    }

    fn note(&self, bytes: &[u8]) {
        if self.0.phase.load(Ordering::Acquire) > HEAD || self.0.http2.load(Ordering::Acquire) {
            return;
        }
        self.0.phase.store(HEAD, Ordering::Release);
        let mut head = self.0.head.lock().unwrap_or_else(PoisonError::into_inner);
        let room = MAX_HEAD.saturating_sub(head.len());
        head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl Exchange {
    /// Whether the head of this chunked request, as it came, has no `Content-Length` beside
    /// `Transfer-Encoding`: hyper drops one of the two without a word. A head that was read
    /// together with an earlier request's bytes is not known, and so is not trusted.
    pub(crate) fn has_one_framing(&self) -> bool {
        let head = self.0.0.head.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") else {
            return false;
        };
        let lines = head[..end].split(|&byte| byte == b'\n');
        let count = |name: &[u8]| {
            lines
                .clone()
                .filter(|line| {
                    line.len() > name.len()
                        && line[name.len()] == b':'
                        && line[..name.len()].eq_ignore_ascii_case(name)
                })
                .count()
        };
        count(b"content-length") == 0 && count(b"transfer-encoding") == 1
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let tap = &self.0.0;
        if tap.exchanges.fetch_sub(1, Ordering::AcqRel) == 1 {
            tap.head
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
            tap.phase.store(ENDED, Ordering::Release);
        }
    }
}

/// The connection's bytes.
pub(crate) struct GuardedIo {
    stream: TcpStream,
    connection: Connection,
    timer: Pin<Box<Sleep>>,
    /// Whether nothing has come yet.
    fresh: bool,
    /// When the connection last did something.
    since: Instant,
    /// Since when the client has taken nothing of what waits for it.
    unread_since: Option<Instant>,
}

impl GuardedIo {
    /// Watches a fresh connection.
    pub(crate) fn new(stream: TcpStream) -> (Self, Connection) {
        let connection = Connection::default();
        let since = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(since + HEAD_TIMEOUT));
        // A connection that has not sent anything yet is as slow as one that sends half a head.
        (
            Self {
                stream,
                connection: connection.clone(),
                timer,
                fresh: true,
                since,
                unread_since: None,
            },
            connection,
        )
    }

    /// Whether a head, or the next request, has been awaited for too long. The timer is only moved when it
    /// must ring earlier than set; when it rings too early, it is set again.
    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let phase = self.connection.0.phase.load(Ordering::Acquire);
        let allowed = match phase {
            IDLE if self.fresh => HEAD_TIMEOUT,
            IDLE => IDLE_TIMEOUT,
            HEAD => HEAD_TIMEOUT,
            _ => return Poll::Pending,
        };
        self.poll_due(cx, self.since + allowed)
    }
}

impl GuardedIo {
    /// Gives up on a client that takes nothing of what is written to it.
    fn watch_written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.unread_since = None;
            return written;
        }
        let due = *self.unread_since.get_or_insert_with(Instant::now) + UNREAD_TIMEOUT;
        ready!(self.poll_due(cx, due));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the answer is not read",
        )))
    }

    fn poll_due(&mut self, cx: &mut Context<'_>, due: Instant) -> Poll<()> {
        if self.timer.deadline() > due {
            self.timer.as_mut().reset(due);
        }
        while self.timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= due {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(due);
        }
        Poll::Pending
    }
}

impl AsyncRead for GuardedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Ready(outcome) => {
                if self.connection.is_awaiting() {
                    // The first bytes of a head: its deadline counts from here.
                    self.since = Instant::now();
                    self.fresh = false;
                }
                self.connection.note(&buffer.filled()[before..]);
                Poll::Ready(outcome)
            }
            Poll::Pending => {
                let phase = &self.connection.0.phase;
                if phase
                    .compare_exchange(ENDED, IDLE, Ordering::AcqRel, Ordering::Acquire)
                    .is_ok()
                {
                    self.since = Instant::now();
                }
                ready!(self.poll_overdue(cx));
                Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "no complete request head in time",
                )))
            }
        }
    }
}

impl AsyncWrite for GuardedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch_written(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let written = Pin::new(&mut self.stream).poll_flush(cx);
        self.watch_written(cx, written)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.watch_written(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::{io::AsyncWriteExt as _, net::TcpListener};

    #[tokio::test(start_paused = true)]
    async fn t67_a_client_that_reads_nothing_loses_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let client = TcpStream::connect(address).await.expect("a connection");
        let (stream, _) = listener.accept().await.expect("a connection");
        let (mut io, connection) = GuardedIo::new(stream);
        let exchange = connection.exchange(false);
        let begun = Instant::now();
        let error = loop {
            if let Err(error) = io.write(&[b'a'; 64 * 1024]).await {
                break error;
            }
        };
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= UNREAD_TIMEOUT, "{:?}", begun.elapsed());
        drop((client, exchange));
    }

    fn framing(heads: &[&str]) -> bool {
        let connection = Connection::default();
        for head in heads {
            connection.note(head.as_bytes());
        }
        connection.exchange(false).has_one_framing()
    }

    #[test]
    fn t65_a_head_with_two_framings_is_told_from_one() {
        assert!(framing(&[
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nContent-Length: 3\r\n\r\n"
        ]));
        assert!(framing(&[
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-En",
            "coding: chunked\r\n\r\n"
        ]));
        for head in [
            "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\ncontent-length: 3\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
            "",
        ] {
            assert!(!framing(&[head]), "{head:?}");
        }
    }

    #[test]
    fn t65_a_head_read_with_an_earlier_request_is_not_trusted() {
        let connection = Connection::default();
        connection.note(b"POST / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n");
        drop(connection.exchange(false));
        assert!(!connection.exchange(false).has_one_framing());
    }
}
