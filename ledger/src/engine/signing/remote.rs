//! Signing with a signer in another process: several batches are with it at once, and become durable in
//! their order.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use indelible_core::key::Ed25519Signature;
use tokio::sync::oneshot;

use super::call::{Call, Driven, probe};
use super::inbox::{Job, Note};
use super::messages::{Messages, of_note};
use super::{Prepared, Stage};
use crate::signer::SignError;

/// A batch that is with the signer.
struct Ticket {
    prepared: Prepared,
    call: Call,
}

/// A text that is with the signer.
struct NoteTicket {
    answer: oneshot::Sender<Result<Ed25519Signature, SignError>>,
    call: Call,
}

struct Probe {
    asked: Driven<()>,
    until: Instant,
}

pub(super) struct Remote<'a> {
    stage: &'a Stage,
    tickets: VecDeque<Ticket>,
    notes: Vec<NoteTicket>,
    probe: Option<Probe>,
    /// When the signer last said something about itself.
    heard: Instant,
}

impl<'a> Remote<'a> {
    pub(super) fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            tickets: VecDeque::new(),
            notes: Vec::new(),
            probe: None,
            heard: Instant::now(),
        }
    }

    /// Works until the sequencer is done and everything has an answer.
    pub(super) fn run(mut self) {
        let mut more = true;
        loop {
            let jobs;
            (jobs, more) = self.stage.lane.inbox.take(self.next_time(more));
            for job in jobs {
                match job {
                    Job::Batch(batch) => self.begin(self.stage.prepare(batch)),
                    Job::Note(note) => self.begin_note(note),
                }
            }
            self.step();
            self.look_after(more);
            if !more && self.tickets.is_empty() && self.notes.is_empty() {
                return;
            }
        }
    }

    fn begin(&mut self, prepared: Prepared) {
        let stage = self.stage;
        if let Some(error) = stage.chained_to_failure(&prepared.batch) {
            return stage.fail(prepared.batch, &error);
        }
        let lane = &stage.lane;
        if prepared.messages.len() > 0
            && let Some(alone) = lane.condition.left_alone()
        {
            return stage.refuse(prepared.batch, SignError::Unavailable(alone.reason), false);
        }
        let allowed = stage.shared.config.limits.sign_deadline;
        let call = Call::new(lane, Arc::clone(&prepared.messages), allowed);
        self.tickets.push_back(Ticket { prepared, call });
    }

    fn begin_note(&mut self, note: Note) {
        let messages = Arc::new(Messages { digests: Vec::new(), notes: vec![note.text] });
        let allowed = self.stage.shared.config.limits.sign_deadline;
        let call = Call::new(&self.stage.lane, messages, allowed);
        self.notes.push(NoteTicket { answer: note.answer, call });
    }

    fn step(&mut self) {
        let lane = &self.stage.lane;
        let retries_max = self.stage.shared.config.limits.sign_retries_max;
        self.tickets.iter_mut().for_each(|ticket| ticket.call.step(lane, retries_max));
        self.notes.iter_mut().for_each(|ticket| ticket.call.step(lane, retries_max));
        while let Some(ticket) = self.tickets.pop_front_if(|ticket| ticket.call.is_done()) {
            self.settle(ticket);
        }
        for done in self.notes.extract_if(.., |ticket| ticket.call.is_done()) {
            let signatures = done.call.into_outcome();
            let one = signatures.and_then(of_note);
            // Who wanted it may have gone.
            let _ = done.answer.send(one);
        }
        let oldest = self.tickets.iter().map(|ticket| ticket.call.begun);
        lane.condition.waits_since(oldest.chain(self.notes.iter().map(|one| one.call.begun)).min());
    }

    fn settle(&mut self, ticket: Ticket) {
        let Ticket { prepared, call } = ticket;
        let stage = self.stage;
        if let Some(error) = stage.chained_to_failure(&prepared.batch) {
            return stage.fail(prepared.batch, &error);
        }
        let (begun, asked) = (call.begun, call.messages().len() > 0);
        match call.into_outcome() {
            Ok(signatures) => {
                if asked {
                    self.heard = Instant::now();
                    stage.lane.sign_latency.record(begun.elapsed());
                }
                stage.signed(prepared, signatures);
            }
            Err(error) => {
                self.heard = Instant::now();
                stage.refuse(prepared.batch, error, true);
                // What is chained to it is of no use to anybody, and need not be waited for.
                for ticket in std::mem::take(&mut self.tickets) {
                    match stage.chained_to_failure(&ticket.prepared.batch) {
                        Some(error) => stage.fail(ticket.prepared.batch, &error),
                        None => self.tickets.push_back(ticket),
                    }
                }
            }
        }
    }

    /// Asks the signer how it is when it has nothing to do, or was left alone for long enough.
    fn look_after(&mut self, more: bool) {
        let lane = &self.stage.lane;
        let now = Instant::now();
        if let Some(probe) = &mut self.probe {
            let answer = probe.asked.step();
            let outcome = match answer {
                Some(Ok(())) => Ok(()),
                Some(Err(error)) => Err(error.to_string()),
                None if now >= probe.until => {
                    Err("it does not answer when asked for its health".into())
                }
                None => return,
            };
            lane.condition
                .probed(outcome.as_ref().map_or_else(|error| Err(error.as_str()), |()| Ok(())));
            self.probe = None;
            self.heard = now;
        } else if more && self.probe_at().is_some_and(|at| now >= at) {
            let until = now + self.stage.shared.config.limits.signer_health_interval;
            self.probe = Some(Probe { asked: probe(lane), until });
            // It may have its answer at once.
            lane.inbox.ring();
        }
    }

    fn probe_at(&self) -> Option<Instant> {
        match self.stage.lane.condition.rests_until() {
            Some(until) => Some(until),
            None if self.tickets.is_empty() => {
                Some(self.heard + self.stage.shared.config.limits.signer_health_interval)
            }
            None => None,
        }
    }

    fn next_time(&self, probes: bool) -> Option<Instant> {
        let lane = &self.stage.lane;
        let calls = self.tickets.iter().map(|ticket| &ticket.call);
        let calls = calls.chain(self.notes.iter().map(|note| &note.call));
        let probe = match &self.probe {
            Some(probe) => Some(probe.until),
            None if probes => self.probe_at(),
            None => None,
        };
        calls.filter_map(|call| call.next_time(lane)).chain(probe).min()
    }
}
