//! The one reader: a strict recursive descent over the input that writes canonical form as it goes.
//!
//! Most of what services send is already canonical for long stretches. So the reader does not copy
//! token by token: it lets a *run* of unchanged input grow and copies it in one piece when something
//! must be written differently (white space left out, an escape or a number written otherwise). Text
//! that is canonical throughout is one run and one copy. Members that did not arrive in order are
//! permuted within the output when their object ends.
//!
//! With `CHECK` the first deviation is the refusal `json_not_canonical`. The check and the writer are
//! therefore one code: a text passes the check exactly when canonicalizing would return it unchanged.

mod members;

use std::borrow::Cow;

use super::Limits;
use super::error::{JsonError, JsonErrorCode, Parsed, refusal};
use super::number::{self, Inexact, Literal, Numbers};
use super::pointer;
use super::string::{self, run_end};
use crate::text::printable;

pub(super) use members::Member;

/// The deepest nesting that is read whatever [`Limits`] says. The reader recurses, and so do drops of
/// what is built from it.
const DEPTH_CEILING: u32 = 128;

/// Members that most texts have open at once, so that remembering them takes one allocation.
const MEMBERS_EXPECTED: usize = 16;

pub(super) struct Reader<'i, 'o, const CHECK: bool> {
    input: &'i [u8],
    /// The next byte to read.
    pos: usize,
    /// Where the run of input begins that is not copied yet; it ends at `pos`.
    run: usize,
    out: &'o mut Vec<u8>,
    /// Members of the objects that are open, innermost last; at the end those of the top level.
    members: Vec<Member>,
    scratch: Vec<u8>,
    depth_max: u32,
    deepest: u32,
    /// Where the value begins; pointers count from there.
    root: usize,
    numbers: Numbers,
    /// Where in the input numbers stand that became text.
    as_text: Vec<usize>,
}

/// Checks size and encoding of a whole input.
pub(super) fn admit(input: &[u8], bytes_max: usize) -> Parsed<()> {
    if input.len() > bytes_max {
        return Err(too_large(bytes_max, bytes_max));
    }
    core::str::from_utf8(input).map(|_| ()).map_err(|error| {
        refusal(JsonErrorCode::Utf8, error.valid_up_to(), "the bytes are not UTF-8")
    })
}

pub(super) fn too_large(offset: usize, bytes_max: usize) -> Box<JsonError> {
    refusal(JsonErrorCode::TooLarge, offset, format!("more than {bytes_max} bytes"))
}

impl<'i, 'o, const CHECK: bool> Reader<'i, 'o, CHECK> {
    /// A reader that starts at `pos` of an input that [`admit`] has seen and appends to `out`.
    pub(super) fn new(input: &'i [u8], pos: usize, limits: Limits, out: &'o mut Vec<u8>) -> Self {
        Self {
            input,
            pos,
            run: pos,
            out,
            members: Vec::new(),
            scratch: Vec::new(),
            depth_max: limits.depth_max.min(DEPTH_CEILING),
            deepest: 0,
            root: pos,
            numbers: Numbers::Exact,
            as_text: Vec::new(),
        }
    }

    /// Says what becomes of numbers that no double carries. The check takes none of them.
    pub(super) fn with_numbers(self, numbers: Numbers) -> Self {
        Self { numbers, ..self }
    }

    /// The position of the next byte.
    pub(super) fn pos(&self) -> usize {
        self.pos
    }

    /// The deepest nesting that occurred.
    pub(super) fn deepest(&self) -> u32 {
        self.deepest
    }

    /// The members of the top-level object, in canonical order, and where in the input numbers stand
    /// that became text.
    pub(super) fn into_parts(self) -> (Vec<Member>, Vec<usize>) {
        (self.members, self.as_text)
    }

    /// Reads one value to the end of the input.
    pub(super) fn document(&mut self) -> Parsed<()> {
        self.blank()?;
        self.value(0)?;
        self.settle();
        self.finish()
    }

    /// Refuses anything but white space up to the end of the input.
    pub(super) fn finish(&mut self) -> Parsed<()> {
        self.blank()?;
        if self.pos < self.input.len() {
            return Err(refusal(JsonErrorCode::Trailing, self.pos, "something follows the value"));
        }
        Ok(())
    }

    /// Reads one object and leaves off behind it.
    pub(super) fn one_object(&mut self) -> Parsed<()> {
        if self.peek() != b'{' {
            return Err(self.unexpected("an object is expected"));
        }
        self.value(0)?;
        self.settle();
        Ok(())
    }

    /// Goes on at `pos`; what lies before belongs to another reader.
    pub(super) fn jump(&mut self, pos: usize) {
        (self.pos, self.run) = (pos, pos);
    }

    /// Steps over one byte and the white space behind it.
    pub(super) fn step(&mut self) -> Parsed<()> {
        self.pos += 1;
        self.blank()
    }

    /// The next byte, 0 at the end.
    #[inline(always)]
    pub(super) fn peek(&self) -> u8 {
        // Zero is part of no token, so it can stand for the end.
        self.input.get(self.pos).copied().unwrap_or(0)
    }

    pub(super) fn unexpected(&self, expected: &'static str) -> Box<JsonError> {
        let rest = self.input.get(self.pos..).unwrap_or_default();
        let reason = if rest.is_empty() {
            Cow::from(format!("the text ends where {expected}"))
        } else if rest.starts_with(b"\xef\xbb\xbf") {
            Cow::from("a byte order mark is not part of JSON")
        } else {
            Cow::from(expected)
        };
        refusal(JsonErrorCode::Syntax, self.pos, reason)
    }

    /// Where `pos` is or will be in the output.
    #[inline(always)]
    fn at(&self) -> usize {
        self.out.len() + (self.pos - self.run)
    }

    /// Copies the run up to `pos`.
    fn settle(&mut self) {
        if !CHECK {
            self.out.extend_from_slice(&self.input[self.run..self.pos]);
            self.run = self.pos;
        }
    }

    /// Writes `text` in place of the input from `from` to `pos`.
    #[inline]
    fn replace(&mut self, from: usize, text: &[u8], reason: &'static str) -> Parsed<()> {
        if CHECK {
            return Err(refusal(JsonErrorCode::NotCanonical, from, reason));
        }
        self.out.extend_from_slice(&self.input[self.run..from]);
        self.out.extend_from_slice(text);
        self.run = self.pos;
        Ok(())
    }

    /// Leaves out white space.
    #[inline(always)]
    pub(super) fn blank(&mut self) -> Parsed<()> {
        if self.peek() <= b' ' { self.skip_blank() } else { Ok(()) }
    }

    #[inline(never)]
    fn skip_blank(&mut self) -> Parsed<()> {
        let from = self.pos;
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.pos += 1;
        }
        if self.pos == from {
            return Ok(());
        }
        self.replace(from, b"", "canonical form has no white space between tokens")
    }

    /// Reads a value; `depth` containers are around it.
    fn value(&mut self, depth: u32) -> Parsed<()> {
        match self.peek() {
            b'"' => self.string().map(|_| ()),
            b'{' => self.object(depth + 1),
            b'[' => self.array(depth + 1),
            b'-' | b'0'..=b'9' => self.number(),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => Err(self.unexpected("a value is expected")),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Parsed<()> {
        let found = self.input.get(self.pos..self.pos + word.len()) == Some(word);
        if !found {
            return Err(self.unexpected("a value is expected"));
        }
        self.pos += word.len();
        Ok(())
    }

    #[inline]
    fn number(&mut self) -> Parsed<()> {
        let start = self.pos;
        let (literal, end) = number::read(self.input, start)?;
        self.pos = end;
        match literal {
            Literal::Canonical => Ok(()),
            Literal::Double { double, doubtful } => number::formatted(double, |text| {
                let literal = self.input.get(start..end).unwrap_or_default();
                if literal == text {
                    return Ok(());
                }
                if doubtful && !number::is_rendering(literal, double, text) {
                    return self.inexact(start, Inexact::Digits(double));
                }
                self.replace(start, text, "canonical form writes this number otherwise")
            }),
            Literal::Inexact(why) => self.inexact(start, why),
        }
    }

    /// Makes a string of the number from `start` to `pos`, or refuses it.
    #[cold]
    #[inline(never)]
    fn inexact(&mut self, start: usize, why: Inexact) -> Parsed<()> {
        if CHECK || self.numbers == Numbers::Exact {
            let pointer = pointer::shown(self.input, self.root, start);
            let place = match pointer.as_deref() {
                None | Some("") => "the top".into(),
                Some(pointer) => printable(pointer),
            };
            let reason = format!(
                "the number at {place} {why}; send it as a string, or ask with numbers=text that such \
                 numbers be kept as strings"
            );
            let mut error = refusal(JsonErrorCode::NumberInexact, start, reason);
            error.pointer = pointer;
            return Err(error);
        }
        let input = self.input;
        let literal = input.get(start..self.pos).unwrap_or_default();
        self.as_text.push(start);
        self.replace(start, &[b"\"", literal, b"\""].concat(), "")
    }

    /// Reads a string. True when it holds no escape.
    #[inline]
    fn string(&mut self) -> Parsed<bool> {
        let opening = self.pos;
        self.pos += 1;
        let mut plain = true;
        loop {
            self.pos = run_end(self.input, self.pos);
            match self.input.get(self.pos) {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(plain);
                }
                Some(b'\\') => {
                    plain = false;
                    self.escape()?;
                }
                Some(_) => {
                    let reason = "a control character in a string must be escaped";
                    return Err(refusal(JsonErrorCode::Syntax, self.pos, reason));
                }
                None => {
                    let reason =
                        format!("the text ends within the string that begins at {opening}");
                    return Err(refusal(JsonErrorCode::Syntax, self.pos, reason));
                }
            }
        }
    }

    fn escape(&mut self) -> Parsed<()> {
        let start = self.pos;
        let (c, end) = string::read_escape(self.input, start)?;
        self.pos = end;
        let written = string::write_char(c);
        if self.input.get(start..end) == Some(written.as_bytes()) {
            return Ok(());
        }
        self.replace(start, written.as_bytes(), "canonical form writes this character otherwise")
    }

    /// Counts one container and refuses one too many.
    #[inline]
    fn enter(&mut self, depth: u32) -> Parsed<()> {
        if depth > self.depth_max {
            let reason = format!("nested deeper than {} levels", self.depth_max);
            return Err(refusal(JsonErrorCode::Depth, self.pos, reason));
        }
        self.deepest = self.deepest.max(depth);
        self.step()
    }

    /// Steps over a comma (true) or the closing byte (false).
    #[inline]
    pub(super) fn more(&mut self, closing: u8, expected: &'static str) -> Parsed<bool> {
        self.blank()?;
        let byte = self.peek();
        if byte != b',' && byte != closing {
            return Err(self.unexpected(expected));
        }
        self.pos += 1;
        if byte == closing {
            return Ok(false);
        }
        self.blank().map(|()| true)
    }

    fn array(&mut self, depth: u32) -> Parsed<()> {
        self.enter(depth)?;
        if self.peek() == b']' {
            self.pos += 1;
            return Ok(());
        }
        loop {
            self.value(depth)?;
            if !self.more(b']', "a comma or a closing bracket is expected")? {
                return Ok(());
            }
        }
    }

    fn object(&mut self, depth: u32) -> Parsed<()> {
        self.enter(depth)?;
        if self.peek() == b'}' {
            self.pos += 1;
            return Ok(());
        }
        let first = self.members.len();
        if depth == 1 {
            self.members.reserve(MEMBERS_EXPECTED);
        }
        let mut previous: Option<Member> = None;
        let mut sorted = true;
        loop {
            let mut member = self.member_name()?;
            if let Some(previous) = &previous {
                sorted &= self.follows(previous, &member)?;
            }
            self.value(depth)?;
            member.end = self.at();
            previous = Some(member);
            // The check never permutes and needs to remember the top level only.
            if !CHECK || depth == 1 {
                self.members.push(member);
            }
            if !self.more(b'}', "a comma or a closing brace is expected")? {
                break;
            }
        }
        if !sorted {
            self.permute(first)?;
        }
        if !CHECK && depth > 1 {
            self.members.truncate(first);
        }
        Ok(())
    }
}
