//! A plain tree for small documents: manifests, receipts, system objects. Records and events, of which
//! there are millions, never take this form. A tree takes many times the memory of its text, so it has
//! at most [`TREE_VALUES_MAX`] values.

use super::error::{JsonError, JsonErrorCode, refusal};
use super::pointer::string_end;
use super::string::parse_string;
use super::{Limits, canonicalize, check_canonical};
use crate::limits::TREE_VALUES_MAX;

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// Any number.
    Number(f64),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, names unescaped and in canonical order, none twice.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// Reads any valid text, canonical or not.
    ///
    /// # Errors
    /// [`JsonError`] as [`canonicalize`], and `json_too_large` for more than [`TREE_VALUES_MAX`] values.
    pub fn parse(input: &[u8], limits: Limits) -> Result<Self, JsonError> {
        Self::build(&canonicalize(input, limits)?)
    }

    /// Reads a text that must be in canonical form as it stands.
    ///
    /// # Errors
    /// [`JsonError`] as [`check_canonical`], and `json_too_large` for more than [`TREE_VALUES_MAX`]
    /// values.
    pub fn parse_canonical(input: &[u8], limits: Limits) -> Result<Self, JsonError> {
        check_canonical(input, limits)?;
        Self::build(input)
    }

    fn build(canonical: &[u8]) -> Result<Self, JsonError> {
        let mut builder = Builder { canonical, pos: 0, values_left: TREE_VALUES_MAX };
        builder.value().ok_or_else(|| {
            let Builder { pos, values_left, .. } = builder;
            if values_left == 0 {
                let reason = format!("more than {TREE_VALUES_MAX} values in one document");
                return *refusal(JsonErrorCode::TooLarge, pos, reason);
            }
            // The bytes have just been checked, so this error does not occur; it is here so that a
            // fault in the reader would be a refusal and not a panic.
            *refusal(JsonErrorCode::Syntax, pos, "unreadable")
        })
    }

    /// The member called `name`, if this is an object that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        self.as_object()?.iter().find(|(found, _)| found == name).map(|(_, value)| value)
    }

    /// Whether this is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The truth value.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The number.
    #[must_use]
    pub fn as_f64(&self) -> Option<f64> {
        if let Self::Number(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is an integer from 0 to 2^53 - 1.
    #[must_use]
    pub fn as_u64(&self) -> Option<u64> {
        let number = self.as_f64()?;
        // Within these bounds the conversion is exact, and comparing shows a fraction.
        let integer = (0.0..9_007_199_254_740_992.0).contains(&number).then_some(number as u64)?;
        (integer as f64 == number).then_some(integer)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The elements of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// The members of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&[(String, Self)]> {
        if let Self::Object(members) = self { Some(members) } else { None }
    }
}

/// Builds the tree from bytes that are known to be canonical. On such bytes `None` means that there are
/// too many values.
struct Builder<'a> {
    canonical: &'a [u8],
    pos: usize,
    /// How many values there may still be.
    values_left: usize,
}

impl Builder<'_> {
    fn value(&mut self) -> Option<Value> {
        self.values_left = self.values_left.checked_sub(1)?;
        let value = match self.canonical.get(self.pos)? {
            b'"' => return self.string().map(Value::String),
            b'{' => return self.object(),
            b'[' => return self.array(),
            b'n' => Value::Null,
            b't' => Value::Bool(true),
            b'f' => Value::Bool(false),
            _ => return self.number(),
        };
        self.pos += if value == Value::Bool(false) { 5 } else { 4 };
        Some(value)
    }

    fn number(&mut self) -> Option<Value> {
        let rest = self.canonical.get(self.pos..)?;
        let len = rest.iter().position(|byte| b",]}".contains(byte)).unwrap_or(rest.len());
        self.pos += len;
        let number = core::str::from_utf8(rest.get(..len)?).ok()?.parse().ok()?;
        Some(Value::Number(number))
    }

    fn string(&mut self) -> Option<String> {
        let start = self.pos;
        self.pos = string_end(self.canonical, start)?;
        parse_string(self.canonical.get(start..self.pos)?).map(Into::into)
    }

    /// Steps over the next byte and says whether it is a comma.
    fn more(&mut self) -> Option<bool> {
        let byte = *self.canonical.get(self.pos)?;
        self.pos += 1;
        Some(byte == b',')
    }

    /// Steps over an opening byte; false when the closing one follows at once and was stepped over too.
    fn open(&mut self) -> Option<bool> {
        let closing = self.canonical.get(self.pos)? + 2;
        self.pos += 1;
        let filled = *self.canonical.get(self.pos)? != closing;
        self.pos += usize::from(!filled);
        Some(filled)
    }

    fn array(&mut self) -> Option<Value> {
        let mut elements = Vec::new();
        let mut more = self.open()?;
        while more {
            elements.push(self.value()?);
            more = self.more()?;
        }
        Some(Value::Array(elements))
    }

    fn object(&mut self) -> Option<Value> {
        let mut members = Vec::new();
        let mut more = self.open()?;
        while more {
            let name = self.string()?;
            self.pos += 1;
            members.push((name, self.value()?));
            more = self.more()?;
        }
        Some(Value::Object(members))
    }
}
