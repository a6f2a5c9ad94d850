//! Receipts: one record with everything that proves it, checkable with a public key and nothing else.
//! `docs/FORMAT.md` section 6.
//!
//! A receipt shows that the record has this digest, that a trusted key signed the digest (where records
//! are signed one by one), and that the digest is a leaf of a tree whose root a trusted key signed.
//! Whether the ledger still is what that checkpoint says, is a question for a later checkpoint and a
//! consistency proof.

use crate::chain::record_digest;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::code::Code;
use crate::ed25519;
use crate::hash::{Digest, NodeHash};
use crate::json::{
    JsonError, JsonErrorCode, Limits, Members, Value, canonicalize, check_canonical, parse_string,
    parse_u64, push_string,
};
use crate::key::{Algorithm, KeyId, RecordSignature, Signature, Trust};
use crate::limits::{DOCUMENT_DEPTH_MAX, PROOF_HASHES_MAX, RECEIPT_FILE_BYTES_MAX};
use crate::merkle::{inclusion, leaf_hash};
use crate::note::{NoteVerifyError, without_byte_order_mark};
use crate::record::{Judged, RecordView, judge};
use crate::system::SignPer;

/// Members of a receipt; with a signature of the record's own there are three more.
const MEMBERS: usize = 6;

/// A receipt. Its parts are not checked against each other before [`verify`](Self::verify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The record, byte for byte as it was hashed.
    pub record: Vec<u8>,
    /// The digest of the record before; `None` for record 0.
    pub prev: Option<Digest>,
    /// The record's digest.
    pub digest: Digest,
    /// The record's own signature, if it carries one.
    pub signature: Option<RecordSignature>,
    /// The inclusion proof of leaf `seq` in the checkpoint's tree.
    pub proof: Vec<NodeHash>,
    /// The checkpoint, a whole signed note.
    pub checkpoint: String,
}

/// A receipt that was found good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<'a> {
    /// The record.
    pub record: RecordView<'a>,
    /// What it is in its place. A kind that is not known, and all behind it, is for a newer program to
    /// check: see [`Judged::unchecked_kind`].
    pub judged: Judged,
    /// The checkpoint that covers it.
    pub checkpoint: Checkpoint,
}

/// What is wrong with a receipt, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {reason}")]
pub struct ReceiptError {
    /// The stable code.
    pub code: Code,
    /// One or two sentences for a person.
    pub reason: String,
}

fn fault(code: Code, reason: impl Into<String>) -> ReceiptError {
    ReceiptError { code, reason: reason.into() }
}

impl Receipt {
    /// The canonical JSON, without a line feed.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.record.len() + self.checkpoint.len() + 1024);
        out.push(b'{');
        if self.signature.is_some() {
            push_member(&mut out, "alg", Algorithm::Ed25519.as_str());
        }
        push_member(&mut out, "checkpoint", &self.checkpoint);
        push_member(&mut out, "digest", &self.digest.to_hex());
        if let Some(signature) = &self.signature {
            push_member(&mut out, "kid", signature.key_id.as_str());
        }
        match &self.prev {
            Some(prev) => push_member(&mut out, "prev", &prev.to_hex()),
            None => out.extend_from_slice(b"\"prev\":null,"),
        }
        out.extend_from_slice(b"\"proof\":[");
        for (place, hash) in self.proof.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            push_string(&mut out, &hash.to_base64());
        }
        out.extend_from_slice(b"],\"record\":");
        out.extend_from_slice(&self.record);
        out.push(b',');
        if let Some(signature) = &self.signature {
            push_member(&mut out, "sig", &signature.signature.to_base64());
        }
        out.extend_from_slice(b"\"v\":1}");
        out
    }

    /// Reads canonical JSON. Shapes are checked, relations between the parts are not.
    ///
    /// # Errors
    /// [`ReceiptError`] with [`Code::NotCanonical`] when the bytes are not a receipt as
    /// [`to_json`](Self::to_json) writes it.
    pub fn parse(json: &[u8]) -> Result<Self, ReceiptError> {
        let members = check_canonical(json, Limits::DOCUMENT).map_err(explain_json)?;
        if !members.is_object() {
            return Err(fault(Code::NotCanonical, "not a receipt: a JSON object is expected"));
        }
        check_version(&members)?;
        let signature = parse_signature(&members)?;
        if members.len() != MEMBERS + if signature.is_some() { 3 } else { 0 } {
            return Err(fault(
                Code::NotCanonical,
                "not a receipt: besides alg, kid and sig, which come together or not at all, a \
                 receipt has exactly the members checkpoint, digest, prev, proof, record and v",
            ));
        }
        let prev = match member(&members, "prev")? {
            b"null" => None,
            prev => Some(parse_text(prev, read_digest).ok_or_else(|| bad_member("prev"))?),
        };
        Ok(Self {
            record: member(&members, "record")?.to_vec(),
            prev,
            digest: text_member(&members, "digest", read_digest)?,
            signature,
            proof: parse_proof(member(&members, "proof")?).ok_or_else(|| bad_member("proof"))?,
            checkpoint: text_member(&members, "checkpoint", |text| Some(text.to_owned()))?,
        })
    }

    /// Reads what other programs make of a receipt when they save it: members in another order, white
    /// space, other escapes, other spellings of the same number, a byte order mark. It is brought into
    /// canonical form and read as [`parse`](Self::parse) does; hashes and signatures are over that form,
    /// so nothing is believed that would not be believed of the receipt as it was sent.
    ///
    /// # Errors
    /// [`ReceiptError`] with [`Code::NotCanonical`]. A number that another program wrote with fewer or
    /// more digits than it had is not taken for another one.
    pub fn from_file(bytes: &[u8]) -> Result<Self, ReceiptError> {
        let limits = Limits { bytes_max: RECEIPT_FILE_BYTES_MAX, depth_max: DOCUMENT_DEPTH_MAX };
        let text = without_byte_order_mark(bytes);
        Self::parse(&canonicalize(text, limits).map_err(explain_json)?)
    }

    /// Checks everything that a receipt can prove by itself and returns its record.
    ///
    /// # Errors
    /// [`ReceiptError`] with the first thing that is wrong.
    pub fn verify(&self, trust: &Trust) -> Result<RecordView<'_>, ReceiptError> {
        self.open(trust).map(|verified| verified.record)
    }

    /// As [`verify`](Self::verify), returning the checkpoint as well.
    ///
    /// # Errors
    /// [`ReceiptError`] with the first thing that is wrong.
    pub fn open(&self, trust: &Trust) -> Result<Verified<'_>, ReceiptError> {
        let record = RecordView::parse(&self.record).map_err(|error| {
            fault(Code::NotCanonical, format!("the receipt's record is none: {error}"))
        })?;
        self.check_digest(&record)?;
        let checkpoint = Checkpoint::open_any(self.checkpoint.as_bytes(), trust)
            .map_err(|error| explain_checkpoint(&error))?;
        if checkpoint.origin.ledger() != record.ledger {
            let reason = format!(
                "the checkpoint is about {}, the record is one of the ledger {}: they don't belong \
                 together",
                checkpoint.origin, record.ledger
            );
            return Err(fault(Code::CheckpointInvalid, reason));
        }
        let judged = self.judge(&record, &checkpoint, trust)?;
        self.check_signature(&checkpoint, trust)?;
        self.check_inclusion(&record, &checkpoint)?;
        Ok(Verified { record, judged, checkpoint })
    }

    /// Holds the record against its place, as whoever replays a ledger does.
    fn judge(
        &self,
        record: &RecordView<'_>,
        checkpoint: &Checkpoint,
        trust: &Trust,
    ) -> Result<Judged, ReceiptError> {
        let origin = &checkpoint.origin;
        let judged =
            judge(record, Some(origin)).map_err(|error| fault(error.code(), error.to_string()))?;
        if let Some(unknown) = judged.keys().iter().find(|key| trust.find(key, origin).is_none()) {
            let reason = format!(
                "the ledger was created with the key {unknown}, which is not among the keys given for \
                 {origin}. If the operator published that key, give its vkey too"
            );
            return Err(fault(Code::KeyUnknown, reason));
        }
        let per_record =
            judged.creation().is_some_and(|creation| creation.sign_per == SignPer::Record);
        if per_record && self.signature.is_none() {
            let reason = "by its own words every record of this ledger is signed, but the receipt has \
                          no signature: it was taken off";
            return Err(fault(Code::Unsigned, reason));
        }
        Ok(judged)
    }

    fn check_digest(&self, record: &RecordView<'_>) -> Result<(), ReceiptError> {
        let seq = record.seq;
        if self.prev.is_none() != (seq.get() == 0) {
            let reason = format!(
                "record {seq} comes with {} digest before it; only record 0 has none",
                if self.prev.is_none() { "no" } else { "a" }
            );
            return Err(fault(Code::ChainBroken, reason));
        }
        if record_digest(&self.record, self.prev.as_ref()) != self.digest {
            let reason = format!(
                "record {seq}, the digest before it and its own digest don't fit together: at least \
                 one of the three was changed after it was written. Ask the ledger for the receipt again \
                 and compare"
            );
            return Err(fault(Code::HashMismatch, reason));
        }
        Ok(())
    }

    fn check_signature(&self, checkpoint: &Checkpoint, trust: &Trust) -> Result<(), ReceiptError> {
        let Some(RecordSignature { key_id, signature }) = &self.signature else { return Ok(()) };
        let origin = &checkpoint.origin;
        let Some(key) = trust.find(key_id, origin) else {
            let reason = format!(
                "the record is signed by {key_id}, which is not among the keys given for {origin}. If the \
                 operator published that key, give its vkey too"
            );
            return Err(fault(Code::KeyUnknown, reason));
        };
        if ed25519::verify(key, self.digest.as_bytes(), signature) {
            return Ok(());
        }
        let reason = format!("the signature by {key_id} does not fit the record's digest");
        Err(fault(Code::SigInvalid, reason))
    }

    fn check_inclusion(
        &self,
        record: &RecordView<'_>,
        checkpoint: &Checkpoint,
    ) -> Result<(), ReceiptError> {
        let (seq, size) = (record.seq.get(), checkpoint.size);
        if seq >= size {
            let reason = format!(
                "the checkpoint covers {size} records and so does not reach record {seq}; ask for a \
                 receipt with a later checkpoint"
            );
            return Err(fault(Code::CheckpointInvalid, reason));
        }
        let leaf = leaf_hash(&self.digest);
        inclusion::verify(seq, size, &leaf, &self.proof, &checkpoint.root).map_err(|error| {
            let reason = format!(
                "record {seq} is not shown to be in the signed tree of {size} records: {error}. The \
                 record, the proof or the checkpoint is not the one that belongs to the others"
            );
            fault(Code::RootMismatch, reason)
        })
    }
}

fn push_member(out: &mut Vec<u8>, name: &str, text: &str) {
    push_string(out, name);
    out.push(b':');
    push_string(out, text);
    out.push(b',');
}

fn explain_json(error: JsonError) -> ReceiptError {
    let reason = match error.code {
        JsonErrorCode::NotCanonical | JsonErrorCode::Trailing => format!(
            "the receipt is JSON, but its bytes are not those that the ledger sent ({error}); it was \
             probably pretty-printed or saved by another program. Hashes cover every byte, so fetch \
             the receipt again and save the answer unchanged"
        ),
        _ => format!("not a receipt: {error}"),
    };
    fault(Code::NotCanonical, reason)
}

/// Says which key to ask for, which the checkpoint's own errors leave to those who know more.
fn explain_checkpoint(error: &CheckpointError) -> ReceiptError {
    let advice = match error {
        CheckpointError::Signature { error: NoteVerifyError::UnknownKeys(_), .. } => {
            ". Give the vkey that the operator of this ledger published; a vkey counts for the ledger or \
             server that it is named after"
        }
        _ => "",
    };
    fault(error.code(), format!("{error}{advice}"))
}

fn check_version(members: &Members<'_>) -> Result<(), ReceiptError> {
    match members.get("v") {
        Some(b"1") => Ok(()),
        Some(other) if parse_u64(other).is_some() => {
            let version = String::from_utf8_lossy(other);
            let reason =
                format!("the receipt is of version {version}; this program reads version 1");
            Err(fault(Code::NotCanonical, reason))
        }
        _ => Err(bad_member("v")),
    }
}

fn parse_signature(members: &Members<'_>) -> Result<Option<RecordSignature>, ReceiptError> {
    if ["alg", "kid", "sig"].into_iter().all(|name| members.get(name).is_none()) {
        return Ok(None);
    }
    text_member(members, "alg", |text| (text == Algorithm::Ed25519.as_str()).then_some(()))?;
    Ok(Some(RecordSignature {
        key_id: text_member(members, "kid", |text| KeyId::new(text).ok())?,
        signature: text_member(members, "sig", |text| Signature::from_base64(text).ok())?,
    }))
}

fn parse_proof(json: &[u8]) -> Option<Vec<NodeHash>> {
    let proof = Value::parse_canonical(json, Limits::DOCUMENT).ok()?;
    let hashes = proof.as_array()?;
    if hashes.len() > PROOF_HASHES_MAX {
        return None;
    }
    hashes.iter().map(|hash| NodeHash::from_base64(hash.as_str()?).ok()).collect()
}

fn member<'a>(members: &Members<'a>, name: &'static str) -> Result<&'a [u8], ReceiptError> {
    members
        .get(name)
        .ok_or_else(|| fault(Code::NotCanonical, format!("not a receipt: it has no member {name}")))
}

/// The text member `name`, read by `read`.
fn text_member<T>(
    members: &Members<'_>,
    name: &'static str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ReceiptError> {
    parse_text(member(members, name)?, read).ok_or_else(|| bad_member(name))
}

fn parse_text<T>(json: &[u8], read: impl FnOnce(&str) -> Option<T>) -> Option<T> {
    read(&parse_string(json)?)
}

fn read_digest(hex: &str) -> Option<Digest> {
    Digest::from_hex(hex).ok()
}

fn bad_member(name: &'static str) -> ReceiptError {
    fault(
        Code::NotCanonical,
        format!("not a receipt: its member {name} is not of the form that docs/FORMAT.md gives it"),
    )
}
