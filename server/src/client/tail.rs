//! Following a ledger through server-sent events (WHATWG HTML, section "Server-sent events").

use bytes::Bytes;
use reqwest::header::ACCEPT;
use reqwest::{Method, Response};
use std::time::Duration;

use super::lines::LineBuffer;
use super::{Client, ClientError, percent_encode};

/// Longest line of the stream: a whole record with its digest and signature.
const LINE_BYTES_MAX: usize = 4 << 20;
/// The server sends a comment at least this often when nothing happens; four missed ones are silence.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// One event of the stream.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// Where to go on after this one: the value for `Last-Event-ID`.
    pub id: Option<String>,
    /// Kind of event; empty means a record.
    pub event: String,
    /// What it carries.
    pub data: String,
}

/// An open stream of a ledger's records.
#[derive(Debug)]
pub struct Tail {
    url: String,
    response: Response,
    lines: LineBuffer,
    message: Message,
}

impl Tail {
    /// Opens the stream of `ledger`, from the record after `last_id` or, without one, from `from` on
    /// (`None`: what is appended from now on).
    ///
    /// # Errors
    /// When the server cannot be reached or refuses.
    pub async fn open(
        client: &Client,
        ledger: &str,
        from: Option<u64>,
        last_id: Option<&str>,
    ) -> Result<Self, ClientError> {
        let mut path = format!("/v1/ledgers/{}/events/stream", percent_encode(ledger));
        if let (Some(from), None) = (from, last_id) {
            path.push_str(&format!("?from={from}"));
        }
        let mut request =
            client.streaming_request(Method::GET, &path).header(ACCEPT, "text/event-stream");
        if let Some(last_id) = last_id {
            request = request.header("last-event-id", last_id);
        }
        let response = client.send(request).await?;
        Ok(Self {
            url: client.base.clone(),
            response,
            lines: LineBuffer::new(LINE_BYTES_MAX),
            message: Message::default(),
        })
    }

    /// The next message; `None` when the server ended the stream.
    ///
    /// # Errors
    /// When the connection breaks or stays silent: open again after the last message's id.
    pub async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            while let Some(line) = self
                .lines
                .next_line()
                .map_err(|_| ClientError::answer(&self.url, "a line without end"))?
            {
                if let Some(message) = self.message.take_line(&line) {
                    return Ok(Some(message));
                }
            }
            let chunk = tokio::time::timeout(SILENCE_MAX, self.response.chunk());
            let chunk: Option<Bytes> = match chunk.await {
                Ok(chunk) => chunk.map_err(|error| ClientError::unreachable(&self.url, &error))?,
                Err(_) => {
                    return Err(ClientError::Unreachable {
                        url: self.url.clone(),
                        reason: "no sign of life for a minute".into(),
                    });
                }
            };
            let Some(chunk) = chunk else { return Ok(None) };
            self.lines.push(&chunk);
        }
    }
}

impl Message {
    /// Takes one line; an empty one completes a message.
    fn take_line(&mut self, line: &[u8]) -> Option<Self> {
        let line = String::from_utf8_lossy(line);
        if line.is_empty() {
            let message = std::mem::take(self);
            return (!message.data.is_empty()).then_some(message);
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            _ => {} // a comment, or a field of a later version
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_ends_with_an_empty_line_and_comments_are_no_messages() {
        let mut message = Message::default();
        let mut seen = Vec::new();
        for line in
            [": keep-alive", "", "id: 7", "event: record", "data: {", "data:}", "", "data: x", ""]
        {
            seen.extend(message.take_line(line.as_bytes()));
        }
        let first = Message { id: Some("7".into()), event: "record".into(), data: "{\n}".into() };
        let second = Message { data: "x".into(), ..Message::default() };
        assert_eq!(seen, [first, second]);
    }
}
