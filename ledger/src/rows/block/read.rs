//! Reading a block's tables without copying them, and its bodies by them.

use std::ops::Range;

use indelible_core::hash::Digest;
use indelible_core::limits::SEQ_MAX;
use indelible_core::name::Seq;
use indelible_core::time::Timestamp;

use super::{BLOCK_VALUE_BYTES_MAX, BODIES, FOOTER_BYTES, ROW, VERSION};
use crate::rows::{Cursor, LedgerNumber, RowError};

/// A block's tables, every part of which was found within their value: from here on nothing can fail.
#[derive(Debug, Clone)]
pub struct Block<'a> {
    ledger: LedgerNumber,
    first_seq: Seq,
    first_time: Timestamp,
    prev: Option<Digest>,
    ends: &'a [[u8; 4]],
    times: &'a [[u8; 4]],
    digests: &'a [[u8; 32]],
    signers: &'a [u8],
    keys: Vec<Key<'a>>,
    signatures: &'a [u8],
}

#[derive(Debug, Clone, Copy)]
struct Key<'a> {
    id: &'a str,
    signature_bytes: usize,
}

/// One record of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRecord<'a> {
    /// Its sequence number.
    pub seq: Seq,
    /// Its time.
    pub time: Timestamp,
    /// Where its canonical bytes are within the bodies.
    pub place: Range<usize>,
    /// Its digest as it was stored: nothing is hashed here.
    pub digest: Digest,
    /// The digest before it; `None` for record 0.
    pub prev: Option<Digest>,
    /// Its own signature, if it carries one.
    pub signature: Option<BlockSignature<'a>>,
}

impl BlockRecord<'_> {
    /// Its canonical bytes, as they were hashed, out of the bodies of its block; empty where those are
    /// shorter than [`Block::check_bodies`] asks for.
    #[must_use]
    pub fn bytes_in<'b>(&self, bodies: &'b [u8]) -> &'b [u8] {
        bodies.get(self.place.clone()).unwrap_or_default()
    }
}

/// A signature as it was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSignature<'a> {
    /// The id of the key.
    pub key_id: &'a str,
    /// The bytes of the signature.
    pub bytes: &'a [u8],
}

struct Footer {
    prev: [u8; 32],
    ledger: LedgerNumber,
    first_seq: Seq,
    first_time: Timestamp,
    count: usize,
    keys: usize,
}

fn footer(value: &[u8]) -> Result<(Footer, &[u8]), RowError> {
    let mut cursor = Cursor::new(ROW, value);
    cursor.version(VERSION)?;
    if value.len() > BLOCK_VALUE_BYTES_MAX {
        return Err(cursor.damaged("it is larger than any block"));
    }
    let Some(tables_end) = value.len().checked_sub(FOOTER_BYTES) else {
        return Err(cursor.damaged("it is too short"));
    };
    // Behind the version byte that was just taken.
    let tables = cursor.take(tables_end.saturating_sub(1))?;
    let prev = cursor.array()?;
    let footer = Footer {
        prev,
        ledger: LedgerNumber(cursor.u64()?),
        first_seq: cursor.seq()?,
        first_time: cursor.time()?,
        count: cursor.u32()? as usize,
        keys: usize::from(cursor.u8()?),
    };
    if footer.count == 0 || footer.first_seq.get() + (footer.count as u64 - 1) > SEQ_MAX {
        return Err(cursor.damaged("its sequence numbers are out of range"));
    }
    if footer.first_seq == Seq::ZERO && footer.prev != [0; 32] {
        return Err(cursor.damaged("record 0 has a digest before it"));
    }
    Ok((footer, tables))
}

impl<'a> Block<'a> {
    /// Takes tables apart. Costs a pass over them.
    ///
    /// # Errors
    /// When any part does not lie where the footer says, or the parts do not fill the value exactly.
    pub fn decode(value: &'a [u8]) -> Result<Self, RowError> {
        let (footer, tables) = footer(value)?;
        let mut cursor = Cursor::new(ROW, tables);
        // `count` is from outside; `take` fails before anything of its size is allocated.
        let too_long = || RowError::Damaged { row: ROW, reason: "it counts too many records" };
        let fours = footer.count.checked_mul(4).ok_or_else(too_long)?;
        let (ends, _) = cursor.take(fours)?.as_chunks();
        let (times, _) = cursor.take(fours)?.as_chunks();
        let (digests, _) =
            cursor.take(footer.count.checked_mul(32).ok_or_else(too_long)?)?.as_chunks();
        let signers = cursor.take(footer.count)?;
        let mut keys = Vec::with_capacity(footer.keys);
        for _ in 0..footer.keys {
            let signature_bytes = usize::from(cursor.u16()?);
            keys.push(Key { id: cursor.short_text()?, signature_bytes });
        }
        let block = Self {
            ledger: footer.ledger,
            first_seq: footer.first_seq,
            first_time: footer.first_time,
            prev: (footer.first_seq != Seq::ZERO).then_some(Digest(footer.prev)),
            ends,
            times,
            digests,
            signers,
            keys,
            signatures: cursor.rest,
        };
        block.check()?;
        Ok(block)
    }

    /// Ends and times ascend, and each signer is a key or nobody.
    fn check(&self) -> Result<(), RowError> {
        let damaged = |reason| Err(RowError::Damaged { row: ROW, reason });
        let mut start = 0;
        for end in self.ends {
            let end = u32::from_be_bytes(*end) as usize;
            if end <= start {
                return damaged("a record has no bytes");
            }
            start = end;
        }
        if start > BLOCK_VALUE_BYTES_MAX {
            return damaged("its bodies are larger than any");
        }
        if self.times.first().is_some_and(|time| *time != [0; 4]) || !self.times.is_sorted() {
            return damaged("its times do not ascend");
        }
        if Timestamp::from_micros(self.last_micros()).is_err() {
            return damaged("a time lies beyond the year 9999");
        }
        let mut signatures = 0usize;
        for &signer in self.signers {
            match self.key(signer) {
                Some(key) => signatures += key.signature_bytes,
                None if signer == 0 => {}
                None => return damaged("a signature names a key that is not there"),
            }
        }
        if signatures != self.signatures.len() {
            return damaged("its signatures do not end where its footer begins");
        }
        Ok(())
    }

    fn key(&self, signer: u8) -> Option<Key<'a>> {
        self.keys.get(usize::from(signer).checked_sub(1)?).copied()
    }

    /// The ledger it is of.
    #[must_use]
    pub fn ledger(&self) -> LedgerNumber {
        self.ledger
    }

    /// Sequence number of the first record.
    #[must_use]
    pub fn first_seq(&self) -> Seq {
        self.first_seq
    }

    /// Number of records, at least 1.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Never: a block without records is refused by [`Block::decode`].
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Time of the first record.
    #[must_use]
    pub fn first_time(&self) -> Timestamp {
        self.first_time
    }

    /// Time of the last record.
    #[must_use]
    pub fn last_time(&self) -> Timestamp {
        Timestamp::from_micros(self.last_micros()).unwrap_or(self.first_time)
    }

    fn last_micros(&self) -> u64 {
        let last = self.times.last().map_or(0, |time| u32::from_be_bytes(*time));
        self.first_time.micros() + u64::from(last)
    }

    /// The times of all records, in order.
    pub fn times(&self) -> impl ExactSizeIterator<Item = Timestamp> {
        let first = self.first_time;
        self.times.iter().map(move |time| {
            let micros = first.micros() + u64::from(u32::from_be_bytes(*time));
            Timestamp::from_micros(micros).unwrap_or(first)
        })
    }

    /// How many bytes the bodies have.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.ends.last().map_or(0, |end| u32::from_be_bytes(*end) as usize)
    }

    /// Whether a value of space `r` can be the bodies of this block, by its size.
    ///
    /// # Errors
    /// When its size is another.
    pub fn check_bodies(&self, bodies: &[u8]) -> Result<(), RowError> {
        if bodies.len() == self.body_bytes() {
            Ok(())
        } else {
            let reason = "they are not as long as the tables say";
            Err(RowError::Damaged { row: BODIES, reason })
        }
    }

    /// The digest before the first record; `None` when that is record 0.
    #[must_use]
    pub fn prev(&self) -> Option<Digest> {
        self.prev
    }

    /// The digests of all records, in order.
    pub fn digests(&self) -> impl ExactSizeIterator<Item = Digest> + DoubleEndedIterator + 'a {
        self.digests.iter().map(|digest| Digest(*digest))
    }

    /// The digest of the record at `index`.
    #[must_use]
    pub fn digest(&self, index: usize) -> Option<Digest> {
        self.digests.get(index).map(|digest| Digest(*digest))
    }

    /// The ids of the keys that signed in this block.
    pub fn key_ids(&self) -> impl ExactSizeIterator<Item = &'a str> {
        self.keys.iter().map(|key| key.id)
    }

    /// The record at `index`, counted from the block's first.
    #[must_use]
    pub fn record(&self, index: usize) -> Option<BlockRecord<'a>> {
        let before = self.signers.get(..index)?;
        let start = before.iter().filter_map(|&s| self.key(s)).map(|key| key.signature_bytes).sum();
        self.record_at(index, start)
    }

    /// The record with the sequence number `seq`, if it is in this block.
    #[must_use]
    pub fn find(&self, seq: Seq) -> Option<BlockRecord<'a>> {
        let index = seq.get().checked_sub(self.first_seq.get())?;
        self.record(usize::try_from(index).ok()?)
    }

    /// All records in order.
    pub fn records(&self) -> impl Iterator<Item = BlockRecord<'a>> {
        let mut start = 0;
        (0..self.len()).map_while(move |index| {
            let record = self.record_at(index, start)?;
            start += record.signature.map_or(0, |signature| signature.bytes.len());
            Some(record)
        })
    }

    fn record_at(&self, index: usize, signature_start: usize) -> Option<BlockRecord<'a>> {
        let end = |index: usize| self.ends.get(index).map(|end| u32::from_be_bytes(*end) as usize);
        let (start, prev) = match index.checked_sub(1) {
            Some(before) => (end(before)?, self.digest(before)),
            None => (0, self.prev),
        };
        let signature = match self.key(*self.signers.get(index)?) {
            None => None,
            Some(key) => {
                let bytes = self.signatures.get(signature_start..)?.get(..key.signature_bytes)?;
                Some(BlockSignature { key_id: key.id, bytes })
            }
        };
        Some(BlockRecord {
            seq: Seq::new(self.first_seq.get() + index as u64).ok()?,
            time: self.times().nth(index)?,
            place: start..end(index)?,
            digest: self.digest(index)?,
            prev,
            signature,
        })
    }
}
