//! Signed notes: a text and the signatures beneath it. C2SP signed-note, `docs/FORMAT.md` section 6.
//!
//! ```text
//! <text, one or more lines>
//!
//! — <key name> <base64 of key hash (4 bytes) and signature>
//! ```
//!
//! What is signed is the text with its last line feed, not the blank line after it. A note may carry
//! signatures of keys that the reader does not know, such as witnesses'; they are kept as they are and
//! mean nothing here.

use core::fmt;
use std::borrow::Cow;

use crate::ed25519;
use crate::encoding::{base64, unbase64};
use crate::key::{Ed25519Signature, KeyId, PublicKey, Trust};
use crate::limits::{NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX, SIGNER_SHOWN_BYTES_MAX};
use crate::name::Origin;
use crate::text::shown;

/// An em dash and a space, with which each signature line begins.
const LINE_START: &str = "\u{2014} ";

const KEY_HASH_BYTES: usize = 4;

/// Why bytes are not a signed note. None of these is about keys; the bytes are damaged or something
/// else altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// More bytes than [`NOTE_BYTES_MAX`].
    #[error("a signed note has at most {NOTE_BYTES_MAX} bytes, this one has {0}")]
    TooLarge(usize),
    /// Not UTF-8.
    #[error("not UTF-8 at byte {0}")]
    Utf8(usize),
    /// A control character other than a line feed, such as the carriage return of a Windows editor.
    #[error(
        "a control character at byte {0}; a signed note has none but line feeds (were the line ends changed?)"
    )]
    Control(usize),
    /// No blank line between text and signatures.
    #[error("no blank line with signatures after it")]
    NoSignatures,
    /// A line after the blank line is no signature line.
    #[error("signature line {0} is not an em dash, a key name and base64")]
    SignatureLine(usize),
    /// More signatures than [`NOTE_SIGNATURES_MAX`].
    #[error("more than {NOTE_SIGNATURES_MAX} signatures")]
    TooManySignatures,
}

/// Why no trust follows from a note's signatures.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteVerifyError {
    /// No line is by one of the keys given. Either the wrong key was given or somebody else signed.
    #[error("none of its signatures is by a key that was given; it is signed by {0}")]
    UnknownKeys(String),
    /// A line names a given key, but the signature does not fit the text. The whole note is refused,
    /// whoever else signed it.
    #[error("the signature of {0} under the name {1} does not fit the text")]
    BadSignature(KeyId, String),
    /// Keys were given, and all of them sign records only.
    #[error(
        "the keys that were given for it sign records only; the Ed25519 key that signs its notes (a vkey of type 0x01) is missing. It is signed by {0}"
    )]
    NoNoteKey(String),
}

impl NoteVerifyError {
    /// What is to be said where `trust` gave no key for notes: which kind of key is missing.
    #[must_use]
    pub fn explained(self, trust: &Trust, origin: &Origin) -> Self {
        match self {
            Self::UnknownKeys(signers) if trust.lacks_note_key(origin) => Self::NoNoteKey(signers),
            other => other,
        }
    }

    /// Whether no given key signed.
    #[must_use]
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::UnknownKeys(_) | Self::NoNoteKey(_))
    }
}

/// One signature line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature<'a> {
    /// The name of the key.
    pub name: &'a str,
    /// The first bytes of a hash over name and key; with the name it says which key is meant.
    pub key_hash: [u8; KEY_HASH_BYTES],
    /// The signature; for Ed25519 64 bytes, for types that we don't know anything.
    pub blob: Vec<u8>,
}

/// A signed note, taken apart but not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote<'a> {
    text: &'a str,
    signatures: Vec<NoteSignature<'a>>,
}

impl<'a> SignedNote<'a> {
    /// Takes a note apart.
    ///
    /// The text may have blank lines of its own, so the signatures begin after the *last* one.
    ///
    /// # Errors
    /// [`NoteError`] when the bytes are not a note.
    pub fn parse(note: &'a [u8]) -> Result<Self, NoteError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge(note.len()));
        }
        let note =
            core::str::from_utf8(note).map_err(|error| NoteError::Utf8(error.valid_up_to()))?;
        if let Some(at) = control_character(note) {
            return Err(NoteError::Control(at));
        }
        let blank = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, lines) = (note.get(..=blank), note.get(blank + 2..));
        let (Some(text), Some(lines)) = (text, lines) else { return Err(NoteError::NoSignatures) };
        if lines.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let mut signatures = Vec::new();
        for (place, line) in lines.split_inclusive('\n').enumerate() {
            if place == NOTE_SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            let line = line.strip_suffix('\n').and_then(parse_line);
            signatures.push(line.ok_or(NoteError::SignatureLine(place + 1))?);
        }
        Ok(Self { text, signatures })
    }

    /// What the signatures sign, with its last line feed.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// All signatures, known or not, in the order of their lines.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature<'a>] {
        &self.signatures
    }

    /// Checks the signatures of the given keys, each under the name that stands beside it, by the
    /// strict rule, and returns the keys that signed, in the order of the lines.
    ///
    /// A key is recognised by name and key hash together. Lines of other keys are ignored. A line of a
    /// given key that does not verify spoils the note, even beside a good one of another key: somebody
    /// changed something.
    ///
    /// # Errors
    /// [`NoteVerifyError`] when no given key signed or one of their signatures is wrong.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = (&'k str, &'k PublicKey)>,
    ) -> Result<Vec<&'k PublicKey>, NoteVerifyError> {
        let known: Vec<_> =
            keys.into_iter().map(|(name, key)| (name, key.note_hash(name), key)).collect();
        let mut signers: Vec<&'k PublicKey> = Vec::new();
        for line in &self.signatures {
            let mut meant = known
                .iter()
                .filter(|(name, hash, _)| *name == line.name && *hash == line.key_hash)
                .map(|(_, _, key)| *key)
                .peekable();
            let Some(first) = meant.peek().copied() else { continue };
            // Four bytes of hash may collide: with two keys of one name any of them may be meant.
            let signer = meant.find(|key| fits(key, self.text, &line.blob)).ok_or_else(|| {
                NoteVerifyError::BadSignature(first.key_id(), line.name.to_owned())
            })?;
            if !signers.contains(&signer) {
                signers.push(signer);
            }
        }
        if signers.is_empty() { Err(self.unknown_keys()) } else { Ok(signers) }
    }

    fn unknown_keys(&self) -> NoteVerifyError {
        let signer = |line: &NoteSignature<'_>| {
            let name = shown(line.name, SIGNER_SHOWN_BYTES_MAX);
            format!("{name}+{:08x}", u32::from_be_bytes(line.key_hash))
        };
        // A few are enough to see what is wrong; a note can carry a hundred.
        let mut names: Vec<String> = self.signatures.iter().take(3).map(signer).collect();
        if self.signatures.len() > names.len() {
            names.push(format!("{} more", self.signatures.len() - names.len()));
        }
        NoteVerifyError::UnknownKeys(names.join(", "))
    }
}

impl fmt::Display for SignedNote<'_> {
    /// The note's bytes, exactly as they were parsed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| {
            let blob = [&line.key_hash[..], &line.blob].concat();
            writeln!(f, "{LINE_START}{} {}", line.name, base64(&blob))
        })
    }
}

/// A note's bytes from what editors and mail programs make of its file: a byte order mark goes, line
/// ends of CR and LF become LF, and it ends in exactly one LF.
///
/// No note has a carriage return, and none ends in an empty line, so two different notes never become
/// one. Only for files that a person gives; a note within a receipt or a manifest is exact.
#[must_use]
pub fn from_file(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = without_byte_order_mark(bytes);
    let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |at| at + 1);
    let (note, rest) = bytes.split_at_checked(end).unwrap_or_default();
    if rest == b"\n" && !note.contains(&b'\r') {
        return Cow::Borrowed(bytes);
    }
    let mut lines = note.split(|byte| *byte == b'\n').peekable();
    let mut out = Vec::with_capacity(note.len() + 1);
    while let Some(line) = lines.next() {
        // What is left of `note` ends in neither, so its last line has no line end.
        let line =
            if lines.peek().is_some() { line.strip_suffix(b"\r").unwrap_or(line) } else { line };
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    Cow::Owned(out)
}

/// `bytes` without the UTF-8 byte order mark with which some programs begin a file.
#[must_use]
pub fn without_byte_order_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

fn fits(key: &PublicKey, text: &str, blob: &[u8]) -> bool {
    blob.try_into()
        .is_ok_and(|bytes| ed25519::verify_strict(key, text.as_bytes(), &Ed25519Signature(bytes)))
}

/// The place of the first byte below 0x20 that is not a line feed.
fn control_character(text: &str) -> Option<usize> {
    text.bytes().position(|byte| byte < 0x20 && byte != b'\n')
}

/// Reads a signature line without its line feed. Names may be longer than those that we give
/// ourselves: they are other people's.
fn parse_line(line: &str) -> Option<NoteSignature<'_>> {
    let (name, blob) = line.strip_prefix(LINE_START)?.split_once(' ')?;
    if name.is_empty() || name.contains('+') || name.chars().any(char::is_whitespace) {
        return None;
    }
    let blob = unbase64(blob.as_bytes())?;
    let (key_hash, blob) = blob.split_first_chunk::<KEY_HASH_BYTES>()?;
    if blob.is_empty() {
        return None;
    }
    Some(NoteSignature { name, key_hash: *key_hash, blob: blob.to_vec() })
}

/// Whether `text` can be signed as a note: UTF-8 that ends in a line feed, without other control
/// characters.
#[must_use]
pub fn is_text(text: &str) -> bool {
    text.ends_with('\n') && control_character(text).is_none()
}

/// The signature line of `key` under `name`, with its line feed. `name` is an origin or a vkey's name,
/// which [`crate::key::is_note_name`] accepts; `signature` is over the note's text.
#[must_use]
pub fn signature_line(name: &str, key: &PublicKey, signature: &Ed25519Signature) -> String {
    let blob = [&key.note_hash(name)[..], signature.as_bytes()].concat();
    format!("{LINE_START}{name} {}\n", base64(&blob))
}

/// Puts a note together: `text`, a blank line and signature lines, which all end in line feeds.
#[must_use]
pub fn assemble(text: &str, signature_lines: &str) -> String {
    format!("{text}\n{signature_lines}")
}
