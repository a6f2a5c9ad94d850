//! Why a text was refused.

use core::fmt;
use std::borrow::Cow;

/// The stable codes of `docs/FORMAT.md` section 1. Clients branch on them, so none is ever renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum JsonErrorCode {
    /// Outside of the grammar of RFC 8259, or another kind of value than the caller demands.
    Syntax,
    /// Not UTF-8.
    Utf8,
    /// A name that occurs twice in one object.
    DuplicateName,
    /// A number that a double does not carry without loss.
    NumberInexact,
    /// One half of a surrogate pair without the other.
    LoneSurrogate,
    /// Something after the value.
    Trailing,
    /// Nested too deeply.
    Depth,
    /// Too many bytes or elements.
    TooLarge,
    /// Valid, but not in canonical form where canonical form is demanded.
    NotCanonical,
}

impl JsonErrorCode {
    /// The stable text of the code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Syntax => "json_syntax",
            Self::Utf8 => "json_utf8",
            Self::DuplicateName => "json_duplicate_name",
            Self::NumberInexact => "json_number_inexact",
            Self::LoneSurrogate => "json_lone_surrogate",
            Self::Trailing => "json_trailing",
            Self::Depth => "json_depth",
            Self::TooLarge => "json_too_large",
            Self::NotCanonical => "json_not_canonical",
        }
    }
}

impl fmt::Display for JsonErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: what, where and why. The input is at fault; sending it again does not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason} at byte {offset}")]
pub struct JsonError {
    /// The stable code.
    pub code: JsonErrorCode,
    /// Where in the input, counted in bytes from 0.
    pub offset: usize,
    /// One sentence for a person; a limit that was hit is named in it.
    pub reason: Cow<'static, str>,
    /// Of [`NumberInexact`](JsonErrorCode::NumberInexact): where the number stands, as a JSON Pointer
    /// (RFC 6901) of at most [`POINTER_SHOWN_BYTES_MAX`](crate::limits::POINTER_SHOWN_BYTES_MAX) bytes
    /// and, where it was longer, an ellipsis.
    pub pointer: Option<Box<str>>,
}

/// The reader's own results. Boxed, so that the good path returns in a register.
pub(super) type Parsed<T> = Result<T, Box<JsonError>>;

#[cold]
#[inline(never)]
pub(super) fn refusal(
    code: JsonErrorCode,
    offset: usize,
    reason: impl Into<Cow<'static, str>>,
) -> Box<JsonError> {
    Box::new(JsonError { code, offset, reason: reason.into(), pointer: None })
}
