//! Strict JSON and its canonical form (RFC 8785), `docs/FORMAT.md` section 1.
//!
//! One reader does everything. [`canonicalize`] turns any valid text into canonical bytes in one pass,
//! [`check_canonical`] runs the same reader over text that must be canonical already and copies
//! nothing, [`CanonicalObject`] and [`Members`] remember where the top-level members are. What could
//! be read in two ways (a name that occurs twice, a number that a double cannot hold, half a surrogate
//! pair) is refused with a code, the byte offset and a reason. Such numbers can also be kept as strings
//! ([`Numbers::Text`]). [`Value`] is a plain tree for small documents.

mod as_text;
mod error;
mod number;
mod object;
mod order;
mod pointer;
mod reader;
mod string;
mod value;

pub use as_text::{names_numbers_as_text, write_numbers_as_text};
pub use error::{JsonError, JsonErrorCode};
pub use number::{Numbers, NumbersError, parse_u64, push_f64, push_u64};
pub use object::{CanonicalObject, Members, canonicalize_array};
pub use string::{parse_string, push_string};
pub use value::Value;

use crate::limits::{
    DOCUMENT_DEPTH_MAX, EVENT_BYTES_MAX, EVENT_DEPTH_MAX, LINE_BYTES_MAX, RECORD_BYTES_MAX,
};
use error::Parsed;
use reader::{Reader, admit, too_large};

/// What a text may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes, of the text as it was given and of its canonical form alike.
    pub bytes_max: usize,
    /// Objects and arrays within each other; more than 128 counts as 128.
    pub depth_max: u32,
}

impl Limits {
    /// What a client sends as one event.
    pub const EVENT: Self = Self { bytes_max: EVENT_BYTES_MAX, depth_max: EVENT_DEPTH_MAX };
    /// A record.
    pub const RECORD: Self = Self { bytes_max: RECORD_BYTES_MAX, depth_max: DOCUMENT_DEPTH_MAX };
    /// A receipt, a manifest, a line of a segment, an envelope around an event.
    pub const DOCUMENT: Self = Self { bytes_max: LINE_BYTES_MAX, depth_max: DOCUMENT_DEPTH_MAX };
}

/// The canonical form of any JSON value.
///
/// # Errors
/// [`JsonError`] with the codes of `docs/FORMAT.md` section 1.
pub fn canonicalize(input: &[u8], limits: Limits) -> Result<Vec<u8>, JsonError> {
    let mut out = Vec::new();
    canonicalize_into(input, limits, &mut out)?;
    Ok(out)
}

/// Appends the canonical form of any JSON value to `out`, which stays as it was when there is none.
///
/// # Errors
/// [`JsonError`] with the codes of `docs/FORMAT.md` section 1.
pub fn canonicalize_into(input: &[u8], limits: Limits, out: &mut Vec<u8>) -> Result<(), JsonError> {
    let before = out.len();
    write_document(input, limits, out).map_err(|error| {
        out.truncate(before);
        *error
    })
}

fn write_document(input: &[u8], limits: Limits, out: &mut Vec<u8>) -> Parsed<()> {
    admit(input, limits.bytes_max)?;
    let before = out.len();
    out.reserve(input.len());
    Reader::<false>::new(input, 0, limits, out).document()?;
    // A number such as 1e15 grows when it is written out.
    if out.len() - before > limits.bytes_max {
        return Err(too_large(input.len(), limits.bytes_max));
    }
    Ok(())
}

/// Checks that `input` is in canonical form as it stands and returns its top-level members (none when
/// it is not an object). Accepts exactly the texts that [`canonicalize`] returns unchanged.
///
/// # Errors
/// [`JsonError`]: `json_not_canonical` at the first byte that canonical form would have otherwise, or
/// the code of whatever else is wrong, whichever comes first.
pub fn check_canonical(input: &[u8], limits: Limits) -> Result<Members<'_>, JsonError> {
    check(input, limits).map_err(|error| *error)
}

fn check(input: &[u8], limits: Limits) -> Parsed<Members<'_>> {
    admit(input, limits.bytes_max)?;
    let mut nothing = Vec::new();
    let mut reader = Reader::<true>::new(input, 0, limits, &mut nothing);
    reader.document()?;
    let depth = reader.deepest();
    Ok(Members::new(input, reader.into_parts().0, depth))
}
