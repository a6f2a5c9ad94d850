//! Lines and file names of segments (`docs/FORMAT.md` sections 7.1, 7.2 and 7.4).
//!
//! A line has one layout, so it is read without a JSON parser: everything around the record has a fixed
//! length or ends at a quotation mark that nothing in it can have, and the record is what is left in the
//! middle. Whatever a record contains, even text that
//! looks like the end of a line, cannot move its borders. Reading a line says nothing yet about the
//! record itself: [`crate::record::RecordView::parse`] does, and with it the line is canonical JSON.

use core::fmt;
use core::ops::RangeInclusive;

use crate::certificates::certificates;
use crate::encoding::{hex, push_base64, push_hex, unhex};
use crate::hash::{Digest, Sha256Hash};
use crate::json::{Limits, check_canonical};
use crate::key::{
    ALGORITHM_NAME_BYTES_MAX, Algorithm, Ed25519Signature, KEY_ID_HEX_MAX, KeyId, RecordSignature,
    Signature, is_key_id,
};
use crate::limits::{LINE_BYTES_MAX, SEGMENT_PLAIN_BYTES_MAX, SEGMENT_RECORDS_MAX};
use crate::name::Seq;

const ALG: &[u8] = br#"{"alg":""#;
const DIGEST: &[u8] = br#"","digest":""#;
const CERTIFIED_HEAD: &[u8] = br#"{"certificates":["#;
const CERTIFICATES_BEHIND_ALG: &[u8] = br#"","certificates":["#;
/// [`ALG`], the most frequent name, and [`DIGEST`].
const SIGNED_HEAD: &[u8] = br#"{"alg":"ed25519","digest":""#;
const PLAIN_HEAD: &[u8] = br#"{"digest":""#;
const KID: &[u8] = br#"","kid":""#;
const RECORD: &[u8] = br#"","record":"#;
const SIG: &[u8] = br#","sig":""#;
const SIGNED_TAIL: &[u8] = br#""}"#;
const PLAIN_TAIL: &[u8] = b"}";
const DIGEST_HEX: usize = 64;
/// Longest name of an algorithm, and longest key id, in bytes: the key id of one that is not known.
const TEXT_BYTES_MAX: usize = ALGORITHM_NAME_BYTES_MAX + 1 + KEY_ID_HEX_MAX;

/// What a line without a signature has around its record, in bytes, LF included.
pub const PLAIN_OVERHEAD: usize =
    PLAIN_HEAD.len() + DIGEST_HEX + RECORD.len() + PLAIN_TAIL.len() + 1;

/// What a line signed with Ed25519 has around its record, in bytes, LF included.
pub const SIGNED_OVERHEAD: usize = SIGNED_HEAD.len()
    + DIGEST_HEX
    + KID.len()
    + KeyId::ED25519_LEN
    + RECORD.len()
    + SIG.len()
    + Ed25519Signature::BASE64_LEN
    + SIGNED_TAIL.len()
    + 1;

/// Largest compressed segment in bytes: what Zstandard needs at most for the largest plain one that does
/// not compress at all, its `ZSTD_compressBound` rounded up.
pub const SEGMENT_PACKED_BYTES_MAX: u64 = SEGMENT_PLAIN_BYTES_MAX + (SEGMENT_PLAIN_BYTES_MAX >> 7);

/// What the name of an unfinished file begins with.
pub const TMP_PREFIX: &str = ".tmp-";

/// Length of a line in bytes, LF included, for a record of `record_bytes`.
#[must_use]
pub fn line_len(record_bytes: usize, signature: Option<&RecordSignature>) -> usize {
    let Some(RecordSignature { key_id, signature }) = signature else {
        return record_bytes + PLAIN_OVERHEAD;
    };
    // Only name, key id and signature are longer or shorter than with Ed25519.
    let ed25519 = Algorithm::Ed25519.as_str().len() + KeyId::ED25519_LEN;
    let names = key_id.algorithm_name().len() + key_id.as_str().len();
    let signature = signature.as_bytes().len().div_ceil(3) * 4;
    record_bytes + SIGNED_OVERHEAD - ed25519 - Ed25519Signature::BASE64_LEN + names + signature
}

/// Appends the line of a record to `out`, LF included. `record` is a record's bytes as they were hashed.
pub fn push_line(
    out: &mut Vec<u8>,
    record: &[u8],
    digest: &Digest,
    signature: Option<&RecordSignature>,
) {
    out.reserve(line_len(record.len(), signature));
    let Some(RecordSignature { key_id, signature }) = signature else {
        out.extend_from_slice(PLAIN_HEAD);
        push_hex(out, &digest.0);
        out.extend_from_slice(RECORD);
        out.extend_from_slice(record);
        out.extend_from_slice(PLAIN_TAIL);
        out.push(b'\n');
        return;
    };
    out.extend_from_slice(ALG);
    out.extend_from_slice(key_id.algorithm_name().as_bytes());
    out.extend_from_slice(DIGEST);
    push_hex(out, &digest.0);
    out.extend_from_slice(KID);
    out.extend_from_slice(key_id.as_str().as_bytes());
    out.extend_from_slice(RECORD);
    out.extend_from_slice(record);
    out.extend_from_slice(SIG);
    push_base64(out, signature.as_bytes());
    out.extend_from_slice(SIGNED_TAIL);
    out.push(b'\n');
}

/// Why bytes are not a line of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// Longer than a line may be.
    #[error("a line of {0} bytes without its LF; at most {max} are allowed with it", max = LINE_BYTES_MAX)]
    TooLong(usize),
    /// The members are not the ones of the layout, or not in its order.
    #[error("the line does not have the layout of a segment line: {0}")]
    Layout(&'static str),
    /// The digest is not 64 lower-case hex digits.
    #[error("the line's digest is not 64 lower-case hex digits")]
    Digest,
    /// The key id is not one of the algorithm.
    #[error("the line's kid is not the id of a key of its alg")]
    KeyId,
    /// The signature is not one of the algorithm.
    #[error("the line's sig is not the base64 of a signature of its alg")]
    Signature,
}

/// A line of a segment, borrowed from its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line<'a> {
    /// The record's bytes, exactly as they were hashed; not yet looked into.
    pub record: &'a [u8],
    /// The digest that the line states; not yet compared with the record.
    pub digest: Digest,
    /// Key id and signature, where the line carries one; not yet checked.
    pub signature: Option<(&'a str, Signature)>,
    /// Certificates as they stand there, which a newer program is needed for.
    pub certificates: Option<&'a [u8]>,
}

impl<'a> Line<'a> {
    /// Takes a line, without its LF, apart.
    ///
    /// # Errors
    /// [`LineError`] when the line does not have exactly the layout of `docs/FORMAT.md` section 7.1.
    pub fn parse(line: &'a [u8]) -> Result<Self, LineError> {
        if line.len() >= LINE_BYTES_MAX {
            return Err(LineError::TooLong(line.len()));
        }
        if let Some(rest) = line.strip_prefix(SIGNED_HEAD) {
            Self::signed_with_ed25519(rest)
        } else if let Some(rest) = line.strip_prefix(PLAIN_HEAD) {
            Self::unsigned(rest)
        } else if line.starts_with(CERTIFIED_HEAD) {
            Self::certified(line)
        } else if let Some(rest) = line.strip_prefix(ALG) {
            Self::signed(line, rest)
        } else {
            Err(LineError::Layout("it begins with neither alg and digest nor digest"))
        }
    }

    /// The rest of a line behind its alg and digest, where every part but the record has a fixed length.
    fn signed_with_ed25519(rest: &'a [u8]) -> Result<Self, LineError> {
        let (digest, rest) = digest(rest)?;
        let rest = rest.strip_prefix(KID).ok_or(LineError::Layout("no kid after the digest"))?;
        let (key_id, rest) = rest.split_at_checked(KeyId::ED25519_LEN).ok_or(LineError::KeyId)?;
        let key_id = key_id_text(key_id).ok_or(LineError::KeyId)?;
        let rest = rest.strip_prefix(RECORD).ok_or(LineError::Layout("no record after the kid"))?;
        let rest = rest
            .strip_suffix(SIGNED_TAIL)
            .ok_or(LineError::Layout("it does not end with the signature"))?;
        let (rest, signature) = rest
            .len()
            .checked_sub(Ed25519Signature::BASE64_LEN)
            .and_then(|middle| rest.split_at_checked(middle))
            .ok_or(LineError::Signature)?;
        let signature =
            Signature::read(Some(Algorithm::Ed25519), signature).ok_or(LineError::Signature)?;
        let record = rest
            .strip_suffix(SIG)
            .ok_or(LineError::Layout("no sig of 88 characters at its end"))?;
        let signature = Some((key_id, signature));
        Ok(Self { record: object(record)?, digest, signature, certificates: None })
    }

    /// A line of any algorithm; `rest` begins with its name.
    fn signed(line: &'a [u8], rest: &'a [u8]) -> Result<Self, LineError> {
        let (algorithm, rest) = text(rest).ok_or(LineError::Layout("its alg is not one"))?;
        if rest.starts_with(CERTIFICATES_BEHIND_ALG) {
            return Self::certified(line);
        }
        let rest = rest.strip_prefix(DIGEST).ok_or(LineError::Layout("no digest after the alg"))?;
        let (digest, rest) = digest(rest)?;
        let rest = rest.strip_prefix(KID).ok_or(LineError::Layout("no kid after the digest"))?;
        let (key_id, rest) = text(rest).ok_or(LineError::KeyId)?;
        let rest = rest.strip_prefix(RECORD).ok_or(LineError::Layout("no record after the kid"))?;
        let rest = rest
            .strip_suffix(SIGNED_TAIL)
            .ok_or(LineError::Layout("it does not end with the signature"))?;
        // Base64 has no quotation mark, so the last one begins the signature, whatever the record holds.
        let begin = rest.iter().rposition(|byte| *byte == b'"').ok_or(LineError::Signature)? + 1;
        let (rest, signature) = rest.split_at_checked(begin).ok_or(LineError::Signature)?;
        let record =
            rest.strip_suffix(SIG).ok_or(LineError::Layout("no sig of base64 at its end"))?;
        let signature = Some(signature_of(algorithm, key_id, signature)?);
        Ok(Self { record: object(record)?, digest, signature, certificates: None })
    }

    /// A line with certificates. What stands in them is not known here, so the whole is read as JSON.
    fn certified(line: &'a [u8]) -> Result<Self, LineError> {
        let layout = LineError::Layout(
            "with certificates it is canonical JSON of alg, certificates, digest, kid, record and sig, or \
             of certificates, digest and record",
        );
        let members = check_canonical(line, Limits::DOCUMENT).map_err(|_| layout)?;
        let member = |name: &str| members.get(name).ok_or(layout);
        let certificates = certificates(&members).ok_or(layout)?;
        let digest = quoted(member("digest")?).and_then(unhex).ok_or(LineError::Digest)?;
        let signature = match members.len() {
            3 => None,
            6 => {
                let [algorithm, key_id, signature] =
                    [member("alg")?, member("kid")?, member("sig")?].map(quoted);
                let ascii = |bytes: Option<&'a [u8]>| core::str::from_utf8(bytes?).ok();
                let algorithm = ascii(algorithm).ok_or(layout)?;
                let key_id = ascii(key_id).ok_or(LineError::KeyId)?;
                let signature = signature.ok_or(LineError::Signature)?;
                Some(signature_of(algorithm, key_id, signature)?)
            }
            _ => return Err(layout),
        };
        let record = object(member("record")?)?;
        Ok(Self { record, digest: Digest(digest), signature, certificates: Some(certificates) })
    }

    fn unsigned(rest: &'a [u8]) -> Result<Self, LineError> {
        let (digest, rest) = digest(rest)?;
        let rest =
            rest.strip_prefix(RECORD).ok_or(LineError::Layout("no record after the digest"))?;
        let record = rest
            .strip_suffix(PLAIN_TAIL)
            .ok_or(LineError::Layout("it does not end with the record"))?;
        Ok(Self { record: object(record)?, digest, signature: None, certificates: None })
    }
}

fn digest(text: &[u8]) -> Result<(Digest, &[u8]), LineError> {
    let (digest, rest) = text.split_at_checked(DIGEST_HEX).ok_or(LineError::Digest)?;
    Ok((Digest(unhex(digest).ok_or(LineError::Digest)?), rest))
}

fn key_id_text(bytes: &[u8]) -> Option<&str> {
    let _: [u8; 32] = unhex(bytes.strip_prefix(b"ed25519:")?)?;
    core::str::from_utf8(bytes).ok()
}

/// The bytes up to a quotation mark, as text, and those from it on.
fn text(bytes: &[u8]) -> Option<(&str, &[u8])> {
    // No text of a line is longer; a line without one is not searched to its end.
    let end = bytes.iter().take(TEXT_BYTES_MAX + 1).position(|byte| *byte == b'"')?;
    let (text, rest) = bytes.split_at_checked(end)?;
    Some((core::str::from_utf8(text).ok()?, rest))
}

/// What stands between the quotation marks of a canonical string without escapes.
fn quoted(member: &[u8]) -> Option<&[u8]> {
    member.strip_prefix(b"\"")?.strip_suffix(b"\"")
}

/// Key id and signature of one algorithm.
fn signature_of<'a>(
    algorithm: &str,
    key_id: &'a str,
    signature: &[u8],
) -> Result<(&'a str, Signature), LineError> {
    let name = key_id.split_once(':').map(|(name, _)| name);
    if name != Some(algorithm) || !is_key_id(key_id) {
        return Err(LineError::KeyId);
    }
    let signature = Signature::read(Algorithm::named(algorithm), signature);
    signature.map(|signature| (key_id, signature)).ok_or(LineError::Signature)
}

/// Catches most bytes that are no record right here, with a better reason than a JSON parser has.
fn object(record: &[u8]) -> Result<&[u8], LineError> {
    match record {
        [b'{', .., b'}'] => Ok(record),
        _ => Err(LineError::Layout("the record is not an object")),
    }
}

/// The sequence numbers that one segment may hold: a run that does not cross a multiple of
/// [`SEGMENT_RECORDS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Run {
    first: Seq,
    last: Seq,
}

impl Run {
    /// The run from `first` to `last`, both included; `None` when it would be empty or cross a border.
    #[must_use]
    pub fn new(first: Seq, last: Seq) -> Option<Self> {
        let within = first.get() / SEGMENT_RECORDS_MAX == last.get() / SEGMENT_RECORDS_MAX;
        (first <= last && within).then_some(Self { first, last })
    }

    /// The first sequence number.
    #[must_use]
    pub const fn first(self) -> Seq {
        self.first
    }

    /// The last sequence number.
    #[must_use]
    pub const fn last(self) -> Seq {
        self.last
    }

    /// How many records, 1 to [`SEGMENT_RECORDS_MAX`].
    #[must_use]
    pub const fn count(self) -> u64 {
        self.last.get() - self.first.get() + 1
    }

    /// The sequence numbers as plain numbers.
    #[must_use]
    pub const fn numbers(self) -> RangeInclusive<u64> {
        self.first.get()..=self.last.get()
    }
}

/// What the names of a segment's files begin with: first and last sequence number of 20 digits each, so
/// that names sort as numbers do.
#[must_use]
pub fn file_stem(first: Seq, last: Seq) -> String {
    format!("{:020}-{:020}", first.get(), last.get())
}

/// The name of a segment's file. `packed` is the SHA-256 of the file's bytes.
#[must_use]
pub fn object_name(first: Seq, last: Seq, packed: &Sha256Hash) -> String {
    FileName::Object { run: Run { first, last }, packed: packed_prefix(packed) }.to_string()
}

/// The name of a manifest's file.
#[must_use]
pub fn manifest_name(first: Seq, last: Seq) -> String {
    FileName::Manifest { run: Run { first, last } }.to_string()
}

/// The part of the packed bytes' SHA-256 that stands in the name of a segment's file.
#[must_use]
pub fn packed_prefix(packed: &Sha256Hash) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = packed.0;
    [a, b, c, d, e, f, g, h]
}

/// The name of a file in a ledger's folder of a vault (`docs/FORMAT.md` section 7.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileName {
    /// `<first>-<last>.<16 hex>.jsonl.zst`
    Object {
        /// The records inside.
        run: Run,
        /// First 8 bytes of the SHA-256 of the file.
        packed: [u8; 8],
    },
    /// `<first>-<last>.manifest`
    Manifest {
        /// The records of the segment.
        run: Run,
    },
}

impl FileName {
    /// Reads a file name; `None` for every name that this module does not make. Names that begin with
    /// [`TMP_PREFIX`] are among those.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let (stem, rest) = name.split_once('.')?;
        let (first, last) = stem.split_once('-')?;
        let run = Run::new(padded(first)?, padded(last)?)?;
        if rest == "manifest" {
            return Some(Self::Manifest { run });
        }
        let packed = unhex(rest.strip_suffix(".jsonl.zst")?.as_bytes())?;
        Some(Self::Object { run, packed })
    }

    /// The records that the file is about.
    #[must_use]
    pub const fn run(&self) -> Run {
        match *self {
            Self::Object { run, .. } | Self::Manifest { run } => run,
        }
    }
}

fn padded(digits: &str) -> Option<Seq> {
    let exact = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    exact.then(|| digits.parse().ok().and_then(|number| Seq::new(number).ok())).flatten()
}

impl fmt::Display for FileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.run();
        f.write_str(&file_stem(run.first, run.last))?;
        match self {
            Self::Object { packed, .. } => write!(f, ".{}.jsonl.zst", hex(packed)),
            Self::Manifest { .. } => f.write_str(".manifest"),
        }
    }
}
