//! What happens to events on their sender's side, before any thread of the engine hears of them: limits are
//! looked at, records told who writes them, ids looked up, and room in the queue is waited for.

use std::sync::Arc;
use std::time::Duration;

use indelible_core::json::{Limits, Numbers};
use indelible_core::name::{EventId, LedgerName};
use indelible_core::record::PreparedEvent;
use indelible_core::system::System;
use tokio::sync::oneshot;

use super::answer::{Answer, Appended, Pending};
use super::condition::{LeftAlone, Refusal};
use super::entry::LedgerEntry;
use super::lane::Lane;
use super::queue::{Group, Known, Refused, Work};
use super::resolve::Item;
use super::run::Outcome;
use super::sequencer::RETRY_AFTER;
use super::session::{Session, Turn};
use super::tip::Body;
use super::{Engine, ids, lookup, refusing};
use crate::api::{Accepted, Atomicity, LedgerInfo, LedgerSettings, Submission};
use crate::error::{AppendError, CreateError, EventError, ReadError};
use crate::principal::Tenant;
use crate::rows::LedgerNumber;
use crate::signer::SignerName;

/// When a client whose group did not fit into the queue should try again: a few commits later.
const BUSY_RETRY_AFTER: Duration = Duration::from_millis(250);

/// Ids that a task looks up by itself: a new one costs a microsecond, a known one some ten.
const IDS_INLINE_MAX: usize = 16;

impl Engine {
    /// Creates a ledger: its record 0 names its origin, its keys and what is signed, for ever.
    ///
    /// # Errors
    /// [`CreateError::Exists`] when there is one of that name, whatever its settings.
    pub async fn create_ledger(
        &self,
        name: LedgerName,
        settings: impl Into<LedgerSettings>,
    ) -> Result<LedgerInfo, CreateError> {
        match self.ledger(&name) {
            Ok(info) => return Err(CreateError::Exists(Box::new(info))),
            Err(ReadError::NotFound(_)) => {}
            Err(error) => return Err(AppendError::Read(error).into()),
        }
        let settings = settings.into();
        let lane = self.lane_for(settings.signer.as_ref())?;
        let (answer, pending) = oneshot::channel();
        let work = Work::Create(name.clone(), settings);
        let tenant = self.tenant(&Tenant::of_ledger(&name));
        self.push_wait(&lane, self.group_of(work, tenant, (1, 0), answer)).await?;
        let done = pending.await.unwrap_or_else(|_| Err(stopped()))?;
        // It is there by now: an error that says "not created" would be untrue.
        let info = self
            .ledger(&name)
            .map_err(|error| AppendError::OutcomeUnknown { reason: error.to_string().into() })?;
        match done.outcome {
            Outcome::Fresh(_) => Ok(info),
            Outcome::Mixed(_) => Err(CreateError::Exists(Box::new(info))),
        }
    }

    fn lane_for(&self, name: Option<&SignerName>) -> Result<Arc<Lane>, CreateError> {
        let lanes = &self.inner.shared.lanes;
        let lane = name.map_or_else(|| lanes.default(), |name| lanes.named(name));
        lane.cloned().ok_or_else(|| CreateError::UnknownSigner {
            name: name.cloned().unwrap_or_default(),
            known: lanes.iter().map(|lane| lane.name.clone()).collect(),
        })
    }

    /// Puts a group of events into the queue. Never blocks. Groups of one ledger are sequenced in the
    /// order of submission, except that what waits behind a failure may be appended without what failed:
    /// who needs the order to outlast failures takes a [`Engine::session`].
    ///
    /// # Errors
    /// [`AppendError::Busy`] when the queue has no room; other errors when the group can never, or not
    /// now, be appended. The events' own errors come with the answer.
    pub fn submit(
        &self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
    ) -> Result<Pending, AppendError> {
        self.submit_in(ledger, events, atomicity, None)
    }

    /// A new session: groups that are submitted through it keep their order across failures.
    #[must_use]
    pub fn session(&self) -> Session {
        Session::new(self.clone())
    }

    pub(super) fn submit_in(
        &self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
        turn: Option<Turn>,
    ) -> Result<Pending, AppendError> {
        let (lane, group, pending) = self.group(ledger, events, atomicity, turn)?;
        match lane.queue.push(group) {
            Ok(()) => Ok(pending),
            Err((_, refused)) => Err(self.refused(refused)),
        }
    }

    /// As [`Engine::submit`], but waits for room in the queue: for streams, which are slowed down by not
    /// being read.
    ///
    /// # Errors
    /// As [`Engine::submit`], without [`AppendError::Busy`].
    pub async fn submit_wait(
        &self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
    ) -> Result<Pending, AppendError> {
        self.submit_wait_in(ledger, events, atomicity, None).await
    }

    pub(super) async fn submit_wait_in(
        &self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
        turn: Option<Turn>,
    ) -> Result<Pending, AppendError> {
        let (lane, group, pending) = self.group_off_thread(ledger, events, atomicity, turn).await?;
        self.push_wait(&lane, group).await?;
        Ok(pending)
    }

    /// As [`Engine::submit`], for many events in an asynchronous task: looking up their ids does not hold
    /// up other tasks.
    ///
    /// # Errors
    /// As [`Engine::submit`].
    pub async fn submit_many(
        &self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
    ) -> Result<Pending, AppendError> {
        let (lane, group, pending) = self.group_off_thread(ledger, events, atomicity, None).await?;
        match lane.queue.push(group) {
            Ok(()) => Ok(pending),
            Err((_, refused)) => Err(self.refused(refused)),
        }
    }

    /// As [`Engine::group`], in a thread that may wait for the disk where there are many ids.
    async fn group_off_thread(
        &self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
        turn: Option<Turn>,
    ) -> Result<(Arc<Lane>, Group, Pending), AppendError> {
        let ids = events.iter().filter(|one| one.id.is_some()).count();
        match &self.inner.shared.runtime {
            Some(runtime) if ids > IDS_INLINE_MAX => {
                let (engine, ledger) = (self.clone(), ledger.clone());
                let group = move || engine.group(&ledger, events, atomicity, turn);
                runtime.spawn_blocking(group).await.unwrap_or_else(|_| Err(stopped()))
            }
            _ => self.group(ledger, events, atomicity, turn),
        }
    }

    /// Appends a record of the engine's own. With an id that was there before it is the same record
    /// again.
    ///
    /// # Errors
    /// [`AppendError::System`] for a creation, which only [`Engine::create_ledger`] writes, and for kinds
    /// that this program does not know.
    pub async fn append_system(
        &self,
        ledger: &LedgerName,
        system: System,
        id: EventId,
    ) -> Result<Accepted, AppendError> {
        if matches!(system, System::LedgerCreated(_)) {
            return Err(AppendError::System("a ledger is created only once"));
        }
        let canonical =
            system.to_canonical().ok_or(AppendError::System("its kind is not known"))?;
        // What is read back must be what was said.
        if !System::parse(&canonical).is_ok_and(|read| read == system)
            || canonical.len() > Limits::EVENT.bytes_max
        {
            return Err(AppendError::System("it has no canonical form"));
        }
        let bytes = canonical.len();
        let item = Item::new(Some(id), Body::System(canonical));
        let (lane, group, pending) =
            self.look_up(self.writable(ledger)?, vec![item], bytes, Atomicity::AllOrNothing, None)?;
        self.push_wait(&lane, group).await?;
        let appended: Appended = pending.await?;
        match appended.results.into_iter().next() {
            Some(Ok(accepted)) => Ok(accepted),
            Some(Err(error)) => Err(AppendError::Event { index: 0, error }),
            None => Err(stopped()),
        }
    }

    /// What becomes of numbers that a double does not carry, where a client of the ledger does not say.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn numbers(&self, ledger: &LedgerName) -> Result<Numbers, ReadError> {
        Ok(lookup::entry(&self.inner.shared, ledger)?.numbers)
    }

    fn group(
        &self,
        ledger: &LedgerName,
        events: Vec<Submission>,
        atomicity: Atomicity,
        turn: Option<Turn>,
    ) -> Result<(Arc<Lane>, Group, Pending), AppendError> {
        let limits = &self.inner.shared.config.limits;
        let (count, bytes) =
            (events.len(), events.iter().map(|one| one.event.len()).sum::<usize>());
        if count == 0 {
            return Err(AppendError::Empty);
        }
        if count > limits.batch_events_max || bytes > limits.batch_bytes_max {
            return Err(AppendError::TooLarge {
                events: count,
                bytes,
                events_max: limits.batch_events_max,
                bytes_max: limits.batch_bytes_max,
            });
        }
        let (lane, entry) = self.writable(ledger)?;
        let events = self.written(events, &entry, &self.tenant(&entry.tenant))?;
        let items = events.into_iter().map(|one| Item::new(one.id, Body::Event(one.event)));
        let looked_up =
            self.look_up((lane, entry), items.collect(), bytes, atomicity, turn.clone());
        if let (Some(turn), Err(_)) = (turn, &looked_up) {
            // What the client has sent behind it must not be appended without it.
            turn.fail();
        }
        looked_up
    }

    /// Looks ids up in what is durable, on the caller's thread, so that the sequencer, which is there for
    /// everybody, has only to compare them with what is on its way.
    fn look_up(
        &self,
        (lane, entry): (Arc<Lane>, Arc<LedgerEntry>),
        mut items: Vec<Item>,
        bytes: usize,
        atomicity: Atomicity,
        turn: Option<Turn>,
    ) -> Result<(Arc<Lane>, Group, Pending), AppendError> {
        let shared = &self.inner.shared;
        let mut asked = None;
        if items.iter().any(|item| item.id.is_some()) {
            // In this order: what is durable after the first step is seen by the last.
            asked = Some(lane.lookups.ask());
            lookup::head(shared, &entry)
                .and_then(|head| {
                    let (number, size) = (LedgerNumber(entry.number), head.size());
                    ids::look_up(&*shared.store.get()?, number, size, &mut items)
                })
                .map_err(refusing::unavailable)?;
        }
        let mut known = Known::default();
        for item in items.iter().filter(|item| item.is_in_ledger()) {
            known.events += 1;
            known.bytes += item.body.len();
        }
        let (answer, pending) = oneshot::channel::<Answer>();
        let events = items.len();
        let tenant = self.tenant(&entry.tenant);
        let work = Work::Events(entry, items, atomicity, asked);
        let group = self.group_of(work, tenant, (events, bytes), answer);
        Ok((lane, Group { turn, known, ..group }, Pending(pending)))
    }

    /// A group of so many events and bytes, in the name of whoever writes through this clone.
    fn group_of(
        &self,
        work: Work,
        tenant: Tenant,
        (events, bytes): (usize, usize),
        answer: oneshot::Sender<Answer>,
    ) -> Group {
        let principal = self.principal.clone();
        tracing::trace!(%principal, %tenant, events, bytes, "a group is submitted");
        let known = Known::default();
        Group { work, principal, tenant, events, bytes, known, turn: None, answer }
    }

    /// Whose share of the engine it is: the tenant that the principal is bound to, else the ledger's.
    fn tenant(&self, of_ledger: &Tenant) -> Tenant {
        self.principal.tenant().unwrap_or(of_ledger).clone()
    }

    /// Lets events say who wrote them, where the records of their ledger do. Here, on the caller's thread,
    /// because an event is hashed anew for it.
    fn written(
        &self,
        events: Vec<Submission>,
        entry: &LedgerEntry,
        tenant: &Tenant,
    ) -> Result<Vec<Submission>, AppendError> {
        let Some(by) = self.principal.by(entry.principals, tenant) else { return Ok(events) };
        let say = |(index, Submission { id, event }): (usize, Submission)| {
            let event = event.written_by(&by).map_err(|error| {
                let error = EventError::Record(error.to_string().into());
                AppendError::Event { index, error }
            })?;
            Ok(Submission { id, event })
        };
        events.into_iter().enumerate().map(say).collect()
    }

    /// A ledger and the lane that signs it, while it can store.
    fn writable(&self, ledger: &LedgerName) -> Result<(Arc<Lane>, Arc<LedgerEntry>), AppendError> {
        let shared = &self.inner.shared;
        if let Some(reason) = shared.poisoned() {
            return Err(AppendError::Unavailable { reason, retry_after: RETRY_AFTER });
        }
        if let Some(jump) = shared.time.held() {
            return Err(jump.into());
        }
        let entry = lookup::entry(shared, ledger).map_err(|error| match error {
            ReadError::NotFound(name) => AppendError::NotFound(name),
            ReadError::Unavailable { reason } => {
                AppendError::Unavailable { reason, retry_after: RETRY_AFTER }
            }
            other => AppendError::Read(other),
        })?;
        match shared.lanes.of(entry.keys.current()) {
            Some(lane) => match lane.condition.refuses() {
                None => Ok((Arc::clone(lane), entry)),
                Some(Refusal::Resting(LeftAlone { reason, retry_after })) => {
                    Err(AppendError::SignerResting {
                        signer: lane.name.clone(),
                        reason,
                        retry_after,
                    })
                }
                Some(Refusal::Stopped(reason)) => {
                    Err(AppendError::Unavailable { reason, retry_after: RETRY_AFTER })
                }
            },
            None => Err(AppendError::OtherKey {
                expected: entry.keys.current().to_vec(),
                found: shared.lanes.iter().map(|lane| lane.key_id.clone()).collect(),
            }),
        }
    }

    async fn push_wait(&self, lane: &Lane, group: Group) -> Result<(), AppendError> {
        let shared = &self.inner.shared;
        let mut group = group;
        loop {
            // Before the attempt: room that comes up between the two must not be missed.
            let room = lane.queue.room();
            if let Some(reason) = shared.poisoned() {
                return Err(AppendError::Unavailable { reason, retry_after: RETRY_AFTER });
            }
            match lane.queue.push(group) {
                Ok(()) => return Ok(()),
                Err((_, Refused::Closed)) => return Err(AppendError::Closed),
                Err((back, Refused::Full)) => group = *back,
            }
            room.await;
        }
    }

    fn refused(&self, refused: Refused) -> AppendError {
        match refused {
            Refused::Closed => AppendError::Closed,
            Refused::Full => {
                self.inner.shared.metrics.refused_busy.add(1);
                AppendError::Busy { retry_after: BUSY_RETRY_AFTER }
            }
        }
    }
}

fn stopped() -> AppendError {
    AppendError::OutcomeUnknown { reason: "the engine has stopped".into() }
}

impl Submission {
    /// An event with the id that its sender gave it, if any.
    #[must_use]
    pub fn new(id: Option<EventId>, event: PreparedEvent) -> Self {
        Self { id, event }
    }
}
