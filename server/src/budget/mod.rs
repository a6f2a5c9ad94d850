//! The bytes of everything that is in flight: one budget in memory, one on disk.
//!
//! Whoever keeps bytes for a client takes a [`Grant`] first and gives it back by dropping it: pieces of
//! bodies as they arrive, results that wait, answers until the last byte has left, windows of HTTP/2.
//! So the sum is bounded whatever clients do, however many they are. Beyond it something new is refused
//! (503, `too_many_bytes_held`) and something begun waits.
//!
//! Three quarters are shared by a dynamic threshold (Choudhury and Hahne): a connection may hold a quarter
//! of what is free of them, so one alone gets a fifth. Who came first and sits on it leaves less to the next,
//! so the last quarter is for the small: a connection that holds no more than 16 KiB finds room there
//! whatever the others do, as long as connections are limited.

mod disk;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use bytes::Bytes;
use hyper::Request;

pub use disk::{Disk, DiskGrant};

/// What a connection may hold is what is free divided by this.
const FREE_PER_SHARE: usize = 4;
/// The part of the budget that only small holders get is the whole divided by this: at the defaults 128 MiB,
/// enough for 4,096 connections with what each is counted with.
const SMALL_PART: usize = 4;
/// What a connection may hold as a small one, beside what it is counted with for being there.
pub const SMALL_BYTES: usize = 16 << 10;

/// What bytes are held for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Connections, their windows, and requests on HTTP/2.
    Connections,
    /// Bodies that are read as a whole.
    Bodies,
    /// NDJSON requests: lines, events on their way, results.
    Lines,
    /// Answers, pages, chunks of exports and event streams.
    Answers,
    /// Recent records, rendered for all followers.
    Recent,
}

impl Kind {
    /// Every kind, with its name in metrics.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Connections, "connections"),
        (Self::Bodies, "bodies"),
        (Self::Lines, "lines"),
        (Self::Answers, "answers"),
        (Self::Recent, "recent"),
    ];
}

#[derive(Debug, Default)]
struct OfKind {
    used: AtomicUsize,
    refused: AtomicU64,
}

#[derive(Debug)]
struct Memory {
    max: usize,
    used: AtomicUsize,
    by_kind: [OfKind; Kind::ALL.len()],
}

impl Memory {
    fn of(&self, kind: Kind) -> Option<&OfKind> {
        self.by_kind.get(kind as usize)
    }
}

/// The budget of a server.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Memory>);

impl Budget {
    /// A budget of so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Memory {
            max: bytes_max,
            used: AtomicUsize::new(0),
            by_kind: Default::default(),
        }))
    }

    /// The account of a new client.
    #[must_use]
    pub fn account(&self) -> Account {
        Account { memory: Arc::clone(&self.0), own: Arc::default() }
    }

    /// The account of the connection that a request came on.
    pub fn account_of<B>(&self, request: &Request<B>) -> Account {
        request.extensions().get().cloned().unwrap_or_else(|| self.account())
    }

    /// Bytes that may be held.
    #[must_use]
    pub fn max(&self) -> usize {
        self.0.max
    }

    /// Bytes held for a kind now, and how often more were refused.
    #[must_use]
    pub fn figures(&self, kind: Kind) -> (u64, u64) {
        self.0
            .of(kind)
            .map_or((0, 0), |of| (of.used.load(Relaxed) as u64, of.refused.load(Relaxed)))
    }
}

/// What one client holds.
#[derive(Debug, Clone)]
pub struct Account {
    memory: Arc<Memory>,
    own: Arc<Own>,
}

#[derive(Debug, Default)]
struct Own {
    used: AtomicUsize,
    /// What of it the connection itself is counted with.
    base: AtomicUsize,
}

impl Account {
    /// Takes `bytes`, unless the client would have more than its share.
    #[must_use]
    pub fn take(&self, kind: Kind, bytes: usize) -> Option<Grant> {
        let mut grant = self.empty(kind);
        grant.grow(bytes).then_some(grant)
    }

    /// Takes `bytes` whatever is free: for what is there already and has to be counted.
    #[must_use]
    pub fn take_anyway(&self, kind: Kind, bytes: usize) -> Grant {
        let mut grant = self.empty(kind);
        grant.set(bytes);
        grant
    }

    /// What the connection itself is counted with, for as long as it is there.
    #[must_use]
    pub fn take_base(&self, bytes: usize) -> Grant {
        self.own.base.fetch_add(bytes, Relaxed);
        self.take_anyway(Kind::Connections, bytes)
    }

    /// Whether `bytes` more would be granted.
    #[must_use]
    pub fn has_room(&self, bytes: usize) -> bool {
        self.fits(self.memory.used.load(Relaxed), bytes)
    }

    fn fits(&self, used: usize, more: usize) -> bool {
        let (max, own) = (self.memory.max, &self.own);
        let held = own.used.load(Relaxed).saturating_add(more);
        let small = held <= own.base.load(Relaxed) + SMALL_BYTES;
        let shared = (max - max / SMALL_PART).saturating_sub(used);
        (small && more <= max.saturating_sub(used))
            || (more <= shared && held <= shared / FREE_PER_SHARE)
    }

    fn empty(&self, kind: Kind) -> Grant {
        Grant { account: self.clone(), kind, bytes: 0 }
    }
}

/// Bytes that may be held until this is dropped.
#[derive(Debug)]
pub struct Grant {
    account: Account,
    kind: Kind,
    bytes: usize,
}

impl Grant {
    /// Bytes granted.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes more; false, and nothing changed, when the client would have more than its share.
    #[must_use]
    pub fn grow(&mut self, more: usize) -> bool {
        let Account { memory, own } = &self.account;
        let taken = memory.used.try_update(Relaxed, Relaxed, |used| {
            self.account.fits(used, more).then_some(used + more)
        });
        if taken.is_err() {
            if let Some(of) = memory.of(self.kind) {
                of.refused.fetch_add(1, Relaxed);
            }
            return false;
        }
        own.used.fetch_add(more, Relaxed);
        if let Some(of) = memory.of(self.kind) {
            of.used.fetch_add(more, Relaxed);
        }
        self.bytes += more;
        true
    }

    /// Makes it as large as what is held, whatever is free.
    pub fn set(&mut self, bytes: usize) {
        if bytes == self.bytes {
            return;
        }
        let Account { memory, own } = &self.account;
        let of = memory.of(self.kind).map(|of| &of.used);
        let counters = [Some(&memory.used), Some(&own.used), of];
        for counter in counters.into_iter().flatten() {
            if bytes >= self.bytes {
                counter.fetch_add(bytes - self.bytes, Relaxed);
            } else {
                counter.fetch_sub(self.bytes - bytes, Relaxed);
            }
        }
        self.bytes = bytes;
    }

    /// Splits off a part, to be given back by itself.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self { account: self.account.clone(), kind: self.kind, bytes }
    }

    /// Ties the grant to bytes: it is given back when their last copy is dropped, wherever that is.
    #[must_use]
    pub fn tie(self, bytes: Bytes) -> Bytes {
        Bytes::from_owner(Tied { bytes, _grant: self })
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.set(0);
    }
}

struct Tied {
    bytes: Bytes,
    _grant: Grant,
}

impl AsRef<[u8]> for Tied {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_gets_a_fifth_and_a_newcomer_finds_room_behind_any_number() {
        let budget = Budget::new(1 << 20);
        // Few enough that each finds its small part.
        let connections = (1 << 18) / SMALL_BYTES - 1;
        let greedy = |account: &Account| {
            let mut grants = Vec::new();
            while let Some(grant) = account.take(Kind::Bodies, 64) {
                grants.push(grant);
            }
            grants
        };
        let first = greedy(&budget.account());
        let held = first.len() * 64;
        assert!((150_000..=(3 << 18) / 5 + 64).contains(&held), "{held}");
        let mut all = vec![first];
        for _ in 1..connections {
            all.push(greedy(&budget.account()));
        }
        let newcomer = budget.account().take(Kind::Bodies, SMALL_BYTES);
        assert!(newcomer.is_some());
        let (used, refused) = budget.figures(Kind::Bodies);
        assert!(used < 1 << 20 && refused >= connections as u64);
        drop((all, newcomer));
        assert_eq!(budget.figures(Kind::Bodies).0, 0);
        assert!(budget.account().has_room(190_000));
    }

    #[test]
    fn a_grant_tied_to_bytes_is_given_back_with_their_last_copy() {
        let budget = Budget::new(1 << 20);
        let mut grant = budget.account().take(Kind::Answers, 100).unwrap();
        let part = grant.split(40).tie(Bytes::from_static(&[7; 40]));
        let copy = part.slice(5..6);
        drop(grant);
        drop(part);
        assert_eq!(budget.figures(Kind::Answers).0, 40);
        assert_eq!(copy[..], [7]);
        drop(copy);
        assert_eq!(budget.figures(Kind::Answers).0, 0);
    }
}
