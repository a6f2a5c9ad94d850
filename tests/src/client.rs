//! The HTTP interface, thin: what is sent, and what was acknowledged.

use std::io;
use std::net::SocketAddr;

use indelible_core::hash::{Digest, NodeHash};
use serde_json::{Value, json};

use crate::http::{Answer, Connection};

const JSON: (&str, &str) = ("content-type", "application/json");
const NDJSON: (&str, &str) = ("content-type", "application/x-ndjson");

/// An event to append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id, or `None` where the server is to make one.
    pub id: Option<String>,
    /// A JSON object.
    pub event: String,
}

impl Event {
    /// An event with an id.
    #[must_use]
    pub fn new(id: impl Into<String>, event: impl Into<String>) -> Self {
        Self { id: Some(id.into()), event: event.into() }
    }

    /// An event that the server gives an id.
    #[must_use]
    pub fn anonymous(event: impl Into<String>) -> Self {
        Self { id: None, event: event.into() }
    }

    /// The envelope.
    #[must_use]
    pub fn envelope(&self) -> String {
        match &self.id {
            Some(id) => format!("{{\"id\":{},\"event\":{}}}", json!(id), self.event),
            None => format!("{{\"event\":{}}}", self.event),
        }
    }
}

/// What the server said of one event that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The id.
    pub id: String,
    /// The sequence number.
    pub seq: u64,
    /// The digest.
    pub digest: Digest,
    /// Whether it was there before.
    pub duplicate: bool,
}

impl Ack {
    fn of(result: &Value) -> Self {
        let text = |name: &str| {
            result[name].as_str().unwrap_or_else(|| panic!("no {name} in {result}")).to_owned()
        };
        Self {
            id: text("id"),
            seq: result["seq"].as_u64().unwrap_or_else(|| panic!("no seq in {result}")),
            digest: Digest::from_hex(&text("digest")).expect("a digest is hex"),
            duplicate: result["duplicate"] == true,
        }
    }
}

/// What came of a request to append.
#[derive(Debug, Clone)]
pub enum Appended {
    /// All of it is there. One entry an event, and the note of a checkpoint that includes them.
    Acked(Vec<Ack>, String),
    /// None of it, and the problem's code.
    Refused(Answer),
}

/// How a stream ended.
#[derive(Debug, Clone, Default)]
pub struct Closing {
    /// The checkpoint's note.
    pub checkpoint: String,
    /// Lines that were read.
    pub lines: u64,
    /// Code of what ended the stream early; empty when nothing did.
    pub error: String,
}

/// A line of a stream's answer.
#[derive(Debug, Clone)]
pub enum Line {
    /// The event of this line, counted from 1, is there.
    Acked(u64, Ack),
    /// It is not, and the code says why.
    Failed(u64, String),
    /// The end.
    Closed(Closing),
}

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    connection: Connection,
}

impl Client {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn connect(address: SocketAddr, token: &str) -> io::Result<Self> {
        Ok(Self { connection: Connection::open(address, token)? })
    }

    /// The connection below.
    pub fn http(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// A GET whose answer must be 200.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        let answer = self.connection.request("GET", path, &[], &[]).expect("no answer");
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.text());
        answer
    }

    /// Creates a ledger; it may be there already.
    #[track_caller]
    pub fn create(&mut self, ledger: &str, sign_per: &str) {
        self.create_signed_by(ledger, sign_per, "default");
    }

    /// Creates a ledger of one of several signers; it may be there already.
    #[track_caller]
    pub fn create_signed_by(&mut self, ledger: &str, sign_per: &str, signer: &str) {
        let body = json!({ "name": ledger, "sign_per": sign_per, "signer": signer }).to_string();
        let answer = self.connection.request("POST", "/v1/ledgers", &[JSON], body.as_bytes());
        let answer = answer.expect("no answer");
        assert!(matches!(answer.status, 200 | 201), "{}: {}", answer.status, answer.text());
    }

    /// Appends one event; the receipt is in the answer.
    ///
    /// # Errors
    /// Whatever ends the connection: the outcome is unknown then.
    pub fn post(&mut self, ledger: &str, event: &Event) -> io::Result<Answer> {
        let path = format!("/v1/ledgers/{ledger}/events");
        self.connection.request("POST", &path, &[JSON], event.envelope().as_bytes())
    }

    /// Appends all events or none.
    ///
    /// # Errors
    /// Whatever ends the connection: the outcome is unknown then.
    pub fn append_all(&mut self, ledger: &str, events: &[Event]) -> io::Result<Appended> {
        let envelopes: Vec<_> = events.iter().map(Event::envelope).collect();
        let body = format!("[{}]", envelopes.join(","));
        let path = format!("/v1/ledgers/{ledger}/events");
        let answer = self.connection.request("POST", &path, &[JSON], body.as_bytes())?;
        if !matches!(answer.status, 200 | 201) {
            return Ok(Appended::Refused(answer));
        }
        let value = answer.json();
        let results = value["results"].as_array().expect("there are results");
        let checkpoint = value["checkpoint"].as_str().expect("there is a checkpoint").to_owned();
        Ok(Appended::Acked(results.iter().map(Ack::of).collect(), checkpoint))
    }

    /// Appends all events, in a test where nothing goes wrong.
    #[track_caller]
    pub fn append(&mut self, ledger: &str, events: &[Event]) -> Vec<Ack> {
        match self.append_all(ledger, events).expect("no answer") {
            Appended::Acked(acks, _) => acks,
            Appended::Refused(answer) => panic!("{}: {}", answer.status, answer.text()),
        }
    }

    /// Streams events, a line each, and calls `each` for every line of the answer as it arrives.
    ///
    /// # Errors
    /// Whatever ends the connection. What `each` has seen as acknowledged is; the rest is unknown.
    pub fn stream(
        &mut self,
        ledger: &str,
        events: &[Event],
        mut each: impl FnMut(Line),
    ) -> io::Result<()> {
        let mut body = String::new();
        for event in events {
            body += &event.envelope();
            body.push('\n');
        }
        let path = format!("/v1/ledgers/{ledger}/events");
        let answer = self.connection.begin("POST", &path, &[NDJSON], body.as_bytes())?;
        if answer.status != 200 {
            let error = format!("the stream was answered {}", answer.status);
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, error));
        }
        answer.lines(|line| each(read_line(line)))
    }

    /// The newest checkpoint's note.
    #[track_caller]
    pub fn checkpoint(&mut self, ledger: &str) -> String {
        self.get(&format!("/v1/ledgers/{ledger}/checkpoint")).text()
    }

    /// How many records there are.
    #[track_caller]
    pub fn size(&mut self, ledger: &str) -> u64 {
        let info = self.get(&format!("/v1/ledgers/{ledger}")).json();
        info["size"].as_u64().expect("a ledger has a size")
    }

    /// The proof that the tree of `from` leaves is a prefix of that of `to` leaves.
    #[track_caller]
    pub fn consistency(&mut self, ledger: &str, from: u64, to: u64) -> Vec<NodeHash> {
        let path = format!("/v1/ledgers/{ledger}/proofs/consistency?from={from}&to={to}");
        let answer = self.get(&path).json();
        let proof = answer["proof"].as_array().expect("there is a proof");
        let hash = |item: &Value| NodeHash::from_base64(item.as_str()?).ok();
        proof.iter().map(|item| hash(item).expect("a hash in base64")).collect()
    }

    /// One record's bytes and its digest, as its `ETag` says.
    #[track_caller]
    pub fn record(&mut self, ledger: &str, seq: u64) -> (Vec<u8>, Digest) {
        let answer = self.get(&format!("/v1/ledgers/{ledger}/events/{seq}"));
        let tag = answer.header("etag").expect("a record has an ETag").trim_matches('"');
        let digest = Digest::from_hex(tag).expect("the ETag is a digest");
        (answer.body, digest)
    }

    /// Every record of a ledger, in order.
    #[track_caller]
    pub fn records(&mut self, ledger: &str) -> Vec<Vec<u8>> {
        let path = format!("/v1/ledgers/{ledger}/events");
        let accept = [("accept", "application/x-ndjson")];
        let answer = self.connection.begin("GET", &path, &accept, &[]).expect("no answer");
        assert_eq!(answer.status, 200);
        let mut records = Vec::new();
        answer.lines(|line| records.push(line.to_vec())).expect("the listing broke off");
        records
    }
}

fn read_line(line: &[u8]) -> Line {
    let shown = || String::from_utf8_lossy(line).into_owned();
    let value: Value =
        serde_json::from_slice(line).unwrap_or_else(|error| panic!("{error}: {}", shown()));
    let code = value["error"]["code"].as_str().map(str::to_owned);
    if let Some(done) = value.get("done") {
        return Line::Closed(Closing {
            checkpoint: value["checkpoint"].as_str().unwrap_or_default().to_owned(),
            lines: done["lines"].as_u64().expect("the closing line counts"),
            error: code.unwrap_or_default(),
        });
    }
    let number = value["line"].as_u64().unwrap_or_else(|| panic!("no line number: {}", shown()));
    match code {
        Some(code) => Line::Failed(number, code),
        None => Line::Acked(number, Ack::of(&value)),
    }
}
