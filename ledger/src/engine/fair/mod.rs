//! Fairness in two levels: first between tenants, then between the ledgers of a tenant.
//!
//! Both levels take turns by deficit round robin (Shreedhar and Varghese): whoever's turn it is may spend
//! a quantum and what it has saved up, so that shares are equal in work and not in number of groups. How
//! much may wait is bounded by dynamic thresholds (Choudhury and Hahne), likewise in two levels: a tenant
//! may have a multiple of the room that all leave free, and a ledger the same multiple of what its tenant
//! leaves. So neither a ledger nor a tenant with many ledgers keeps the others out, and a newcomer always
//! finds room.

use std::collections::{HashMap, VecDeque};

use crate::principal::Tenant;

/// What an event costs the pipeline beside its bytes, in bytes: a signature takes as long as hashing and
/// copying some kilobytes.
pub(crate) const EVENT_COST_BYTES: usize = 4096;

/// What looking up the id that a client gave costs, in bytes: half of a signature.
pub(crate) const LOOK_UP_COST_BYTES: usize = EVENT_COST_BYTES / 2;

/// What finding a record by an id that the engine made costs, in bytes: blocks are read and bisected by
/// time, which takes as long as a hundred signatures.
pub(crate) const LOOK_UP_MADE_COST_BYTES: usize = 100 * EVENT_COST_BYTES;

/// What each in turn may put into a batch. Small beside a batch, so that one batch holds something of many
/// tenants and ledgers; large beside an event, so that turns are few.
const QUANTUM_BYTES: usize = 32 * EVENT_COST_BYTES;

/// How many times the room that is left a single tenant may occupy, and how many times the room that its
/// tenant leaves a single ledger. One ledger alone gets 16/21 of the queue, two of two tenants 16/37 each,
/// two of one tenant 16/41 each; a tenant with many gets 4/5.
const SHARE_OF_FREE: usize = 4;

/// What waits, in one measure for room and another for turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Load {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Load {
    fn add(&mut self, more: Self) {
        self.events += more.events;
        self.bytes += more.bytes;
    }

    fn take(&mut self, less: Self) {
        self.events -= less.events;
        self.bytes -= less.bytes;
    }

    fn with(self, more: Self) -> Self {
        Self { events: self.events + more.events, bytes: self.bytes + more.bytes }
    }

    /// Whether both are within `max`.
    fn fits(self, max: Self) -> bool {
        self.events <= max.events && self.bytes <= max.bytes
    }
}

/// Something that waits.
#[derive(Debug)]
struct Waiting<T> {
    load: Load,
    /// The work that it makes, in bytes.
    cost: usize,
    item: T,
}

/// How much of its turn somebody has left.
#[derive(Debug, Default)]
struct Turn {
    deficit: usize,
    /// It has got its quantum of this turn: a turn that a full batch breaks off goes on with the next
    /// batch, without another.
    granted: bool,
}

impl Turn {
    fn grant(&mut self) {
        if !std::mem::replace(&mut self.granted, true) {
            self.deficit += QUANTUM_BYTES;
        }
    }
}

/// What waits of one ledger, first come first served.
#[derive(Debug)]
struct Line<T> {
    waiting: VecDeque<Waiting<T>>,
    load: Load,
    turn: Turn,
}

/// What waits of one tenant.
#[derive(Debug)]
struct Lines<T> {
    lines: HashMap<u64, Line<T>>,
    /// The lines, none of them empty, in the order of their turns.
    turns: VecDeque<u64>,
    load: Load,
    turn: Turn,
}

/// Everything that waits.
#[derive(Debug)]
pub(crate) struct Fair<T> {
    tenants: HashMap<Tenant, Lines<T>>,
    /// The tenants of which something waits, in the order of their turns.
    turns: VecDeque<Tenant>,
    load: Load,
}

impl<T> Default for Fair<T> {
    fn default() -> Self {
        Self { tenants: HashMap::new(), turns: VecDeque::new(), load: Load::default() }
    }
}

impl<T> Default for Lines<T> {
    fn default() -> Self {
        let (lines, turns) = (HashMap::new(), VecDeque::new());
        Self { lines, turns, load: Load::default(), turn: Turn::default() }
    }
}

impl<T> Default for Line<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), load: Load::default(), turn: Turn::default() }
    }
}

impl<T> Fair<T> {
    /// All that waits.
    pub(crate) fn load(&self) -> Load {
        self.load
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// Whether there is room for `more` in a queue of `max`.
    pub(crate) fn has_room(&self, tenant: &Tenant, line: u64, more: Load, max: Load) -> bool {
        let lines = self.tenants.get(tenant);
        let of_tenant = lines.map_or(Load::default(), |lines| lines.load);
        let line = lines.and_then(|lines| lines.lines.get(&line));
        let of_line = line.map_or(Load::default(), |line| line.load);
        let fits = |of: fn(Load) -> usize| {
            let (more, free) = (of(more), of(max).saturating_sub(of(self.load)));
            let (of_tenant, of_line) = (of(of_tenant), of(of_line));
            let left_to_tenant = (free * SHARE_OF_FREE).saturating_sub(of_tenant);
            // Who has nothing here gets its first group as long as anything is left to it at all, so that
            // a group of any allowed size can be taken some time.
            let is_first = of_line == 0 && free > 0 && (of_tenant == 0 || left_to_tenant > 0);
            let is_within = more <= free
                && more <= left_to_tenant
                && of_line + more <= left_to_tenant * SHARE_OF_FREE;
            is_first || is_within
        };
        fits(|load| load.events) && fits(|load| load.bytes)
    }

    /// Puts something at the end of a line. `cost` is the work that it makes, in bytes.
    pub(crate) fn push(&mut self, tenant: &Tenant, line: u64, load: Load, cost: usize, item: T) {
        self.load.add(load);
        let lines = self.tenants.entry(tenant.clone()).or_insert_with(|| {
            self.turns.push_back(tenant.clone());
            Lines::default()
        });
        lines.push(line, Waiting { load, cost, item });
    }

    /// Takes what fits into a batch of `max`, in turn; at least one where anything waits.
    pub(crate) fn gather(&mut self, max: Load) -> Vec<T> {
        let (mut taken, mut items) = (Load::default(), Vec::new());
        while let Some(tenant) = self.turns.front() {
            let Some(lines) = self.tenants.get_mut(tenant) else {
                self.turns.pop_front();
                continue;
            };
            lines.turn.grant();
            // Its turn ends when it has nothing left or cannot afford what is next.
            while let Some((load, cost)) = lines.next() {
                if !taken.with(load).fits(max) && !items.is_empty() {
                    return items;
                }
                if cost > lines.turn.deficit {
                    break;
                }
                taken.add(load);
                self.load.take(load);
                items.extend(lines.take());
            }
            if lines.turns.is_empty() {
                self.tenants.remove(tenant);
                self.turns.pop_front();
            } else {
                lines.turn.granted = false;
                self.turns.rotate_left(1);
            }
        }
        items
    }
}

impl<T> Lines<T> {
    fn push(&mut self, number: u64, waiting: Waiting<T>) {
        self.load.add(waiting.load);
        let line = self.lines.entry(number).or_insert_with(|| {
            self.turns.push_back(number);
            Line::default()
        });
        line.load.add(waiting.load);
        line.waiting.push_back(waiting);
    }

    /// Lets the lines take their turns until the first of them can afford what is next in it: its load and
    /// its cost.
    fn next(&mut self) -> Option<(Load, usize)> {
        loop {
            let line = self.lines.get_mut(self.turns.front()?)?;
            line.turn.grant();
            let next = line.waiting.front()?;
            if next.cost <= line.turn.deficit {
                return Some((next.load, next.cost));
            }
            line.turn.granted = false;
            self.turns.rotate_left(1);
        }
    }

    /// Takes what is next in the first line.
    fn take(&mut self) -> Option<T> {
        let number = *self.turns.front()?;
        let line = self.lines.get_mut(&number)?;
        let Waiting { load, cost, item } = line.waiting.pop_front()?;
        line.load.take(load);
        line.turn.deficit -= cost;
        self.load.take(load);
        self.turn.deficit -= cost;
        if line.waiting.is_empty() {
            self.lines.remove(&number);
            self.turns.pop_front();
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests;
