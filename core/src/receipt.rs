//! Receipts: one record with everything that proves it, checkable with a public key and nothing else.
//! `docs/FORMAT.md` section 6.
//!
//! A receipt shows that the record has this digest, that a trusted key signed the digest (or signed, in
//! the ledger's creation, that not every record is), and that the digest is a leaf of a tree whose root a
//! trusted key signed.
//! Whether the ledger still is what that checkpoint says, is a question for a later checkpoint and a
//! consistency proof.

use crate::chain::record_digest;
use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::code::{Class, Code};
use crate::ed25519;
use crate::hash::{Digest, NodeHash};
use crate::json::{
    JsonError, JsonErrorCode, Limits, Members, Value, canonicalize, check_canonical, parse_string,
    parse_u64, push_string,
};
use crate::key::{Algorithm, KeyId, RecordSignature, Signature, Trust};
use crate::limits::{DOCUMENT_DEPTH_MAX, PROOF_HASHES_MAX, RECEIPT_FILE_BYTES_MAX};
use crate::merkle::{inclusion, leaf_hash};
use crate::name::{Origin, Seq};
use crate::note::{NoteVerifyError, without_byte_order_mark};
use crate::record::{Judged, RecordView, judge};
use crate::system::SignPer;

/// Members of a receipt beside those that say who signed: `alg`, `kid` and `sig`, or `creation`.
const MEMBERS: usize = 6;

/// The members that say who signed a record.
const SIGNATURE: [&str; 3] = ["alg", "kid", "sig"];

/// Why a record can be believed to be one of its ledger's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// It carries a signature of its own.
    Own(RecordSignature),
    /// It need not: the ledger's creation, which is signed, says so.
    Creation {
        /// Record 0, byte for byte as it was hashed.
        record: Vec<u8>,
        /// Its own signature.
        signature: RecordSignature,
    },
}

impl Signed {
    /// The record's own signature.
    #[must_use]
    pub const fn own(&self) -> Option<&RecordSignature> {
        match self {
            Self::Own(signature) => Some(signature),
            Self::Creation { .. } => None,
        }
    }
}

/// A receipt. Its parts are not checked against each other before [`verify`](Self::verify).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The record, byte for byte as it was hashed.
    pub record: Vec<u8>,
    /// The digest of the record before; `None` for record 0.
    pub prev: Option<Digest>,
    /// The record's digest.
    pub digest: Digest,
    /// Its signature, or what says that it needs none.
    pub signed: Signed,
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

/// Why a receipt proves nothing, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReceiptError {
    /// Something is wrong with it.
    #[error("{code}: {reason}")]
    Fault {
        /// The stable code.
        code: Code,
        /// What it says about whoever had the receipt.
        class: Class,
        /// One or two sentences for a person.
        reason: String,
    },
    /// It is of a version that this program does not read.
    #[error("the receipt is of version {0}, which a newer program reads; this one reads version 1")]
    Version(u64),
}

impl ReceiptError {
    /// The stable code, where something is wrong.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Fault { code, .. } => Some(*code),
            Self::Version(_) => None,
        }
    }
}

/// It is not what a trusted key signed.
fn damaged(code: Code, reason: impl Into<String>) -> ReceiptError {
    ReceiptError::Fault { code, class: Class::Damage, reason: reason.into() }
}

/// It contradicts what a trusted key signed.
fn tampered(code: Code, reason: impl Into<String>) -> ReceiptError {
    ReceiptError::Fault { code, class: Class::Tampering, reason: reason.into() }
}

impl Receipt {
    /// The canonical JSON, without a line feed.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.record.len() + self.checkpoint.len() + 1024);
        out.push(b'{');
        if self.signed.own().is_some() {
            push_member(&mut out, "alg", Algorithm::Ed25519.as_str());
        }
        push_member(&mut out, "checkpoint", &self.checkpoint);
        if let Signed::Creation { record, signature } = &self.signed {
            push_creation(&mut out, record, signature);
        }
        push_member(&mut out, "digest", &self.digest.to_hex());
        if let Some(signature) = self.signed.own() {
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
        if let Some(signature) = self.signed.own() {
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
            return Err(damaged(Code::NotCanonical, "not a receipt: a JSON object is expected"));
        }
        check_version(&members)?;
        let (signed, said_by) = parse_signed(&members)?;
        if members.len() != MEMBERS + said_by {
            return Err(damaged(
                Code::NotCanonical,
                "not a receipt: besides alg, kid and sig, in whose place there may be creation, a \
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
            signed,
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
            damaged(Code::NotCanonical, format!("the receipt's record is none: {error}"))
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
            return Err(tampered(Code::CheckpointInvalid, reason));
        }
        let judged = judge_record(&record, &checkpoint.origin, trust)?;
        self.check_signed(&record, &checkpoint.origin, trust)?;
        self.check_inclusion(&record, &checkpoint)?;
        Ok(Verified { record, judged, checkpoint })
    }

    /// Checks the record's own signature, or that it needs none.
    fn check_signed(
        &self,
        record: &RecordView<'_>,
        origin: &Origin,
        trust: &Trust,
    ) -> Result<(), ReceiptError> {
        let (creation, signature) = match &self.signed {
            Signed::Own(signature) => {
                return check_signature(&self.digest, signature, origin, trust);
            }
            Signed::Creation { record, signature } => (record, signature),
        };
        let view = RecordView::parse(creation).map_err(|error| {
            damaged(
                Code::NotCanonical,
                format!("the creation in the receipt is no record: {error}"),
            )
        })?;
        let no_creation = || {
            let reason = "what stands for the record's signature is not the creation of its ledger";
            tampered(Code::CreationInvalid, reason)
        };
        if view.seq != Seq::ZERO {
            return Err(no_creation());
        }
        let judged = judge_record(&view, origin, trust)?;
        let rules = judged.creation().ok_or_else(no_creation)?;
        check_signature(&record_digest(creation, None), signature, origin, trust)?;
        if rules.sign_per == SignPer::Record || record.seq == Seq::ZERO {
            let reason = "the rules of its ledger demand that this record is signed, but the receipt \
                          has no signature: it was taken off";
            return Err(tampered(Code::Unsigned, reason));
        }
        judge(record, Some(origin), Some(rules.principals))
            .map(drop)
            .map_err(|error| tampered(error.code(), error.to_string()))
    }

    fn check_digest(&self, record: &RecordView<'_>) -> Result<(), ReceiptError> {
        let seq = record.seq;
        if self.prev.is_none() != (seq.get() == 0) {
            let reason = format!(
                "record {seq} comes with {} digest before it; only record 0 has none",
                if self.prev.is_none() { "no" } else { "a" }
            );
            return Err(damaged(Code::ChainBroken, reason));
        }
        if record_digest(&self.record, self.prev.as_ref()) != self.digest {
            let reason = format!(
                "record {seq}, the digest before it and its own digest don't fit together: at least \
                 one of the three was changed after it was written. Ask the ledger for the receipt again \
                 and compare"
            );
            return Err(damaged(Code::HashMismatch, reason));
        }
        Ok(())
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
            return Err(tampered(Code::CheckpointInvalid, reason));
        }
        let leaf = leaf_hash(&self.digest);
        inclusion::verify(seq, size, &leaf, &self.proof, &checkpoint.root).map_err(|error| {
            let reason = format!(
                "record {seq} is not shown to be in the signed tree of {size} records: {error}. The \
                 record, the proof or the checkpoint is not the one that belongs to the others"
            );
            tampered(Code::RootMismatch, reason)
        })
    }
}

/// Holds a record against its place, as whoever replays a ledger does.
fn judge_record(
    record: &RecordView<'_>,
    origin: &Origin,
    trust: &Trust,
) -> Result<Judged, ReceiptError> {
    let judged = judge(record, Some(origin), None)
        .map_err(|error| tampered(error.code(), error.to_string()))?;
    if let Some(unknown) = judged.keys().iter().find(|key| trust.find(key, origin).is_none()) {
        let reason = format!(
            "the ledger was created with the key {unknown}, which is not among the keys given for \
             {origin}. If the operator published that key, give its vkey too"
        );
        return Err(damaged(Code::KeyUnknown, reason));
    }
    Ok(judged)
}

/// Checks a signature under the key that its id spells, and then whether that key counts.
fn check_signature(
    digest: &Digest,
    RecordSignature { key_id, signature }: &RecordSignature,
    origin: &Origin,
    trust: &Trust,
) -> Result<(), ReceiptError> {
    let key = key_id.public_key().unwrap_or_default();
    if !ed25519::verify_raw(&key, digest.as_bytes(), signature.as_bytes()) {
        let reason = format!("the signature by {key_id} does not fit the record's digest");
        return Err(tampered(Code::SigInvalid, reason));
    }
    if trust.find(key_id, origin).is_none() {
        let reason = format!(
            "the record is signed by {key_id}, which is not among the keys given for {origin}. If the \
             operator published that key, give its vkey too"
        );
        return Err(damaged(Code::KeyUnknown, reason));
    }
    Ok(())
}

fn push_creation(out: &mut Vec<u8>, record: &[u8], signature: &RecordSignature) {
    out.extend_from_slice(b"\"creation\":{");
    push_member(out, "alg", Algorithm::Ed25519.as_str());
    push_member(out, "kid", signature.key_id.as_str());
    out.extend_from_slice(b"\"record\":");
    out.extend_from_slice(record);
    out.extend_from_slice(b",\"sig\":");
    push_string(out, &signature.signature.to_base64());
    out.extend_from_slice(b"},");
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
    damaged(Code::NotCanonical, reason)
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
    damaged(error.code(), format!("{error}{advice}"))
}

fn check_version(members: &Members<'_>) -> Result<(), ReceiptError> {
    match members.get("v") {
        Some(b"1") => Ok(()),
        Some(other) => match parse_u64(other) {
            Some(version) if version > 1 => Err(ReceiptError::Version(version)),
            _ => Err(bad_member("v")),
        },
        None => Err(bad_member("v")),
    }
}

/// Who signed, and the number of members that say so.
fn parse_signed(members: &Members<'_>) -> Result<(Signed, usize), ReceiptError> {
    let Some(creation) = members.get("creation") else {
        if SIGNATURE.into_iter().all(|name| members.get(name).is_none()) {
            let reason = "not a receipt: it has neither alg, kid and sig nor creation. One that was \
                          written before the first release may lack both; fetch it again";
            return Err(damaged(Code::NotCanonical, reason));
        }
        return Ok((Signed::Own(parse_signature(members)?), SIGNATURE.len()));
    };
    let creation = check_canonical(creation, Limits::DOCUMENT).map_err(explain_json)?;
    let signature = parse_signature(&creation)?;
    let record = member(&creation, "record")?.to_vec();
    if creation.len() != SIGNATURE.len() + 1 || !record.starts_with(b"{") {
        return Err(bad_member("creation"));
    }
    Ok((Signed::Creation { record, signature }, 1))
}

fn parse_signature(members: &Members<'_>) -> Result<RecordSignature, ReceiptError> {
    text_member(members, "alg", |text| (text == Algorithm::Ed25519.as_str()).then_some(()))?;
    Ok(RecordSignature {
        key_id: text_member(members, "kid", |text| KeyId::new(text).ok())?,
        signature: text_member(members, "sig", |text| Signature::from_base64(text).ok())?,
    })
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
    members.get(name).ok_or_else(|| {
        damaged(Code::NotCanonical, format!("not a receipt: it has no member {name}"))
    })
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
    damaged(
        Code::NotCanonical,
        format!("not a receipt: its member {name} is not of the form that docs/FORMAT.md gives it"),
    )
}
