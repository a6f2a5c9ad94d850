//! Where a value stands in a text, as a JSON Pointer (RFC 6901).
//!
//! The reader does not keep track of the path, which would cost every event something for what few
//! need. Whoever needs it walks over the text once more, up to the value in question.

use std::borrow::Cow;

use super::string::{parse_string, run_end};
use crate::limits::POINTER_SHOWN_BYTES_MAX;
use crate::text::cut;

/// Appends `/` and a name as RFC 6901 section 3 writes it.
pub(super) fn push_token(path: &mut String, name: &str) {
    path.push('/');
    let mut rest = name;
    while let Some(at) = rest.find(['~', '/']) {
        let (plain, special) = rest.split_at(at);
        path.push_str(plain);
        path.push_str(if special.starts_with('~') { "~0" } else { "~1" });
        rest = special.get(1..).unwrap_or_default();
    }
    path.push_str(rest);
}

/// The pointer to the value at `offset` of a text that is read from `root` on, cut off with an ellipsis
/// where it is too long to show.
pub(super) fn shown(input: &[u8], root: usize, offset: usize) -> Option<Box<str>> {
    let mut found = None;
    walk(input, root, &[offset], |path| {
        found = Some(cut(path, POINTER_SHOWN_BYTES_MAX).into_owned());
        true
    });
    found.map(String::into_boxed_str)
}

/// Calls `found` with the pointer of each value that begins at one of `offsets` (ascending), as long
/// as it returns true. The text from `root` up to the last of them has been read and found valid.
pub(super) fn walk(
    input: &[u8],
    root: usize,
    offsets: &[usize],
    mut found: impl FnMut(&str) -> bool,
) {
    let mut walk =
        Walk { input, pos: root, path: String::new(), open: Vec::new(), name_next: false };
    for &offset in offsets {
        while walk.pos < offset {
            if walk.step().is_none() {
                return;
            }
        }
        if walk.pos != offset || !found(&walk.path) {
            return;
        }
    }
}

/// A container that is open.
struct Open {
    /// Length of its own path.
    path: usize,
    /// The place of the next element, in an array.
    index: Option<u64>,
}

struct Walk<'a> {
    input: &'a [u8],
    pos: usize,
    /// The path of the value at `pos`, or of the one just read.
    path: String,
    open: Vec<Open>,
    /// Whether the next string is a member's name.
    name_next: bool,
}

impl Walk<'_> {
    /// Steps over one token, or a byte of one. `None` at the end and where the text is none.
    fn step(&mut self) -> Option<()> {
        match *self.input.get(self.pos)? {
            b'{' => {
                self.open.push(Open { path: self.path.len(), index: None });
                self.name_next = true;
            }
            b'[' => {
                self.open.push(Open { path: self.path.len(), index: Some(0) });
                self.path.push_str("/0");
            }
            b']' | b'}' => {
                let closed = self.open.pop()?;
                self.path.truncate(closed.path);
                self.name_next = false;
            }
            b',' => self.next_member()?,
            b'"' => return self.string(),
            _ => {}
        }
        self.pos += 1;
        Some(())
    }

    fn next_member(&mut self) -> Option<()> {
        let container = self.open.last_mut()?;
        self.path.truncate(container.path);
        match &mut container.index {
            Some(index) => {
                *index += 1;
                push_token(&mut self.path, itoa::Buffer::new().format(*index));
            }
            None => self.name_next = true,
        }
        Some(())
    }

    fn string(&mut self) -> Option<()> {
        let start = self.pos;
        self.pos = string_end(self.input, start)?;
        if core::mem::take(&mut self.name_next) {
            let name: Cow<'_, str> = parse_string(self.input.get(start..self.pos)?)?;
            push_token(&mut self.path, &name);
        }
        Some(())
    }
}

/// The position behind the string that begins at `start`.
pub(super) fn string_end(input: &[u8], start: usize) -> Option<usize> {
    let mut end = run_end(input, start + 1);
    while *input.get(end)? == b'\\' {
        end = run_end(input, end + 2);
    }
    Some(end + 1)
}
