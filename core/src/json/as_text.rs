//! Which numbers of a value are kept as text: a list of JSON Pointers, `docs/FORMAT.md` section 3.
//!
//! Both directions are bounded by the size of what they read: pointers to many numbers below long names
//! would otherwise be far longer than the text that has the names once.

use core::ops::Range;
use std::borrow::Cow;

use super::error::{JsonError, JsonErrorCode, Parsed, refusal};
use super::number::is_inexact;
use super::pointer::{push_token, string_end, walk};
use super::string::{parse_string, push_string};
use crate::limits::NUMBERS_AS_TEXT_BYTES_MAX;

/// What a pointer has around it in the list: two quotes and a comma or bracket.
const AROUND: usize = 3;

/// The pointers of the numbers at `offsets` (ascending) of a text that is read from `root` on, ascending
/// by their bytes.
pub(super) fn pointers(input: &[u8], root: usize, offsets: &[usize]) -> Parsed<Vec<String>> {
    let mut pointers = Vec::new();
    let mut bytes = 0;
    walk(input, root, offsets, |pointer| {
        bytes += pointer.len() + AROUND;
        if bytes < NUMBERS_AS_TEXT_BYTES_MAX {
            pointers.push(pointer.to_owned());
        }
        bytes < NUMBERS_AS_TEXT_BYTES_MAX
    });
    if pointers.len() < offsets.len() {
        let offset = offsets.get(pointers.len()).copied().unwrap_or(root);
        return Err(too_many(offset));
    }
    pointers.sort_unstable();
    Ok(pointers)
}

fn too_many(offset: usize) -> Box<JsonError> {
    let reason = format!(
        "the list of the numbers that are kept as text has more than {NUMBERS_AS_TEXT_BYTES_MAX} bytes"
    );
    refusal(JsonErrorCode::TooLarge, offset, reason)
}

/// The canonical form of a list of pointers; empty, and no JSON, when there is none.
///
/// # Errors
/// `json_too_large` when it is longer than [`NUMBERS_AS_TEXT_BYTES_MAX`].
pub fn write_numbers_as_text<'a>(
    pointers: impl Iterator<Item = &'a str>,
) -> Result<Vec<u8>, JsonError> {
    let mut list = Vec::new();
    for pointer in pointers {
        list.push(if list.is_empty() { b'[' } else { b',' });
        push_string(&mut list, pointer);
    }
    if !list.is_empty() {
        list.push(b']');
    }
    if list.len() > NUMBERS_AS_TEXT_BYTES_MAX { Err(*too_many(0)) } else { Ok(list) }
}

/// Whether `list` names numbers of `value` that were kept as text: at least one pointer, ascending by
/// their bytes, each to a string that is a number literal which is refused as a number. Both are
/// canonical JSON.
///
/// Takes time in proportion to the length of both, and the logarithm of the number of pointers.
#[must_use]
pub fn names_numbers_as_text(list: &[u8], value: &[u8]) -> bool {
    if list.len() > NUMBERS_AS_TEXT_BYTES_MAX {
        return false;
    }
    let Some(pointers) = read_list(list) else { return false };
    let ascending = pointers.windows(2).all(|pair| pair[0] < pair[1]);
    if pointers.is_empty() || !ascending {
        return false;
    }
    let mut search = Search { value, pos: 0, pointers: &pointers, token: String::new(), found: 0 };
    // Each pointer is found once at most, as no path leads to two values.
    search.container(0..pointers.len(), 0).is_some() && search.found == pointers.len()
}

/// The strings of a canonical array that has nothing else.
fn read_list(list: &[u8]) -> Option<Vec<Cow<'_, str>>> {
    let mut pointers = Vec::new();
    let mut pos = 0;
    if list.first() != Some(&b'[') {
        return None;
    }
    while *list.get(pos)? != b']' {
        let start = pos + 1;
        if list.get(start) != Some(&b'"') {
            return None;
        }
        pos = string_end(list, start)?;
        pointers.push(parse_string(list.get(start..pos)?)?);
    }
    Some(pointers)
}

/// Looks for the values that pointers name, in one pass over the value.
///
/// The pointers that lead into a container stand together, because they are sorted and begin alike. So
/// going down narrows a range, and what no pointer leads into is stepped over.
struct Search<'a> {
    value: &'a [u8],
    pos: usize,
    pointers: &'a [Cow<'a, str>],
    /// The token of the member that is being looked at, with the slash before it.
    token: String,
    found: usize,
}

impl Search<'_> {
    /// Looks into the object or array at `pos`. The pointers in `range` begin with its path, which is
    /// `path` bytes long.
    fn container(&mut self, range: Range<usize>, path: usize) -> Option<()> {
        let opening = *self.value.get(self.pos)?;
        if !matches!(opening, b'{' | b'[') {
            return None;
        }
        let mut index = 0u64;
        self.pos += 1;
        if *self.value.get(self.pos)? == opening + 2 {
            self.pos += 1;
            return Some(());
        }
        loop {
            self.token.clear();
            if opening == b'{' {
                let start = self.pos;
                self.pos = string_end(self.value, start)?;
                let name = parse_string(self.value.get(start..self.pos)?)?;
                push_token(&mut self.token, &name);
                self.pos += 1;
            } else {
                push_token(&mut self.token, itoa::Buffer::new().format(index));
                index += 1;
            }
            self.member(range.clone(), path)?;
            let byte = *self.value.get(self.pos)?;
            self.pos += 1;
            if byte != b',' {
                return Some(());
            }
        }
    }

    /// Looks at the value at `pos`, which `token` leads to.
    fn member(&mut self, range: Range<usize>, path: usize) -> Option<()> {
        match *self.value.get(self.pos)? {
            b'{' | b'[' => {
                // Of `/a` and `/a-b` only what follows the slash leads into the value of `a`.
                self.token.push('/');
                let below = self.beginning_with_token(range, path);
                if below.is_empty() {
                    self.skip()
                } else {
                    self.container(below, path + self.token.len() - 1)
                }
            }
            b'"' => {
                let start = self.pos;
                self.pos = string_end(self.value, start)?;
                let named = self
                    .pointers
                    .get(range)?
                    .binary_search_by(|pointer| tail(pointer, path).cmp(self.token.as_bytes()));
                if named.is_ok() {
                    let text = self.value.get(start + 1..self.pos - 1)?;
                    self.found += usize::from(is_inexact(text));
                }
                Some(())
            }
            _ => self.skip(),
        }
    }

    fn beginning_with_token(&self, range: Range<usize>, path: usize) -> Range<usize> {
        let token = self.token.as_bytes();
        let pointers = self.pointers.get(range.clone()).unwrap_or_default();
        let from = pointers.partition_point(|pointer| tail(pointer, path) < token);
        let rest = pointers.get(from..).unwrap_or_default();
        let count = rest.partition_point(|pointer| tail(pointer, path).starts_with(token));
        range.start + from..range.start + from + count
    }

    /// Steps over the value at `pos`.
    fn skip(&mut self) -> Option<()> {
        let mut depth = 0u32;
        loop {
            match self.value.get(self.pos) {
                Some(b'"') => {
                    self.pos = string_end(self.value, self.pos)?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') if depth > 0 => depth -= 1,
                Some(b',' | b'}' | b']') | None if depth == 0 => return Some(()),
                None => return None,
                Some(_) => {}
            }
            self.pos += 1;
        }
    }
}

fn tail(pointer: &str, path: usize) -> &[u8] {
    pointer.as_bytes().get(path..).unwrap_or_default()
}
