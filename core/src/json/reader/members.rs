//! Members of objects: where they stand in the output, and how they come into order.

use core::cmp::Ordering;

use super::Reader;
use crate::json::error::{JsonError, JsonErrorCode, Parsed, refusal};
use crate::json::order;

/// A member of an object by its place in the output.
#[derive(Clone, Copy)]
pub(in crate::json) struct Member {
    /// First byte of the name's content, behind its quote.
    name: usize,
    /// The name's closing quote.
    name_end: usize,
    /// Behind the last byte of the value.
    pub(super) end: usize,
    /// The name's opening quote in the input, for errors.
    offset: usize,
}

impl Member {
    /// Behind the last byte of the value, in the finished canonical bytes.
    pub(in crate::json) fn end(&self) -> usize {
        self.end
    }

    /// Name (without quotes) and value, cut from the finished canonical bytes.
    pub(in crate::json) fn cut<'a>(&self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        let name = bytes.get(self.name..self.name_end).unwrap_or_default();
        // Canonical form has exactly `":` between the name and the value.
        (name, bytes.get(self.name_end + 2..self.end).unwrap_or_default())
    }
}

impl<const CHECK: bool> Reader<'_, '_, CHECK> {
    /// Reads a name and the colon behind it.
    #[inline]
    pub(super) fn member_name(&mut self) -> Parsed<Member> {
        if self.peek() != b'"' {
            return Err(self.unexpected("a member name in quotes is expected"));
        }
        let (offset, name) = (self.pos, self.at() + 1);
        let plain = self.string()?;
        if !plain {
            // So that a name lies either wholly in the output or wholly in the run.
            self.settle();
        }
        let name_end = self.at() - 1;
        self.blank()?;
        if self.peek() != b':' {
            return Err(self.unexpected("a colon is expected"));
        }
        self.pos += 1;
        self.blank()?;
        Ok(Member { name, name_end, end: 0, offset })
    }

    /// The content of a member's name, from where it is now.
    #[inline]
    fn name(&self, member: &Member) -> &[u8] {
        let copied = self.out.len();
        if member.name >= copied {
            &self.input[member.name - copied + self.run..member.name_end - copied + self.run]
        } else {
            &self.out[member.name..member.name_end]
        }
    }

    #[inline]
    fn compare(&self, left: &Member, right: &Member) -> Ordering {
        order::compare(self.name(left), self.name(right))
    }

    /// Whether `member` stands where canonical form wants it, behind `previous`.
    #[inline]
    pub(super) fn follows(&self, previous: &Member, member: &Member) -> Parsed<bool> {
        match self.compare(previous, member) {
            Ordering::Less => Ok(true),
            Ordering::Equal => Err(duplicate(member.offset)),
            Ordering::Greater if CHECK => {
                let reason = "canonical form sorts names by their UTF-16 code units";
                Err(refusal(JsonErrorCode::NotCanonical, member.offset, reason))
            }
            Ordering::Greater => Ok(false),
        }
    }

    /// Brings the members from `first` on, the last things in the output, into order.
    #[inline(never)]
    pub(super) fn permute(&mut self, first: usize) -> Parsed<()> {
        self.settle();
        let mut members = core::mem::take(&mut self.members);
        let own = members.get_mut(first..).unwrap_or_default();
        let start = own.first().map_or(0, |member| member.name - 1);
        own.sort_unstable_by(|a, b| self.compare(a, b).then(a.offset.cmp(&b.offset)));
        let doubled = own
            .windows(2)
            .filter(|pair| self.compare(&pair[0], &pair[1]).is_eq())
            .map(|pair| pair[1].offset)
            .min();
        if let Some(offset) = doubled {
            return Err(duplicate(offset));
        }
        self.scratch.clear();
        self.scratch.reserve(self.out.len().saturating_sub(start));
        for member in own {
            if !self.scratch.is_empty() {
                self.scratch.push(b',');
            }
            let (from, to) = (member.name - 1, start + self.scratch.len());
            self.scratch.extend_from_slice(&self.out[from..member.end]);
            member.name = member.name - from + to;
            member.name_end = member.name_end - from + to;
            member.end = member.end - from + to;
        }
        self.out[start..start + self.scratch.len()].copy_from_slice(&self.scratch);
        self.members = members;
        Ok(())
    }
}

fn duplicate(offset: usize) -> Box<JsonError> {
    refusal(JsonErrorCode::DuplicateName, offset, "the name occurs twice in its object")
}
