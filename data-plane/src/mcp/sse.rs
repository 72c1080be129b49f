//! Server-sent events (WHATWG HTML section 9.2): read event by event, written anew.
//!
//! Nothing of an upstream's stream reaches a client but the four fields of complete events, so a
//! line ending in the wrong place injects nothing (T34).

use std::fmt::Write as _;

/// Largest event, in bytes.
pub(crate) const MAX_EVENT: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// `event:`; empty: a message.
    pub(crate) kind: String,
    /// `id:`, if the event had one (it may be empty).
    pub(crate) id: Option<String>,
    /// `retry:` in milliseconds.
    pub(crate) retry: Option<u64>,
    /// `data:` lines, joined by line feeds.
    pub(crate) data: String,
    has_data: bool,
}

/// The stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StreamError {
    /// Larger than [`MAX_EVENT`].
    #[error("an event is larger than 4 MiB")]
    TooLarge,
    /// Not UTF-8.
    #[error("an event is not UTF-8")]
    NotUtf8,
}

/// Makes events of bytes that arrive in any portions.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    line: Vec<u8>,
    event: Event,
    size: usize,
    after_carriage_return: bool,
    started: bool,
}

impl Decoder {
    /// Takes the next bytes and hands each event that they complete to `sink`.
    ///
    /// # Errors
    /// [`StreamError`]; the stream must end then.
    pub(crate) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut sink: impl FnMut(Event),
    ) -> Result<(), StreamError> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_carriage_return) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let end = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
            let taken = end.unwrap_or(bytes.len());
            self.size += taken;
            if self.size > MAX_EVENT {
                return Err(StreamError::TooLarge);
            }
            self.line.extend_from_slice(&bytes[..taken]);
            let Some(end) = end else { return Ok(()) };
            self.after_carriage_return = bytes[end] == b'\r';
            bytes = &bytes[end + 1..];
            if let Some(event) = self.end_line()? {
                sink(event);
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Event>, StreamError> {
        let line = std::mem::take(&mut self.line);
        let mut line = std::str::from_utf8(&line).map_err(|_| StreamError::NotUtf8)?;
        if !std::mem::replace(&mut self.started, true) {
            line = line.strip_prefix('\u{feff}').unwrap_or(line);
        }
        if line.is_empty() {
            self.size = 0;
            let event = std::mem::take(&mut self.event);
            return Ok(
                (event.has_data || event.id.is_some() || event.retry.is_some()).then_some(event),
            );
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.event.kind = value.to_owned(),
            "id" if !value.contains('\0') => self.event.id = Some(value.to_owned()),
            "retry" => {
                self.event.retry = value
                    .parse()
                    .ok()
                    .filter(|_| value.bytes().all(|byte| byte.is_ascii_digit()))
                    .or(self.event.retry)
            }
            "data" => {
                if std::mem::replace(&mut self.event.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            _ => {}
        }
        Ok(None)
    }
}

impl Event {
    /// A message of our own.
    pub(crate) fn message(data: String) -> Self {
        Self {
            data,
            has_data: true,
            ..Self::default()
        }
    }

    /// Appends the event's text. Line feeds in data stand between tokens of JSON, where a space says the same: many
    /// clients read one line of data only.
    pub(crate) fn write_to(&self, out: &mut String) {
        if !self.kind.is_empty() {
            out.push_str("event: ");
            out.push_str(&self.kind);
            out.push('\n');
        }
        if let Some(id) = &self.id {
            out.push_str("id: ");
            out.push_str(id);
            out.push('\n');
        }
        if let Some(retry) = self.retry {
            let _infallible = writeln!(out, "retry: {retry}");
        }
        if self.has_data {
            out.push_str("data: ");
            out.extend(
                self.data
                    .chars()
                    .map(|character| if character == '\n' { ' ' } else { character }),
            );
            out.push('\n');
        }
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(portions: &[&[u8]]) -> Result<Vec<Event>, StreamError> {
        let (mut decoder, mut events) = (Decoder::default(), Vec::new());
        for portion in portions {
            decoder.feed(portion, |event| events.push(event))?;
        }
        Ok(events)
    }

    fn text(events: &[Event]) -> String {
        let mut out = String::new();
        events.iter().for_each(|event| event.write_to(&mut out));
        out
    }

    #[test]
    fn every_line_ending_and_field_is_understood() {
        let stream = b"\xef\xbb\xbf: hello\r\nevent: message\rid: 7\nretry: 100\ndata: {\"a\":\ndata:1}\n\nid\ndata\n\nretry: x\n\ndata: unfinished";
        let seen = events(&[stream]).expect("readable");
        assert_eq!(
            text(&seen),
            "event: message\nid: 7\nretry: 100\ndata: {\"a\": 1}\n\nid: \ndata: \n\n"
        );
    }

    #[test]
    fn t34_nothing_but_fields_of_complete_events_passes() {
        let stream = b"data: {\"x\":\"\\r\\n\\r\\nevent: evil\"}\nevil: 1\nid: a\0b\nretry: 5;drop\n\nevent: a\nevent: b\ndata: 1\n\n";
        let seen = events(&[stream]).expect("readable");
        assert_eq!(
            text(&seen),
            "data: {\"x\":\"\\r\\n\\r\\nevent: evil\"}\n\nevent: b\ndata: 1\n\n"
        );
        assert_eq!(events(&[b"data: \xff\xfe\n\n"]), Err(StreamError::NotUtf8));
        assert_eq!(
            events(&[&vec![b'a'; MAX_EVENT + 1]]),
            Err(StreamError::TooLarge)
        );
        let long = [
            b"data: ".as_slice(),
            &vec![b'a'; MAX_EVENT / 2],
            b"\ndata: ",
            &vec![b'a'; MAX_EVENT / 2],
            b"\n\n",
        ]
        .concat();
        assert_eq!(events(&[&long]), Err(StreamError::TooLarge));
    }

    proptest! {
        #[test]
        fn portions_do_not_matter_and_writing_is_stable(stream in "(data: [a-z{}\"]{0,5}|id: [0-9]{0,2}|: x|event: e|retry: 9|\r|\n|\r\n){0,20}", cut in 0usize..64) {
            let bytes = stream.as_bytes();
            let cut = cut.min(bytes.len());
            let whole = events(&[bytes]).expect("readable");
            prop_assert_eq!(&events(&[&bytes[..cut], &bytes[cut..]]).expect("readable"), &whole);
            let written = text(&whole);
            prop_assert_eq!(text(&events(&[written.as_bytes()]).expect("readable")), written);
        }
    }
}
