//! The second stage of a lane: every digest that needs a signature and one checkpoint for each ledger,
//! signed; then the blocks as they will be stored.
//!
//! Nothing of a batch exists before its signatures do. When signing fails the batch ends here, and with
//! it everything that was chained to it in the same epoch. No other lane hears of it.

mod call;
mod inbox;
mod local;
mod messages;
mod remote;

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Instant;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::key::{Ed25519Signature, Signature};
use indelible_core::note;
use tokio::sync::oneshot;

use super::batch::{Batch, fail_all};
use super::committing::Desk;
use super::lane::Lane;
use super::queue::Completion;
use super::rows_of_commit::{RunToStore, SignedBatch};
use super::run::{Sealed, SignedRun, ToSign};
use super::sequencer::RETRY_AFTER;
use super::shared::Shared;
use crate::api::SignedCheckpoint;
use crate::error::{AppendError, ReadError};
use crate::signer::{SignError, SignRequest};

pub(crate) use self::inbox::{Inbox, Job, Note};
pub(crate) use self::local::LocalSigning;
use self::messages::{Messages, check_one, of_note, parted};
use self::remote::Remote;

/// A batch with what is to be signed of it.
pub(crate) struct Prepared {
    batch: Batch,
    checkpoints: Vec<Checkpoint>,
    messages: Arc<Messages>,
    begun: Instant,
}

/// What both ways of signing share: where a batch comes from and where it goes.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) shared: Arc<Shared>,
    pub(crate) lane: Arc<Lane>,
    pub(crate) desk: Arc<Desk>,
}

impl Stage {
    /// Works until the sequencer is done.
    pub(crate) fn run(&self) {
        let runtime = self.shared.runtime.clone();
        let _context = runtime.as_ref().map(tokio::runtime::Handle::enter);
        if self.lane.local.is_none() {
            return Remote::new(self).run();
        }
        loop {
            let (jobs, more) = self.lane.inbox.take(None);
            if !more && jobs.is_empty() {
                return;
            }
            for job in jobs {
                // Notes are signed by whoever wants them where that is computation only.
                if let Job::Batch(batch) = job {
                    self.sign_here(batch, false);
                }
            }
        }
    }

    /// Signs a batch on this thread with a key in this process. With `inline` this thread also commits
    /// it, where nobody else is committing.
    pub(crate) fn sign_here(&self, batch: Batch, inline: bool) {
        if let Some(error) = self.chained_to_failure(&batch) {
            return self.fail(batch, &error);
        }
        let prepared = self.prepare(batch);
        let Some(local) = &self.lane.local else {
            let error = SignError::Unavailable("its key is not in this process".into());
            return self.refuse(prepared.batch, error, true);
        };
        let signed = local.lock().sign(&self.lane.keys, &prepared.messages);
        match signed {
            Ok(signatures) => self.hand_over(prepared, signatures, inline),
            Err(error) => self.refuse(prepared.batch, error, true),
        }
    }

    /// Why a batch need not be signed: something before it in its epoch has failed.
    fn chained_to_failure(&self, batch: &Batch) -> Option<AppendError> {
        let reason = if self.lane.failed_signing.contain(batch.epoch) {
            "an earlier batch could not be signed"
        } else if self.lane.failed_committing.contain(batch.epoch) {
            "an earlier batch could not be stored"
        } else {
            return None;
        };
        Some(AppendError::Unavailable { reason: reason.into(), retry_after: RETRY_AFTER })
    }

    pub(crate) fn prepare(&self, batch: Batch) -> Prepared {
        let checkpoints: Vec<Checkpoint> = batch
            .runs
            .iter()
            .map(|run| Checkpoint {
                origin: run.entry.origin.clone(),
                size: run.size(),
                root: run.growth.root(),
            })
            .collect();
        let mut digests = Vec::with_capacity(batch.records());
        batch.runs.iter().for_each(|run| run.push_digests_to_sign(&mut digests));
        let notes = checkpoints.iter().map(Checkpoint::body).collect();
        let messages = Arc::new(Messages { digests, notes });
        Prepared { batch, checkpoints, messages, begun: Instant::now() }
    }

    fn signed(&self, prepared: Prepared, signatures: Vec<Signature>) {
        self.hand_over(prepared, signatures, false);
    }

    fn hand_over(&self, prepared: Prepared, signatures: Vec<Signature>, inline: bool) {
        let Prepared { mut batch, checkpoints, messages, begun } = prepared;
        let signatures = match parted(&self.lane.keys, &messages, signatures) {
            Ok(signatures) => signatures,
            Err(error) => return self.refuse(batch, error, true),
        };
        let count = messages.len() as u64;
        self.shared.metrics.signatures.add(count);
        self.lane.signatures.fetch_add(count, SeqCst);
        if !batch.runs.is_empty() {
            self.shared.metrics.sign_latency_us.record(begun.elapsed().as_micros() as u64);
            self.lane.condition.succeeded();
        }
        let runs = std::mem::take(&mut batch.runs);
        match self.attach(runs, checkpoints, &messages, signatures) {
            Ok(runs) => {
                let signed = SignedBatch::new(Arc::clone(&self.lane), batch, runs);
                self.desk.hand_over(&self.shared, signed, inline);
            }
            Err(error) => {
                self.lane.failed_signing.note(batch.epoch);
                self.fail(batch, &AppendError::Read(error));
            }
        }
    }

    /// Gives each run its share of the signatures.
    ///
    /// # Errors
    /// When a block does not take its signatures, which is a fault of this program.
    fn attach(
        &self,
        runs: Vec<Sealed>,
        checkpoints: Vec<Checkpoint>,
        messages: &Messages,
        (of_digests, of_notes): (Vec<Signature>, Vec<Ed25519Signature>),
    ) -> Result<Vec<RunToStore>, ReadError> {
        let mut rest = &*of_digests;
        let notes = of_notes.iter().zip(&messages.notes);
        let with_notes = runs.into_iter().zip(checkpoints).zip(notes);
        with_notes
            .map(|((sealed, checkpoint), (signature, text))| {
                let count = match &sealed.to_sign {
                    ToSign::All => sealed.facts.digests.len(),
                    ToSign::These(places) => places.len(),
                };
                let (own, others) = rest.split_at(count.min(rest.len()));
                rest = others;
                let line =
                    note::signature_line(&sealed.entry.origin, &self.lane.keys.note, signature);
                let note = note::assemble(text, &line);
                let signed = SignedRun {
                    creation: sealed.entry.signed_creation().cloned(),
                    first: sealed.first,
                    prev: sealed.prev,
                    facts: sealed.facts,
                    growth: sealed.growth,
                    key_id: self.lane.key_id.clone(),
                    to_sign: sealed.to_sign,
                    signatures: own.to_vec(),
                    checkpoint: Arc::new(SignedCheckpoint { checkpoint, note }),
                };
                RunToStore::new(sealed.entry, sealed.creation, sealed.blocks, sealed.tiles, signed)
            })
            .collect()
    }

    /// The batch could not be signed: nothing of it exists.
    fn refuse(&self, batch: Batch, error: SignError, was_asked: bool) {
        let lane = &self.lane;
        tracing::error!(signer = %lane.name, %error, events = batch.records(), "a batch could not be signed");
        self.shared.metrics.sign_failures.add(1);
        lane.sign_failures.fetch_add(1, SeqCst);
        if was_asked {
            lane.condition.failed(&error.to_string(), lane.local.is_none());
        }
        lane.failed_signing.note(batch.epoch);
        self.fail(batch, &AppendError::Signing(error));
    }

    fn fail(&self, batch: Batch, error: &AppendError) {
        // Before the answers: who hears of the failure and sends again must not be chained to it.
        self.lane.queue.complete(Completion { serial: batch.serial, durable: false });
        fail_all(batch.waiting, error);
    }
}

/// Signs a text beside the records: at once where the key is in this process, otherwise in the lane's
/// thread, with its deadline and retries.
///
/// # Errors
/// [`SignError`].
pub(crate) async fn sign_note(lane: &Lane, text: &str) -> Result<Ed25519Signature, SignError> {
    if lane.local.is_some() {
        let request = SignRequest::Note(text);
        let signatures = lane.signer.sign(&[request]).await?;
        if let Some(signature) = signatures.first() {
            check_one(&lane.keys, &request, signature)?;
        }
        return of_note(signatures);
    }
    let gone = || SignError::Unavailable("the server is shutting down".into());
    let (answer, signed) = oneshot::channel();
    let note = Note { text: text.to_owned(), answer };
    lane.inbox.push(Job::Note(note)).map_err(|_| gone())?;
    signed.await.unwrap_or_else(|_| Err(gone()))
}
