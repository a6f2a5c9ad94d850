//! What one batch needs signed, and whether what came back fits.

use indelible_core::ed25519;
use indelible_core::hash::Digest;
use indelible_core::key::{Ed25519Signature, RecordKey, Signature};

use super::super::lane::SignerKeys;
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

/// The signatures of the digests, all of the record key's algorithm, and those of the notes.
pub(crate) fn parted(
    keys: &SignerKeys,
    messages: &Messages,
    signatures: Vec<Signature>,
) -> Result<(Vec<Signature>, Vec<Ed25519Signature>), SignError> {
    let algorithm = Some(keys.record.algorithm());
    let mut of_digests = signatures;
    let of_notes = of_digests.split_off(messages.digests.len().min(of_digests.len()));
    if of_digests.iter().any(|signature| signature.algorithm() != algorithm) {
        return Err(SignError::Wrong("it is not of the record key's algorithm".into()));
    }
    let of_notes: Option<Vec<_>> =
        of_notes.iter().map(|signature| signature.ed25519().copied()).collect();
    Ok((of_digests, of_notes.ok_or_else(other_than_ed25519)?))
}

fn other_than_ed25519() -> SignError {
    SignError::Wrong("a note is signed with another key than Ed25519".into())
}

/// The signature of one note.
pub(crate) fn of_note(signatures: Vec<Signature>) -> Result<Ed25519Signature, SignError> {
    let [signature] = signatures.as_slice() else {
        return Err(SignError::Wrong("not one signature for one text".into()));
    };
    signature.ed25519().copied().ok_or_else(other_than_ed25519)
}

/// Checks every signature: the records' in bulk by their rule, the checkpoints' one by one by theirs.
pub(crate) fn check_all(
    keys: &SignerKeys,
    messages: &Messages,
    signatures: &[Signature],
) -> Result<(), SignError> {
    messages.check_count(signatures)?;
    let of_digests = signatures.get(..messages.digests.len()).unwrap_or(signatures);
    let bad = wrong_of_records(&keys.record, &messages.digests, of_digests)?;
    if bad > 0 {
        let text = format!("{bad} of {} do not fit their digests", of_digests.len());
        return Err(SignError::Wrong(text.into()));
    }
    let notes = messages.notes.iter().zip(signatures.iter().skip(messages.digests.len()));
    for (text, signature) in notes {
        check_one(keys, &SignRequest::Note(text), signature)?;
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
    keys: &SignerKeys,
    request: &SignRequest<'_>,
    signature: &Signature,
) -> Result<(), SignError> {
    let (good, what) = match request {
        SignRequest::Digest(digest) => {
            (keys.record.verify(digest, signature), "it does not fit its digest")
        }
        SignRequest::Note(text) => {
            let fits = signature.ed25519().is_some_and(|signature| {
                ed25519::verify_strict(&keys.note, text.as_bytes(), signature)
            });
            (fits, "it does not fit its note")
        }
    };
    if good { Ok(()) } else { Err(SignError::Wrong(what.into())) }
}
