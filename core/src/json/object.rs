//! Objects whose members can be taken out again without a second pass.

use super::error::{JsonError, JsonErrorCode, Parsed, refusal};
use super::number::Numbers;
use super::reader::{Member, Reader, admit, too_large};
use super::string::{push_content, run_end};
use super::{Limits, as_text};

/// A JSON object in canonical form with the places of its top-level members.
#[derive(Clone)]
pub struct CanonicalObject {
    bytes: Vec<u8>,
    members: Vec<Member>,
    depth: u32,
    numbers_as_text: Vec<String>,
}

impl CanonicalObject {
    /// Reads `input`, which must be one object.
    ///
    /// # Errors
    /// [`JsonError`] as [`canonicalize`](super::canonicalize), and `json_syntax` where the value is
    /// not an object.
    pub fn parse(input: &[u8], limits: Limits) -> Result<Self, JsonError> {
        Self::parse_with(input, limits, Numbers::Exact)
    }

    /// As [`parse`](Self::parse), and says what becomes of numbers that a double does not carry.
    ///
    /// # Errors
    /// As [`parse`](Self::parse), and `json_too_large` where the pointers to those numbers are longer
    /// than [`NUMBERS_AS_TEXT_BYTES_MAX`](crate::limits::NUMBERS_AS_TEXT_BYTES_MAX).
    pub fn parse_with(input: &[u8], limits: Limits, numbers: Numbers) -> Result<Self, JsonError> {
        Self::parse_boxed(input, limits, numbers).map_err(|error| *error)
    }

    fn parse_boxed(input: &[u8], limits: Limits, numbers: Numbers) -> Parsed<Self> {
        admit(input, limits.bytes_max)?;
        // This reader only steps over what is around the object.
        let mut discarded = Vec::new();
        let mut outer = Reader::<false>::new(input, 0, limits, &mut discarded);
        outer.blank()?;
        // Rarely is canonical form longer than what was sent.
        let expected = input.len() - outer.pos();
        let (object, end) = Self::parse_at(input, outer.pos(), expected, limits, numbers)?;
        outer.jump(end);
        outer.finish()?;
        Ok(object)
    }

    /// Reads the object that begins exactly at `start`; the position behind it. Room for `expected`
    /// bytes is made at once.
    fn parse_at(
        input: &[u8],
        start: usize,
        expected: usize,
        limits: Limits,
        numbers: Numbers,
    ) -> Parsed<(Self, usize)> {
        let mut bytes = Vec::with_capacity(expected);
        let mut reader =
            Reader::<false>::new(input, start, limits, &mut bytes).with_numbers(numbers);
        reader.one_object()?;
        let (end, depth) = (reader.pos(), reader.deepest());
        let (members, as_text) = reader.into_parts();
        if bytes.len() > limits.bytes_max {
            return Err(too_large(end, limits.bytes_max));
        }
        let numbers_as_text = as_text::pointers(input, start, &as_text)?;
        Ok((Self { bytes, members, depth, numbers_as_text }, end))
    }

    /// JSON Pointers to the numbers that were kept as strings, ascending by their bytes.
    #[must_use]
    pub fn numbers_as_text(&self) -> &[String] {
        &self.numbers_as_text
    }

    /// The canonical bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The canonical bytes.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The deepest nesting within, the object itself counted as 1.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The number of top-level members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The canonical bytes of the top-level member called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        find(self.members(), name)
    }

    /// The canonical bytes up to the end of the first member's value; nothing of an object without any.
    pub(crate) fn into_first_member(self) -> Vec<u8> {
        let mut bytes = self.bytes;
        bytes.truncate(self.members.first().map_or(0, |member| member.end()));
        bytes
    }

    /// Name (the content of its canonical string, without quotes) and canonical value of each
    /// top-level member, in canonical order.
    pub fn members(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.members.iter().map(|member| member.cut(&self.bytes))
    }
}

impl core::fmt::Debug for CanonicalObject {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes))
    }
}

/// The top-level members of a text that is canonical as it stands.
#[derive(Clone)]
pub struct Members<'a> {
    bytes: &'a [u8],
    members: Vec<Member>,
    depth: u32,
}

impl<'a> Members<'a> {
    pub(super) fn new(bytes: &'a [u8], members: Vec<Member>, depth: u32) -> Self {
        Self { bytes, members, depth }
    }

    /// Whether the value is an object at all; the others have no members.
    #[must_use]
    pub fn is_object(&self) -> bool {
        self.bytes.first() == Some(&b'{')
    }

    /// The deepest nesting within, counted from 1 for an object or array, 0 for other values.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The canonical bytes of the member called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        find(self.iter(), name)
    }

    /// The number of members.
    #[must_use]
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there is no member at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Name (the content of its canonical string, without quotes) and canonical value of each
    /// member, in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        self.members.iter().map(|member| member.cut(self.bytes))
    }
}

fn find<'a>(
    mut members: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    name: &str,
) -> Option<&'a [u8]> {
    if run_end(name.as_bytes(), 0) == name.len() {
        return members.find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| value);
    }
    // Members' names are at hand with their escapes, so the one that is asked for gets them too.
    let mut escaped = Vec::new();
    push_content(&mut escaped, name);
    members.find(|(found, _)| *found == escaped).map(|(_, value)| value)
}

/// Reads a JSON array of objects. `each` limits every element, as it was sent and as it is written;
/// the caller limits the whole. Depth and pointers are counted from the element.
///
/// # Errors
/// [`JsonError`] with offsets in the whole input: as [`CanonicalObject::parse_with`], `json_syntax`
/// where the value is not an array or an element not an object, `json_too_large` for more than
/// `elements_max`.
pub fn canonicalize_array(
    input: &[u8],
    each: Limits,
    elements_max: usize,
    numbers: Numbers,
) -> Result<Vec<CanonicalObject>, JsonError> {
    read_array(input, each, elements_max, numbers).map_err(|error| *error)
}

fn read_array(
    input: &[u8],
    each: Limits,
    elements_max: usize,
    numbers: Numbers,
) -> Parsed<Vec<CanonicalObject>> {
    admit(input, usize::MAX)?;
    // This reader only steps over what is between the objects.
    let mut discarded = Vec::new();
    let mut outer = Reader::<false>::new(input, 0, each, &mut discarded);
    let mut objects = Vec::new();
    outer.blank()?;
    if outer.peek() != b'[' {
        return Err(outer.unexpected("an array is expected"));
    }
    outer.step()?;
    if outer.peek() == b']' {
        outer.step()?;
        outer.finish()?;
        return Ok(objects);
    }
    // An element is about as long as the one before it.
    let mut expected = 0;
    loop {
        let start = outer.pos();
        if objects.len() == elements_max {
            let reason = format!("more than {elements_max} elements");
            return Err(refusal(JsonErrorCode::TooLarge, start, reason));
        }
        let room = (expected + expected / 8).min(input.len() - start);
        let (mut object, end) = CanonicalObject::parse_at(input, start, room, each, numbers)?;
        expected = end - start;
        if end - start > each.bytes_max {
            return Err(too_large(start + each.bytes_max, each.bytes_max));
        }
        // There may be many, each much smaller than what was set aside for it.
        object.members.shrink_to_fit();
        object.bytes.shrink_to_fit();
        objects.push(object);
        outer.jump(end);
        if !outer.more(b']', "a comma or a closing bracket is expected")? {
            outer.finish()?;
            return Ok(objects);
        }
    }
}
