//! Writing a block.

use indelible_core::hash::Digest;
use indelible_core::name::Seq;
use indelible_core::time::Timestamp;

use super::{
    BLOCK_BYTES_TARGET, BLOCK_KEYS_MAX, BLOCK_VALUE_BYTES_MAX, ENTRY_BYTES, FOOTER_BYTES, VERSION,
};
use crate::rows::{LedgerNumber, push_short_text};

/// Why a block cannot be finished as it is. All of these are faults of the program that builds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// There is no record in it.
    #[error("a block has at least one record")]
    Empty,
    /// More than [`BLOCK_VALUE_BYTES_MAX`].
    #[error("a block has at most {BLOCK_VALUE_BYTES_MAX} bytes")]
    TooLarge,
    /// A record without bytes.
    #[error("a record has at least one byte")]
    EmptyRecord,
    /// More than [`BLOCK_KEYS_MAX`] different keys.
    #[error("the records of a block are signed by at most {BLOCK_KEYS_MAX} keys")]
    TooManyKeys,
    /// A key id longer than 255 bytes, or a signature longer than 65,535.
    #[error("a key id or a signature is too long, or signatures of one key differ in length")]
    BadSignature,
    /// A signature for a record that is not there.
    #[error("there is no record {0} in this block to sign")]
    NoSuchRecord(usize),
    /// Record 0 has nothing before it, every other record has.
    #[error("the digest before the first record is missing, or given for record 0")]
    PreviousDigest,
    /// A record's time lies before the first one's, or more than [`u32::MAX`] microseconds behind it.
    #[error("a record's time does not belong into this block")]
    Time,
}

/// A block as it is stored: two rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRows {
    /// Space `b`.
    pub tables: Vec<u8>,
    /// Space `r`.
    pub bodies: Vec<u8>,
}

#[derive(Debug)]
struct Key {
    id: Box<str>,
    signature_bytes: u16,
}

/// A block in the making: records first, signatures when they are there.
#[derive(Debug)]
pub struct BlockBuilder {
    ledger: LedgerNumber,
    first_seq: Seq,
    prev: Option<Digest>,
    first_time: Timestamp,
    bodies: Vec<u8>,
    ends: Vec<u32>,
    /// Microseconds after `first_time`; `None` where that is none.
    times: Vec<Option<u32>>,
    digests: Vec<Digest>,
    /// For each record 0 or the number of its key, counted from 1.
    signers: Vec<u8>,
    keys: Vec<Key>,
    /// Where in `signature_bytes` each record's signature stands; records may be signed in any order.
    signatures: Vec<(usize, usize)>,
    signature_bytes: Vec<u8>,
}

impl BlockBuilder {
    /// Begins a block of `ledger` with the record `first_seq`; `prev` is the digest of the record before
    /// it, `None` exactly for record 0, and `first_time` the time of the first record.
    #[must_use]
    pub fn new(
        ledger: LedgerNumber,
        first_seq: Seq,
        prev: Option<Digest>,
        first_time: Timestamp,
    ) -> Self {
        Self {
            ledger,
            first_seq,
            prev,
            first_time,
            bodies: Vec::new(),
            ends: Vec::new(),
            times: Vec::new(),
            digests: Vec::new(),
            signers: Vec::new(),
            keys: Vec::new(),
            signatures: Vec::new(),
            signature_bytes: Vec::new(),
        }
    }

    /// Makes room for so many records more, of so many bytes together.
    pub fn reserve(&mut self, records: usize, bytes: usize) {
        self.bodies.reserve(bytes);
        self.ends.reserve(records);
        self.times.reserve(records);
        self.digests.reserve(records);
        self.signers.reserve(records);
        self.signatures.reserve(records);
    }

    /// Adds a record of the time `time`: `seal` appends its bytes to the buffer it is given, leaves what
    /// stands there alone, and returns its digest. Returns the record's index within the block.
    ///
    /// # Errors
    /// Whatever `seal` fails with; the block is then as it was.
    pub fn append_with<E>(
        &mut self,
        time: Timestamp,
        seal: impl FnOnce(&mut Vec<u8>) -> Result<Digest, E>,
    ) -> Result<usize, E> {
        let start = self.bodies.len();
        let digest = match seal(&mut self.bodies) {
            Ok(digest) => digest,
            Err(error) => {
                self.bodies.truncate(start);
                return Err(error);
            }
        };
        Ok(self.note(digest, time))
    }

    /// Adds a record whose bytes are there already. Returns its index within the block.
    pub fn append(&mut self, record: &[u8], digest: Digest, time: Timestamp) -> usize {
        self.bodies.extend_from_slice(record);
        self.note(digest, time)
    }

    fn note(&mut self, digest: Digest, time: Timestamp) -> usize {
        // Bodies beyond 32 bits are refused by `finish`, long after this could have been cut.
        self.ends.push(u32::try_from(self.bodies.len()).unwrap_or(u32::MAX));
        self.times.push(self.time_offset(time));
        self.digests.push(digest);
        self.signers.push(0);
        self.signatures.push((0, 0));
        self.digests.len() - 1
    }

    fn time_offset(&self, time: Timestamp) -> Option<u32> {
        let offset = time.micros().checked_sub(self.first_time.micros())?;
        u32::try_from(offset).ok()
    }

    /// Whether a record of that time can be added: a block spans 71 minutes at most.
    #[must_use]
    pub fn takes(&self, time: Timestamp) -> bool {
        self.time_offset(time).is_some()
    }

    /// Gives the record at `index` its signature by the key `key_id`.
    ///
    /// # Errors
    /// [`BlockError::NoSuchRecord`], [`BlockError::TooManyKeys`], [`BlockError::BadSignature`].
    pub fn sign(&mut self, index: usize, key_id: &str, signature: &[u8]) -> Result<(), BlockError> {
        if index >= self.len() {
            return Err(BlockError::NoSuchRecord(index));
        }
        let number = self.key_number(key_id, signature)?;
        let (Some(signer), Some(place)) =
            (self.signers.get_mut(index), self.signatures.get_mut(index))
        else {
            return Err(BlockError::NoSuchRecord(index));
        };
        *signer = number;
        let start = self.signature_bytes.len();
        if start == 0 {
            // Mostly all that follow are signed too.
            self.signature_bytes.reserve((self.digests.len() - index) * signature.len());
        }
        self.signature_bytes.extend_from_slice(signature);
        *place = (start, self.signature_bytes.len());
        Ok(())
    }

    fn key_number(&mut self, key_id: &str, signature: &[u8]) -> Result<u8, BlockError> {
        let signature_bytes =
            u16::try_from(signature.len()).map_err(|_| BlockError::BadSignature)?;
        // Almost always there is one key, so a list is the fastest table.
        let known = self.keys.iter().position(|key| &*key.id == key_id);
        let index = match known {
            Some(index)
                if self.keys.get(index).map(|k| k.signature_bytes) == Some(signature_bytes) =>
            {
                index
            }
            Some(_) => return Err(BlockError::BadSignature),
            None if key_id.is_empty() || key_id.len() > 255 || signature.is_empty() => {
                return Err(BlockError::BadSignature);
            }
            None if self.keys.len() >= BLOCK_KEYS_MAX => return Err(BlockError::TooManyKeys),
            None => {
                self.keys.push(Key { id: key_id.into(), signature_bytes });
                self.keys.len() - 1
            }
        };
        u8::try_from(index + 1).map_err(|_| BlockError::TooManyKeys)
    }

    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.digests.len()
    }

    /// Whether there is no record yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.digests.is_empty()
    }

    /// Whether the next record belongs into another block.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bodies.len() >= BLOCK_BYTES_TARGET
    }

    /// Bytes of the records so far.
    #[must_use]
    pub fn record_bytes(&self) -> usize {
        self.bodies.len()
    }

    /// The ledger it is of.
    #[must_use]
    pub fn ledger(&self) -> LedgerNumber {
        self.ledger
    }

    /// Sequence number of its first record.
    #[must_use]
    pub fn first_seq(&self) -> Seq {
        self.first_seq
    }

    /// The digests so far.
    #[must_use]
    pub fn digests(&self) -> &[Digest] {
        &self.digests
    }

    /// The bytes of the record at `index`.
    #[must_use]
    pub fn record(&self, index: usize) -> Option<&[u8]> {
        let start = match index.checked_sub(1) {
            Some(before) => *self.ends.get(before)? as usize,
            None => 0,
        };
        self.bodies.get(start..*self.ends.get(index)? as usize)
    }

    /// The values of the two rows.
    ///
    /// # Errors
    /// [`BlockError`] when the block is empty, too large, or begins without the digest before it.
    pub fn finish(mut self) -> Result<BlockRows, BlockError> {
        self.check()?;
        let bodies = std::mem::take(&mut self.bodies);
        let count = u32::try_from(self.len()).map_err(|_| BlockError::TooLarge)?;
        let keys = u8::try_from(self.keys.len()).map_err(|_| BlockError::TooManyKeys)?;
        let mut out = Vec::with_capacity(
            1 + self.len() * ENTRY_BYTES
                + self.keys.len() * 80
                + self.signature_bytes.len()
                + FOOTER_BYTES,
        );
        out.push(VERSION);
        self.ends.iter().for_each(|end| out.extend_from_slice(&end.to_be_bytes()));
        for time in &self.times {
            out.extend_from_slice(&time.ok_or(BlockError::Time)?.to_be_bytes());
        }
        self.digests.iter().for_each(|digest| out.extend_from_slice(&digest.0));
        out.extend_from_slice(&self.signers);
        for key in &self.keys {
            out.extend_from_slice(&key.signature_bytes.to_be_bytes());
            push_short_text(&mut out, &key.id);
        }
        for &(start, end) in &self.signatures {
            out.extend_from_slice(&self.signature_bytes[start..end]);
        }
        out.extend_from_slice(&self.prev.map_or([0; 32], |digest| digest.0));
        out.extend_from_slice(&self.ledger.0.to_be_bytes());
        out.extend_from_slice(&self.first_seq.get().to_be_bytes());
        out.extend_from_slice(&self.first_time.micros().to_be_bytes());
        out.extend_from_slice(&count.to_be_bytes());
        out.push(keys);
        if out.len() > BLOCK_VALUE_BYTES_MAX {
            return Err(BlockError::TooLarge);
        }
        Ok(BlockRows { tables: out, bodies })
    }

    fn check(&self) -> Result<(), BlockError> {
        if self.is_empty() {
            return Err(BlockError::Empty);
        }
        if self.bodies.len() > BLOCK_VALUE_BYTES_MAX {
            return Err(BlockError::TooLarge);
        }
        if self.prev.is_none() != (self.first_seq == Seq::ZERO) {
            return Err(BlockError::PreviousDigest);
        }
        let starts = std::iter::once(&0).chain(&self.ends);
        if starts.zip(&self.ends).any(|(start, end)| start >= end) {
            return Err(BlockError::EmptyRecord);
        }
        Ok(())
    }
}
