//! Space `m`: the kinds of system records that the ledgers hold, one row for each. Key: `kind:` and the
//! kind; `informative:` and the kind for records that say of themselves that a reader may pass over
//! them. Value: a version.
//!
//! Written in the commit of every such record, so that opening can tell, without a scan, whether this
//! program understands all that is there. The two keys of one kind are apart, so that neither of two
//! commits on their way can undo what the other said.

use super::{Cursor, RowError};

const ROW: &str = "kind";
const VERSION: u8 = 1;
const BINDING: &str = "kind:";
const INFORMATIVE: &str = "informative:";

/// A kind of system record, as the list holds it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KindRow {
    /// The member `kind` of the record's system object.
    pub kind: String,
    /// Whether the object says `"informative": true`.
    pub informative: bool,
}

impl KindRow {
    /// The key.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let before = if self.informative { INFORMATIVE } else { BINDING };
        [before.as_bytes(), self.kind.as_bytes()].concat()
    }

    /// The value of every such row.
    pub const VALUE: &'static [u8] = &[VERSION];

    /// Whether a key of the space is one of this list.
    #[must_use]
    pub fn is_key(key: &[u8]) -> bool {
        key.starts_with(BINDING.as_bytes()) || key.starts_with(INFORMATIVE.as_bytes())
    }

    /// Reads a row; `None` for the other rows of the space.
    ///
    /// # Errors
    /// When the kind is not UTF-8 or the value of another form.
    pub fn parse(key: &[u8], value: &[u8]) -> Result<Option<Self>, RowError> {
        let (informative, kind) = match (
            key.strip_prefix(BINDING.as_bytes()),
            key.strip_prefix(INFORMATIVE.as_bytes()),
        ) {
            (Some(kind), _) => (false, kind),
            (None, Some(kind)) => (true, kind),
            (None, None) => return Ok(None),
        };
        let mut cursor = Cursor::new(ROW, value);
        cursor.version(VERSION)?;
        let not_text = || RowError::Damaged { row: ROW, reason: "its kind is not UTF-8" };
        let kind = std::str::from_utf8(kind).map_err(|_| not_text())?.to_owned();
        cursor.finish()?;
        Ok(Some(Self { kind, informative }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_lists_are_read_back_and_other_rows_left_alone() {
        for informative in [false, true] {
            let row = KindRow { kind: "ledger_created".into(), informative };
            assert_eq!(KindRow::parse(&row.key(), KindRow::VALUE), Ok(Some(row)));
        }
        assert_eq!(KindRow::parse(b"state", &[1, 2]), Ok(None));
        assert!(KindRow::parse(b"kind:a", &[]).is_err());
        assert!(KindRow::parse(b"kind:a", &[9]).is_err());
        assert!(KindRow::parse(b"kind:\xff", &[1]).is_err());
    }
}
