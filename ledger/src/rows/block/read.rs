//! Reading a block without copying it.

use indelible_core::hash::Digest;
use indelible_core::limits::SEQ_MAX;
use indelible_core::name::Seq;

use super::{BLOCK_VALUE_BYTES_MAX, FOOTER_BYTES, ROW, VERSION};
use crate::rows::{Cursor, LedgerNumber, RowError};

/// A block whose every part was found within its value: from here on nothing can fail.
#[derive(Debug, Clone)]
pub struct Block<'a> {
    value: &'a [u8],
    ledger: LedgerNumber,
    first_seq: Seq,
    prev: Option<Digest>,
    ends: &'a [[u8; 4]],
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockRecord<'a> {
    /// Its sequence number.
    pub seq: Seq,
    /// Its canonical bytes, as they were hashed.
    pub bytes: &'a [u8],
    /// Its digest as it was stored: nothing is hashed here.
    pub digest: Digest,
    /// The digest before it; `None` for record 0.
    pub prev: Option<Digest>,
    /// Its own signature, if it carries one.
    pub signature: Option<BlockSignature<'a>>,
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
    tables_start: usize,
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
    cursor.take(tables_end.saturating_sub(1))?;
    let prev = cursor.array()?;
    let footer = Footer {
        prev,
        ledger: LedgerNumber(cursor.u64()?),
        first_seq: cursor.seq()?,
        tables_start: cursor.u32()? as usize,
        count: cursor.u32()? as usize,
        keys: usize::from(cursor.u8()?),
    };
    if footer.count == 0 || footer.first_seq.get() + (footer.count as u64 - 1) > SEQ_MAX {
        return Err(cursor.damaged("its sequence numbers are out of range"));
    }
    if footer.first_seq == Seq::ZERO && footer.prev != [0; 32] {
        return Err(cursor.damaged("record 0 has a digest before it"));
    }
    let tables = value.get(footer.tables_start..tables_end);
    let tables = tables.ok_or_else(|| cursor.damaged("its tables lie outside of it"))?;
    Ok((footer, tables))
}

impl<'a> Block<'a> {
    /// Takes a value apart. Costs a pass over the tables; records are not looked into.
    ///
    /// # Errors
    /// When any part does not lie where the footer says, or the parts do not fill the value exactly.
    pub fn decode(value: &'a [u8]) -> Result<Self, RowError> {
        let (footer, tables) = footer(value)?;
        let mut cursor = Cursor::new(ROW, tables);
        // `count` is from outside; `take` fails before anything of its size is allocated.
        let too_long = || RowError::Damaged { row: ROW, reason: "it counts too many records" };
        let (ends, _) = cursor.take(footer.count.checked_mul(4).ok_or_else(too_long)?)?.as_chunks();
        let (digests, _) =
            cursor.take(footer.count.checked_mul(32).ok_or_else(too_long)?)?.as_chunks();
        let signers = cursor.take(footer.count)?;
        let mut keys = Vec::with_capacity(footer.keys);
        for _ in 0..footer.keys {
            let signature_bytes = usize::from(cursor.u16()?);
            keys.push(Key { id: cursor.short_text()?, signature_bytes });
        }
        let block = Self {
            value,
            ledger: footer.ledger,
            first_seq: footer.first_seq,
            prev: (footer.first_seq != Seq::ZERO).then_some(Digest(footer.prev)),
            ends,
            digests,
            signers,
            keys,
            signatures: cursor.rest,
        };
        block.check(footer.tables_start)?;
        Ok(block)
    }

    /// Ends ascend from the version byte to the tables, and each signer is a key or nobody.
    fn check(&self, tables_start: usize) -> Result<(), RowError> {
        let damaged = |reason| Err(RowError::Damaged { row: ROW, reason });
        let mut start = 1;
        for end in self.ends {
            let end = u32::from_be_bytes(*end) as usize;
            if end <= start {
                return damaged("a record has no bytes");
            }
            start = end;
        }
        if start != tables_start {
            return damaged("its records do not end where its tables begin");
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
            None => (1, self.prev),
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
            bytes: self.value.get(start..end(index)?)?,
            digest: self.digest(index)?,
            prev,
            signature,
        })
    }
}
