//! Writers that never give up: they send, note what was acknowledged, and after every broken connection
//! send again, with the same ids, whatever was not.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::key::Trust;
use indelible_core::receipt::Receipt;

use crate::client::{Ack, Appended, Client, Event, Line};

/// Most events that a writer sends in one request.
const REQUEST_EVENTS_MAX: u64 = 120;
/// Codes of problems after which the same request may be sent again.
const RETRYABLE: [&str; 6] = [
    "busy",
    "signer_failing",
    "store_unavailable",
    "outcome_unknown",
    "shutting_down",
    "too_many_connections",
];

/// Numbers that look random and can be had again: xorshift64*.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 16
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    /// A time between two.
    pub fn between(&mut self, from: Duration, to: Duration) -> Duration {
        from + Duration::from_micros(self.below((to - from).as_micros() as u64 + 1))
    }
}

/// What the writers and the one who kills share.
#[derive(Debug, Default)]
pub struct Switchboard {
    server: Mutex<Option<(SocketAddr, String)>>,
    finish: AtomicBool,
    pause: AtomicBool,
    acknowledged: Mutex<BTreeMap<String, Ack>>,
}

impl Switchboard {
    /// The server is up; `None`: it is down.
    pub fn set(&self, server: Option<(SocketAddr, String)>) {
        *self.server.lock().unwrap() = server;
    }

    /// From now on writers only see to it that what they have begun is acknowledged.
    pub fn finish(&self) {
        self.finish.store(true, Relaxed);
    }

    /// Writers rest between two requests while this is set.
    pub fn pause(&self, pause: bool) {
        self.pause.store(pause, Relaxed);
    }

    /// The furthest acknowledgement so far in each ledger.
    pub fn acknowledged(&self) -> BTreeMap<String, Ack> {
        self.acknowledged.lock().unwrap().clone()
    }

    fn note(&self, ledger: &str, ack: &Ack) {
        let mut furthest = self.acknowledged.lock().unwrap();
        if furthest.get(ledger).is_none_or(|known| known.seq < ack.seq) {
            furthest.insert(ledger.to_owned(), ack.clone());
        }
    }

    fn connect(&self) -> Option<Client> {
        let (address, token) = self.server.lock().unwrap().clone()?;
        Client::connect(address, &token).ok()
    }
}

/// What one writer did.
#[derive(Debug, Default)]
pub struct Book {
    /// The ledger.
    pub ledger: String,
    /// What was acknowledged, in the order in which it was sent.
    pub acknowledged: Vec<(Event, Ack)>,
    /// Events without an id that were sent once and not acknowledged: they may be there or not.
    pub unknown: Vec<Event>,
    /// Checkpoints that came with acknowledgements.
    pub checkpoints: Vec<Checkpoint>,
    /// Acknowledgements that said `duplicate`.
    pub duplicates: u64,
    /// Requests that broke off.
    pub broken: u64,
}

/// A thread that writes to one ledger.
pub struct Writer {
    name: String,
    ledger: String,
    trust: Trust,
    random: Random,
    next: u64,
    with_ids: bool,
    pending: Vec<Event>,
    book: Book,
}

impl Writer {
    /// A writer whose ids and choices follow from `seed`. One without ids never sends anything twice.
    #[must_use]
    pub fn new(ledger: &str, seed: u64, with_ids: bool, trust: Trust) -> Self {
        Self {
            name: format!("w{seed}"),
            ledger: ledger.to_owned(),
            trust,
            random: Random::new(seed + 1),
            next: 0,
            with_ids,
            pending: Vec::new(),
            book: Book { ledger: ledger.to_owned(), ..Book::default() },
        }
    }

    /// Writes in a thread of its own until told to finish.
    pub fn start(mut self, board: Arc<Switchboard>) -> JoinHandle<Book> {
        std::thread::spawn(move || {
            while !(board.finish.load(Relaxed) && self.pending.is_empty()) {
                match board.connect() {
                    Some(client) => self.converse(client, &board),
                    None => std::thread::sleep(Duration::from_millis(2)),
                }
            }
            self.book
        })
    }

    /// Sends over one connection until it breaks.
    fn converse(&mut self, mut client: Client, board: &Switchboard) {
        loop {
            while board.pause.load(Relaxed) && self.pending.is_empty() {
                std::thread::sleep(Duration::from_millis(2));
            }
            if self.pending.is_empty() {
                if board.finish.load(Relaxed) {
                    return;
                }
                self.make();
            }
            let before = self.book.acknowledged.len();
            let sent = self.send(&mut client);
            for (_, ack) in &self.book.acknowledged[before..] {
                board.note(&self.ledger, ack);
            }
            if !self.with_ids {
                self.book.unknown.append(&mut self.pending);
            }
            match sent {
                Ok(()) if self.pending.is_empty() => {}
                // Refused for now. Nobody who is refused comes back at once.
                Ok(()) => std::thread::sleep(Duration::from_millis(5)),
                Err(_) => {
                    self.book.broken += 1;
                    return;
                }
            }
        }
    }

    fn make(&mut self) {
        let count = match self.random.below(3) {
            0 => 1,
            1 => 1 + self.random.below(8),
            _ => 1 + self.random.below(REQUEST_EVENTS_MAX),
        };
        for _ in 0..count {
            let number = self.next;
            self.next += 1;
            let pad = "x".repeat(self.random.below(400) as usize);
            // Not in canonical form, so that what is stored is not simply what was sent.
            let event = format!(
                "{{\"writer\": \"{}\", \"n\": {number}, \"half\": {}.5e0, \"text\": \"\\u00e9\\ud83d\\ude00\", \"pad\": \"{pad}\"}}",
                self.name,
                number % 1000,
            );
            let id = self.with_ids.then(|| format!("{}-{number}", self.name));
            self.pending.push(Event { id, event });
        }
    }

    /// Sends what is pending in one of the three ways. What is acknowledged leaves `pending`.
    fn send(&mut self, client: &mut Client) -> io::Result<()> {
        match self.random.below(3) {
            _ if self.pending.len() == 1 => self.send_single(client),
            0 => self.send_array(client),
            _ => self.send_stream(client),
        }
    }

    fn send_single(&mut self, client: &mut Client) -> io::Result<()> {
        let answer = client.post(&self.ledger, &self.pending[0])?;
        if !matches!(answer.status, 200 | 201) {
            self.must_be_retryable(&answer.problem(), &answer.text());
            return Ok(());
        }
        let receipt = Receipt::parse(&answer.body).expect("a receipt");
        let verified = receipt.open(&self.trust).expect("a good receipt");
        let ack = Ack {
            id: verified.record.id.to_string(),
            seq: verified.record.seq.get(),
            digest: receipt.digest,
            duplicate: answer.status == 200,
        };
        self.book.checkpoints.push(verified.checkpoint);
        self.acknowledge(vec![ack]);
        Ok(())
    }

    fn send_array(&mut self, client: &mut Client) -> io::Result<()> {
        match client.append_all(&self.ledger, &self.pending)? {
            Appended::Refused(answer) => {
                self.must_be_retryable(&answer.problem(), &answer.text());
            }
            Appended::Acked(acks, checkpoint) => {
                assert_eq!(acks.len(), self.pending.len(), "a result for each event");
                self.acknowledge(acks);
                self.keep_checkpoint(&checkpoint);
            }
        }
        Ok(())
    }

    fn send_stream(&mut self, client: &mut Client) -> io::Result<()> {
        let (mut acks, mut failed, mut closing) = (Vec::new(), Vec::new(), None);
        let ended = client.stream(&self.ledger, &self.pending, |line| match line {
            Line::Acked(number, ack) => {
                assert!(failed.is_empty(), "line {number} was taken after {failed:?} was not");
                assert_eq!(number, acks.len() as u64 + 1, "results come in order");
                acks.push(ack);
            }
            Line::Failed(number, code) => failed.push((number, code)),
            Line::Closed(end) => closing = Some(end),
        });
        self.acknowledge(acks);
        for (_, code) in &failed {
            self.must_be_retryable(code, "in a stream");
        }
        if let Some(closing) = closing {
            assert!(!closing.error.is_empty() || self.pending.is_empty(), "lines without result");
            if self.pending.is_empty() {
                self.keep_checkpoint(&closing.checkpoint);
            }
        }
        ended
    }

    #[track_caller]
    fn must_be_retryable(&self, code: &str, text: &str) {
        assert!(RETRYABLE.contains(&code), "{}: refused for good: {code} {text}", self.ledger);
    }

    /// The first pending events were acknowledged.
    fn acknowledge(&mut self, acks: Vec<Ack>) {
        for (event, ack) in self.pending.drain(..acks.len()).zip(acks) {
            if let Some(id) = &event.id {
                assert_eq!(*id, ack.id, "the answer is about another event");
            }
            self.book.duplicates += u64::from(ack.duplicate);
            self.book.acknowledged.push((event, ack));
        }
    }

    fn keep_checkpoint(&mut self, note: &str) {
        let checkpoint = Checkpoint::open_any(note.as_bytes(), &self.trust);
        let checkpoint = checkpoint.expect("a good checkpoint");
        let last = self.book.acknowledged.last().map_or(0, |(_, ack)| ack.seq);
        assert!(checkpoint.size > last, "the checkpoint does not include what it came with");
        self.book.checkpoints.push(checkpoint);
    }
}
