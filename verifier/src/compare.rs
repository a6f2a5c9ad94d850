//! Two signed heads of one ledger compared without the ledger: is the larger one a continuation of the
//! smaller one? RFC 6962 section 2.1.2.
//!
//! Whoever keeps checkpoints or receipts can so find that a ledger showed two histories, even where he
//! has no record of it. Equal sizes need nothing more; for different ones a consistency proof is asked
//! of the server, and whatever it answers is checked against both signed roots.

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::Code;
use indelible_core::hash::NodeHash;
use indelible_core::json::{CanonicalObject, Limits, Value};
use indelible_core::key::Trust;
use indelible_core::limits::PROOF_HASHES_MAX;
use indelible_core::merkle::consistency;
use indelible_core::note::without_byte_order_mark;

use crate::findings::{Finding, Unchecked};
use crate::heads::{BadHead, Head, HeadFile};

/// Largest file with a consistency proof in bytes: 63 hashes of 47 characters and four numbers and
/// roots are 4 kB; the rest is room for white space.
pub const PROOF_FILE_BYTES_MAX: usize = 64 << 10;

/// A consistency proof as the server answers it at `/v1/ledgers/{ledger}/proofs/consistency`: that the
/// tree of `from` records with `from_root` is the beginning of the tree of `to` records with `to_root`.
/// Nobody signed it; it is worth what it proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// Size of the smaller tree.
    pub from: u64,
    /// Its root.
    pub from_root: NodeHash,
    /// Size of the larger tree.
    pub to: u64,
    /// Its root.
    pub to_root: NodeHash,
    /// The hashes.
    pub proof: Vec<NodeHash>,
}

/// Why bytes are no consistency proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "it is no consistency proof: {0}. Expected is JSON with from, from_root, proof, to and to_root, as \
     `indelible checkpoint LEDGER --consistency-from OLD --proof-out FILE` writes it"
)]
pub struct ProofFileError(String);

impl ConsistencyProof {
    /// Reads `{"from":n,"from_root":<base64>,"proof":[<base64>,...],"to":n,"to_root":<base64>}`, with
    /// white space and members in any order.
    ///
    /// # Errors
    /// [`ProofFileError`] for anything else.
    pub fn parse(json: &[u8]) -> Result<Self, ProofFileError> {
        let wrong = |what: &str| ProofFileError(format!("its member {what} is not of its form"));
        if json.len() > PROOF_FILE_BYTES_MAX {
            return Err(ProofFileError(format!("it has more than {PROOF_FILE_BYTES_MAX} bytes")));
        }
        let object = CanonicalObject::parse(without_byte_order_mark(json), Limits::DOCUMENT)
            .map_err(|error| ProofFileError(error.to_string()))?;
        let member = |name: &str| {
            object.get(name).and_then(|value| Value::parse(value, Limits::DOCUMENT).ok())
        };
        let number = |name| member(name).and_then(|v| v.as_u64()).ok_or_else(|| wrong(name));
        let hash = |value: &Value| NodeHash::from_base64(value.as_str()?).ok();
        let root = |name| member(name).as_ref().and_then(hash).ok_or_else(|| wrong(name));
        let proof = member("proof").and_then(|value| {
            let hashes = value.as_array()?;
            (hashes.len() <= PROOF_HASHES_MAX).then(|| hashes.iter().map(hash).collect())?
        });
        if object.len() != 5 {
            return Err(ProofFileError("it has other members".to_owned()));
        }
        Ok(Self {
            from: number("from")?,
            from_root: root("from_root")?,
            to: number("to")?,
            to_root: root("to_root")?,
            proof: proof.ok_or_else(|| wrong("proof"))?,
        })
    }
}

/// A head that a trusted key signed.
pub type OpenedHead = Checkpoint;

/// Opens a head: a checkpoint, or a receipt whose checkpoint then counts (`docs/FORMAT.md` section 8.6).
///
/// # Errors
/// What is wrong with it, as a finding or as something that was not checked.
pub fn open_head(head: &HeadFile, trust: &Trust) -> Result<OpenedHead, UnusableHead> {
    match Head::open(head, trust) {
        Ok(Head { origin, size, root, .. }) => Ok(Checkpoint { origin, size, root }),
        Err(BadHead::Finding(finding)) => Err(UnusableHead::Finding(finding)),
        Err(BadHead::Unchecked(unchecked)) => Err(UnusableHead::Unchecked(unchecked)),
    }
}

/// Why a head cannot be used.
#[derive(Debug)]
pub enum UnusableHead {
    /// Something is wrong with it.
    Finding(Box<Finding>),
    /// It could not be looked at.
    Unchecked(Unchecked),
}

/// What the comparison of two heads shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compared {
    /// The larger head continues the smaller one, or both are the same.
    Good {
        /// In words.
        why: String,
    },
    /// Both heads cannot be of one history, as both were signed: the ledger showed two.
    Tampered {
        /// Always [`Code::RootMismatch`].
        code: Code,
        /// In words.
        why: String,
    },
    /// The proof leads nowhere; it was damaged, or made up.
    Damaged {
        /// Always [`Code::RootMismatch`].
        code: Code,
        /// In words.
        why: String,
    },
    /// Nothing can be said.
    Unchecked {
        /// In words, with what to get.
        why: String,
    },
}

/// Compares two heads whose signatures were checked.
#[must_use]
pub fn compare(a: &Checkpoint, b: &Checkpoint, proof: Option<&ConsistencyProof>) -> Compared {
    let unchecked = |why: String| Compared::Unchecked { why };
    if a.origin != b.origin {
        return unchecked(format!(
            "the heads are of two ledgers, {} and {}: nothing connects them",
            a.origin, b.origin
        ));
    }
    let (old, new) = if a.size <= b.size { (a, b) } else { (b, a) };
    if old.size == 0 {
        return unchecked(
            "a head of an empty ledger says nothing: every history continues it".to_owned(),
        );
    }
    if old.size == new.size {
        return same_size(old, new);
    }
    let Some(proof) = proof else {
        return unchecked(format!(
            "the heads have {} and {} records; whether one continues the other takes a consistency \
             proof. Get it with `indelible checkpoint {} --consistency-from {} --consistency-to {} \
             --proof-out proof.json` and give it with --proof, or verify the whole ledger with both \
             heads",
            old.size,
            new.size,
            old.origin.ledger(),
            old.size,
            new.size
        ));
    };
    if (proof.from, proof.to) != (old.size, new.size) {
        return unchecked(format!(
            "the proof is about trees of {} and {} records, the heads have {} and {}",
            proof.from, proof.to, old.size, new.size
        ));
    }
    by_proof(old, new, proof)
}

fn same_size(a: &Checkpoint, b: &Checkpoint) -> Compared {
    if a.root == b.root {
        let why = format!("both heads are of the same tree of {} records", a.size);
        return Compared::Good { why };
    }
    let why = format!(
        "the ledger signed two different trees of {} records: {} and {}",
        a.size,
        a.root.to_base64(),
        b.root.to_base64()
    );
    Compared::Tampered { code: Code::RootMismatch, why }
}

fn by_proof(old: &Checkpoint, new: &Checkpoint, given: &ConsistencyProof) -> Compared {
    let code = Code::RootMismatch;
    let leads = |old_root: &NodeHash, new_root: &NodeHash| {
        consistency::verify(old.size, new.size, old_root, new_root, &given.proof)
    };
    if leads(&old.root, &new.root).is_ok() {
        let why = format!(
            "the tree of {} records is the beginning of the tree of {} records",
            old.size, new.size
        );
        return Compared::Good { why };
    }
    // A proof that holds for one signed root and another than the other signed one is itself the
    // evidence: a root has only one beginning of a size, and only one continuation leads to it.
    let other_old = leads(&given.from_root, &new.root).is_ok();
    let other_new = leads(&old.root, &given.to_root).is_ok();
    if other_old {
        let why = format!(
            "the first {} of the {} records of the larger head have the root {}, and the smaller head \
             says {}: history was rewritten between the two",
            old.size,
            new.size,
            given.from_root.to_base64(),
            old.root.to_base64()
        );
        return Compared::Tampered { code, why };
    }
    let why = if other_new {
        format!(
            "the proof continues the smaller head, but to the root {} and not to that of the larger \
             head, {}. Ask for the proof again; if it stays so, the ledger shows two histories",
            given.to_root.to_base64(),
            new.root.to_base64()
        )
    } else {
        "the proof does not lead from one head to the other. It may have been damaged: ask for it again; \
         if it stays so, the ledger cannot show that the larger head continues the smaller one"
            .to_owned()
    };
    Compared::Damaged { code, why }
}
