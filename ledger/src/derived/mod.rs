//! What the database must hold, worked out from the log.
//!
//! The records (space `b`), the heads (`h`) and who and how far the engine is (`m`) are the truth of a
//! database. Everything else follows from the records: where they are (`i`), the clients' ids (`d`),
//! tiles and nodes of the trees (`t`, `n`), the list of ledgers (`l`) and of kinds (`m`), the chain over
//! commits (`c`). One walk over the blocks works all of it out, a row at a time:
//!
//! * [`check`] compares each row with the one that is stored, and finds those that should not be there.
//! * [`rebuild`] writes the rows into another database.
//!
//! Being one code, the two cannot drift apart. The walk checks the records on its way, all but their
//! signatures, for which keys are needed that are not in the database.

mod check;
mod findings;
mod heads;
mod ledger;
mod rebuild;
mod scan;
mod strays;
mod tree;
mod walk;

pub use check::{Checked, check};
pub use findings::{Finding, Findings, Nature};
pub use rebuild::{RebuildError, Rebuilt, TRUTH, rebuild};

use indelible_core::system::System;

use crate::error::ReadError;
use crate::rows::kind::KindRow;

/// The kind of a system object, for the list of kinds.
///
/// # Errors
/// [`ReadError::Corrupt`] when it is none, or of a known kind in another shape.
pub(crate) fn kind_of(canonical: &[u8]) -> Result<KindRow, ReadError> {
    let system = System::parse(canonical);
    let system = system.map_err(|error| ReadError::Corrupt(error.to_string().into()))?;
    Ok(KindRow { kind: system.kind().to_owned(), informative: system.is_informative() })
}
