//! What one batch needs signed, and whether what came back fits.

use indelible_core::ed25519;
use indelible_core::hash::Digest;
use indelible_core::key::{PublicKey, Signature};

use crate::signer::{SignError, SignRequest};

/// Everything of one batch that is signed.
pub(crate) struct Messages {
    pub(crate) digests: Vec<Digest>,
    pub(crate) notes: Vec<String>,
}

impl Messages {
    pub(crate) fn len(&self) -> usize {
        self.digests.len() + self.notes.len()
    }

    pub(crate) fn requests(&self, from: usize, to: usize) -> Vec<SignRequest<'_>> {
        let digests = self.digests.iter().map(SignRequest::Digest);
        let notes = self.notes.iter().map(|text| SignRequest::Note(text));
        digests.chain(notes).skip(from).take(to.saturating_sub(from)).collect()
    }

    /// Whether there are as many signatures as messages.
    pub(crate) fn check_count(&self, signatures: &[Signature]) -> Result<(), SignError> {
        if signatures.len() == self.len() {
            return Ok(());
        }
        let text = format!("{} signatures for {} messages", signatures.len(), self.len());
        Err(SignError::Wrong(text.into()))
    }
}

pub(crate) fn no_random(error: &getrandom::Error) -> SignError {
    SignError::Unavailable(format!("no random bytes to check signatures with: {error}").into())
}

/// Checks every signature: the records' in bulk by their rule, the checkpoints' one by one by theirs.
pub(crate) fn check_all(
    key: &PublicKey,
    messages: &Messages,
    signatures: &[Signature],
) -> Result<(), SignError> {
    messages.check_count(signatures)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| no_random(&error))?;
    let items: Vec<(&[u8], &Signature)> = messages
        .digests
        .iter()
        .map(|digest| digest.as_bytes().as_slice())
        .zip(signatures)
        .collect();
    if !ed25519::verify_bulk(key, &items, seed) {
        let bad = ed25519::verify_bulk_report(key, &items, seed).len();
        let text = format!("{bad} of {} do not fit their digests", items.len());
        return Err(SignError::Wrong(text.into()));
    }
    let notes = messages.notes.iter().zip(signatures.iter().skip(messages.digests.len()));
    for (text, signature) in notes {
        check_one(key, &SignRequest::Note(text), signature)?;
    }
    Ok(())
}

/// Checks one signature by the rule that its kind of message has.
pub(crate) fn check_one(
    key: &PublicKey,
    request: &SignRequest<'_>,
    signature: &Signature,
) -> Result<(), SignError> {
    let (good, what) = match request {
        SignRequest::Digest(digest) => {
            (ed25519::verify(key, digest.as_bytes(), signature), "it does not fit its digest")
        }
        SignRequest::Note(text) => {
            (ed25519::verify_strict(key, text.as_bytes(), signature), "it does not fit its note")
        }
    };
    if good { Ok(()) } else { Err(SignError::Wrong(what.into())) }
}
