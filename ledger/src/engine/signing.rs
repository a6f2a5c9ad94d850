//! The second stage: every digest that needs a signature and one checkpoint for each ledger, signed;
//! then the rows of the commit, ready to be written.
//!
//! Nothing of a batch exists before its signatures do. When signing fails the batch ends here, and with
//! it everything that was chained to it in the same epoch.

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use indelible_core::checkpoint::Checkpoint;
use indelible_core::ed25519;
use indelible_core::hash::Digest;
use indelible_core::key::{Algorithm, Ed25519Signature, RecordKey, Signature};
use indelible_core::note;

use super::batch::{Batch, Waiting, fail_all};
use super::queue::Completion;
use super::rows_of_commit::{self, Commit};
use super::run::{SignedRun, ToSign};
use super::sequencer::RETRY_AFTER;
use super::shared::Shared;
use crate::api::SignedCheckpoint;
use crate::error::AppendError;
use crate::metrics::Health;
use crate::signer::{SignError, SignRequest, Signer, block_on};

/// Signatures below which a batch is signed by one thread: handing half of it over costs some tens of
/// microseconds, a handful of signatures.
const SPLIT_MIN: usize = 32;

/// Of the signatures of a signer in this process one in so many is checked (40 us against 7.7 us for
/// making it): enough to notice a broken processor or library within a second, 0.1 us an event.
const SAMPLE_EVERY: usize = 512;

/// Everything of one batch that is signed.
struct Messages {
    digests: Vec<Digest>,
    notes: Vec<String>,
}

impl Messages {
    fn len(&self) -> usize {
        self.digests.len() + self.notes.len()
    }

    fn requests(&self, from: usize, to: usize) -> Vec<SignRequest<'_>> {
        let digests = self.digests.iter().map(SignRequest::Digest);
        let notes = self.notes.iter().map(|text| SignRequest::Note(text));
        digests.chain(notes).skip(from).take(to.saturating_sub(from)).collect()
    }
}

/// The second thread that signs: gets its half, sends it back.
struct Helper {
    jobs: Sender<(Arc<Messages>, usize)>,
    results: Receiver<Result<Vec<Signature>, SignError>>,
}

pub(crate) struct Signing {
    shared: Arc<Shared>,
    next_stage: Sender<Commit>,
    helper: Option<Helper>,
    /// The last epoch of which a batch failed here.
    failed_epoch: Option<u64>,
    /// Signatures since the last one that was checked. Begins full, so that the first batch is checked.
    unchecked: usize,
}

impl Signing {
    /// Prepares the stage; a second thread helps where the signer allows it.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn new(shared: Arc<Shared>, next_stage: Sender<Commit>) -> std::io::Result<Self> {
        let wanted = shared.config.limits.sign_threads > 1 && shared.signer.in_process();
        let helper = wanted.then(|| start_helper(Arc::clone(&shared.signer))).transpose()?;
        Ok(Self { shared, next_stage, helper, failed_epoch: None, unchecked: SAMPLE_EVERY })
    }

    /// Works until the sequencer is done.
    pub(crate) fn run(mut self, batches: Receiver<Batch>) {
        let runtime = self.shared.runtime.clone();
        let _context = runtime.as_ref().map(tokio::runtime::Handle::enter);
        while let Ok(batch) = batches.recv() {
            if self.failed_epoch == Some(batch.epoch) {
                let error = AppendError::Unavailable {
                    reason: "an earlier batch could not be signed".into(),
                    retry_after: RETRY_AFTER,
                };
                self.fail(batch.serial, batch.epoch, batch.waiting, &error);
            } else {
                self.batch(batch);
            }
        }
    }

    fn batch(&mut self, mut batch: Batch) {
        let begun = Instant::now();
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
        let signed = self.sign(&messages).and_then(|signatures| {
            self.check(&messages, &signatures)?;
            parted(self.shared.record_key.algorithm(), &messages, signatures)
        });
        let signatures = match signed {
            Ok(signatures) => signatures,
            Err(error) => return self.refuse(batch, error),
        };
        self.shared.metrics.signatures.add(messages.len() as u64);
        if !batch.runs.is_empty() {
            self.shared.metrics.sign_latency_us.record(begun.elapsed().as_micros() as u64);
            self.report_success();
        }
        let runs = std::mem::take(&mut batch.runs);
        let signed_runs = self.attach(runs, checkpoints, &messages, signatures);
        match rows_of_commit::encode(batch, signed_runs) {
            Ok(commit) => {
                // The next stage ends only after this one; were it gone, the waiters would hear it from
                // their dropped answers.
                let _ = self.next_stage.send(commit);
            }
            Err(failed) => {
                let (batch, error) = *failed;
                self.fail(batch.serial, batch.epoch, batch.waiting, &AppendError::Read(error));
            }
        }
    }

    /// Gives each run its share of the signatures.
    fn attach(
        &self,
        runs: Vec<super::run::Sealed>,
        checkpoints: Vec<Checkpoint>,
        messages: &Messages,
        (of_digests, of_notes): (Vec<Signature>, Vec<Ed25519Signature>),
    ) -> Vec<rows_of_commit::RunToStore> {
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
                    note::signature_line(&sealed.entry.origin, &self.shared.note_key, signature);
                let note = note::assemble(text, &line);
                let signed = SignedRun {
                    creation: sealed.entry.signed_creation().cloned(),
                    first: sealed.first,
                    prev: sealed.prev,
                    facts: sealed.facts,
                    growth: sealed.growth,
                    key_id: self.shared.key_id.clone(),
                    to_sign: sealed.to_sign,
                    signatures: own.to_vec(),
                    checkpoint: Arc::new(SignedCheckpoint { checkpoint, note }),
                };
                rows_of_commit::RunToStore {
                    entry: sealed.entry,
                    creation: sealed.creation,
                    blocks: sealed.blocks,
                    tiles: sealed.tiles,
                    signed,
                }
            })
            .collect()
    }

    fn sign(&self, messages: &Arc<Messages>) -> Result<Vec<Signature>, SignError> {
        let count = messages.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let signer = &*self.shared.signer;
        let signatures = match &self.helper {
            Some(helper) if count >= SPLIT_MIN => {
                let middle = count / 2;
                let gone = |_| SignError::Unavailable("the second signing thread is gone".into());
                helper.jobs.send((Arc::clone(messages), middle)).map_err(|_| gone(()))?;
                let first = block_on(signer.sign(&messages.requests(0, middle)));
                // Always taken, so that the next batch does not find this one's half.
                let second = helper.results.recv().map_err(|_| gone(()))?;
                let mut all = first?;
                all.extend(second?);
                all
            }
            _ => block_on(signer.sign(&messages.requests(0, count)))?,
        };
        if signatures.len() == count {
            Ok(signatures)
        } else {
            let text = format!("{} signatures for {count} messages", signatures.len());
            Err(SignError::Wrong(text.into()))
        }
    }

    /// Checks signatures before anything is stored: by sample where the signer is in this process, all
    /// of them where it is not.
    fn check(&mut self, messages: &Messages, signatures: &[Signature]) -> Result<(), SignError> {
        if !self.shared.signer.in_process() {
            return check_all(&self.shared, messages, signatures);
        }
        self.unchecked += signatures.len();
        if self.unchecked < SAMPLE_EVERY || signatures.is_empty() {
            return Ok(());
        }
        self.unchecked = 0;
        // Which one does not matter as long as nobody can foresee it.
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| no_random(&error))?;
        let place = (u64::from_le_bytes(random) % signatures.len() as u64) as usize;
        let requests = messages.requests(place, place + 1);
        match (requests.first(), signatures.get(place)) {
            (Some(request), Some(signature)) => check_one(&self.shared, request, signature),
            _ => Ok(()),
        }
    }

    /// The batch could not be signed: nothing of it exists.
    fn refuse(&mut self, batch: Batch, error: SignError) {
        tracing::error!(%error, events = batch.records(), "a batch could not be signed");
        self.shared.metrics.sign_failures.add(1);
        let mut health = self.shared.health.lock();
        if matches!(*health, Health::Ready | Health::SignerFailing { .. }) {
            *health = Health::SignerFailing { reason: error.to_string().into() };
        }
        drop(health);
        self.fail(batch.serial, batch.epoch, batch.waiting, &AppendError::Signing(error));
    }

    fn fail(&mut self, serial: u64, epoch: u64, waiting: Vec<Waiting>, error: &AppendError) {
        self.failed_epoch = Some(epoch);
        // Before the answers: who hears of the failure and sends again must not be chained to it.
        self.shared.queue.complete(Completion { serial, durable: false });
        fail_all(waiting, error);
    }

    fn report_success(&self) {
        let mut health = self.shared.health.lock();
        if matches!(*health, Health::SignerFailing { .. }) {
            *health = Health::Ready;
        }
    }
}

fn start_helper(signer: Arc<dyn Signer>) -> std::io::Result<Helper> {
    let (jobs, to_do) = bounded::<(Arc<Messages>, usize)>(1);
    let (done, results) = bounded(1);
    std::thread::Builder::new().name("indelible-sign-2".into()).spawn(move || {
        // Ends when the stage drops its end of the channel.
        while let Ok((messages, from)) = to_do.recv() {
            let signed = block_on(signer.sign(&messages.requests(from, messages.len())));
            drop(messages);
            if done.send(signed).is_err() {
                return;
            }
        }
    })?;
    Ok(Helper { jobs, results })
}

fn no_random(error: &getrandom::Error) -> SignError {
    SignError::Unavailable(format!("no random bytes to check signatures with: {error}").into())
}

/// The signatures of the digests, all of the record key's algorithm, and those of the notes.
fn parted(
    algorithm: Algorithm,
    messages: &Messages,
    signatures: Vec<Signature>,
) -> Result<(Vec<Signature>, Vec<Ed25519Signature>), SignError> {
    let mut of_digests = signatures;
    let of_notes = of_digests.split_off(messages.digests.len().min(of_digests.len()));
    if of_digests.iter().any(|signature| signature.algorithm() != Some(algorithm)) {
        return Err(SignError::Wrong("it is not of the record key's algorithm".into()));
    }
    let of_notes: Option<Vec<_>> =
        of_notes.iter().map(|signature| signature.ed25519().copied()).collect();
    let of_notes = of_notes
        .ok_or_else(|| SignError::Wrong("a note is signed with another key than Ed25519".into()))?;
    Ok((of_digests, of_notes))
}

/// Checks every signature: the records' in bulk by their rule, the checkpoints' one by one by theirs.
fn check_all(
    shared: &Shared,
    messages: &Messages,
    signatures: &[Signature],
) -> Result<(), SignError> {
    let of_digests = signatures.get(..messages.digests.len()).unwrap_or(signatures);
    let bad = wrong_of_records(&shared.record_key, &messages.digests, of_digests)?;
    if bad > 0 {
        let text = format!("{bad} of {} do not fit their digests", of_digests.len());
        return Err(SignError::Wrong(text.into()));
    }
    let notes = messages.notes.iter().zip(signatures.iter().skip(messages.digests.len()));
    for (text, signature) in notes {
        check_one(shared, &SignRequest::Note(text), signature)?;
    }
    Ok(())
}

/// How many signatures do not fit their digests.
fn wrong_of_records(
    key: &RecordKey,
    digests: &[Digest],
    signatures: &[Signature],
) -> Result<usize, SignError> {
    let signed = digests.iter().zip(signatures);
    let Some(ed25519_key) = key.ed25519() else {
        return Ok(signed.filter(|(digest, signature)| !key.verify(digest, signature)).count());
    };
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| no_random(&error))?;
    let items: Vec<(&[u8], &Ed25519Signature)> = signed
        .filter_map(|(digest, signature)| Some((&digest.as_bytes()[..], signature.ed25519()?)))
        .collect();
    let of_others = signatures.len() - items.len();
    if of_others == 0 && ed25519::verify_bulk(ed25519_key, &items, seed) {
        return Ok(0);
    }
    Ok(of_others + ed25519::verify_bulk_report(ed25519_key, &items, seed).len())
}

/// Checks one signature by the rule that its kind of message has.
pub(crate) fn check_one(
    shared: &Shared,
    request: &SignRequest<'_>,
    signature: &Signature,
) -> Result<(), SignError> {
    let (good, what) = match request {
        SignRequest::Digest(digest) => {
            (shared.record_key.verify(digest, signature), "it does not fit its digest")
        }
        SignRequest::Note(text) => {
            let fits = signature.ed25519().is_some_and(|signature| {
                ed25519::verify_strict(&shared.note_key, text.as_bytes(), signature)
            });
            (fits, "it does not fit its note")
        }
    };
    if good { Ok(()) } else { Err(SignError::Wrong(what.into())) }
}
