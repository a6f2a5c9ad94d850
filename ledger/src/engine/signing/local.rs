//! Signing with a key in this process: computation and nothing else, on whichever thread has the batch.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, bounded};
use indelible_core::key::Signature;

use super::super::lane::SignerKeys;
use super::messages::{Messages, check_one, no_random};
use crate::config::EngineLimits;
use crate::signer::{SignError, Signer, block_on};

/// Signatures below which a batch is signed by one thread: handing half of it over costs some tens of
/// microseconds, a handful of signatures.
const SPLIT_MIN: usize = 32;

/// Of the signatures of a signer in this process one in so many is checked (40 us against 7.7 us for
/// making it): enough to notice a broken processor or library within a second, 0.1 us an event.
const SAMPLE_EVERY: usize = 512;

/// The second thread that signs: gets its half, sends it back.
struct Helper {
    jobs: Sender<(Arc<Messages>, usize)>,
    results: Receiver<Result<Vec<Signature>, SignError>>,
}

pub(crate) struct LocalSigning {
    signer: Arc<dyn Signer>,
    helper: Option<Helper>,
    /// Signatures since the last one that was checked. Begins full, so that the first batch is checked.
    unchecked: usize,
}

impl LocalSigning {
    /// A second thread helps where the limits allow it.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub(crate) fn new(signer: Arc<dyn Signer>, limits: &EngineLimits) -> std::io::Result<Self> {
        let wanted = limits.sign_threads > 1;
        let helper = wanted.then(|| start_helper(Arc::clone(&signer))).transpose()?;
        Ok(Self { signer, helper, unchecked: SAMPLE_EVERY })
    }

    /// Signs everything, and checks a sample of it.
    ///
    /// # Errors
    /// [`SignError`]; there are no signatures then.
    pub(crate) fn sign(
        &mut self,
        keys: &SignerKeys,
        messages: &Arc<Messages>,
    ) -> Result<Vec<Signature>, SignError> {
        let count = messages.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let signatures = match &self.helper {
            Some(helper) if count >= SPLIT_MIN => {
                let middle = count / 2;
                let gone = |_| SignError::Unavailable("the second signing thread is gone".into());
                helper.jobs.send((Arc::clone(messages), middle)).map_err(|_| gone(()))?;
                let first = block_on(self.signer.sign(&messages.requests(0, middle)));
                // Always taken, so that the next batch does not find this one's half.
                let second = helper.results.recv().map_err(|_| gone(()))?;
                let mut all = first?;
                all.extend(second?);
                all
            }
            _ => block_on(self.signer.sign(&messages.requests(0, count)))?,
        };
        messages.check_count(&signatures)?;
        self.check_sample(keys, messages, &signatures)?;
        Ok(signatures)
    }

    fn check_sample(
        &mut self,
        keys: &SignerKeys,
        messages: &Messages,
        signatures: &[Signature],
    ) -> Result<(), SignError> {
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
            (Some(request), Some(signature)) => check_one(keys, request, signature),
            _ => Ok(()),
        }
    }
}

fn start_helper(signer: Arc<dyn Signer>) -> std::io::Result<Helper> {
    let (jobs, to_do) = bounded::<(Arc<Messages>, usize)>(1);
    let (done, results) = bounded(1);
    std::thread::Builder::new().name("indelible-sign-2".into()).spawn(move || {
        // Ends when the lane drops its end of the channel.
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
