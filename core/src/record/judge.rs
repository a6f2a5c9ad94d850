//! What a record is in its place: whether it may stand there, and what it says of the ledger.
//!
//! Receipts, exports, segments and live databases all come through here, so that the same record is
//! judged alike wherever it is met.

use super::{Body, RecordView};
use crate::code::Code;
use crate::key::KeyId;
use crate::name::Origin;
use crate::system::{Creation, System, SystemError};

/// A record that may stand in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judged {
    /// What a client sent.
    Event,
    /// What the engine said: the creation for record 0, another kind for every other.
    System(System),
}

impl Judged {
    /// The creation, of record 0.
    #[must_use]
    pub const fn creation(&self) -> Option<&Creation> {
        match self {
            Self::System(System::LedgerCreated(creation)) => Some(creation),
            _ => None,
        }
    }

    /// The keys that record 0 names; none for other records. One that the auditor does not trust for the
    /// origin is `KEY_UNKNOWN`.
    #[must_use]
    pub fn keys(&self) -> &[KeyId] {
        self.creation().map_or(&[], |creation| &creation.keys)
    }

    /// The kind of a system object that this program does not know and that does not say of itself that
    /// it may be passed over: what follows it cannot be judged.
    #[must_use]
    pub fn unchecked_kind(&self) -> Option<&str> {
        match self {
            Self::System(System::Unknown { kind, informative: false }) => Some(kind),
            _ => None,
        }
    }
}

/// Why a record that is well-formed by itself may not stand where it does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordFault {
    /// Record 0 is something else.
    #[error("record 0 is not the creation of a ledger")]
    NoCreation,
    /// A creation behind record 0.
    #[error("a creation stands where only record 0 may have one")]
    SecondCreation,
    /// The creation has not its form.
    #[error("the creation of the ledger is not of its form: {0}")]
    Creation(SystemError),
    /// The creation names another ledger than the record it stands in.
    #[error("the creation is one of {0}, another ledger than that of its own record")]
    OtherLedger(Origin),
    /// The creation names another origin than what it is checked against.
    #[error("the creation is one of {found}, where {expected} is expected")]
    OtherOrigin {
        /// The origin that was expected.
        expected: Origin,
        /// The origin that it names.
        found: Origin,
    },
    /// A system object of a known kind has not its form.
    #[error("the system object is not of its kind's form: {0}")]
    System(SystemError),
}

impl RecordFault {
    /// The verification code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::System(_) => Code::NotCanonical,
            _ => Code::CreationInvalid,
        }
    }
}

/// Judges a record in its place: record 0 is the ledger's creation, of its own ledger and (where one is
/// known) of `origin`; no other record is one; system objects of known kinds have their form.
///
/// # Errors
/// [`RecordFault`] with the first thing that is wrong.
pub fn judge(record: &RecordView<'_>, origin: Option<&Origin>) -> Result<Judged, RecordFault> {
    let first = record.seq.get() == 0;
    let Body::System(system) = record.body else {
        return if first { Err(RecordFault::NoCreation) } else { Ok(Judged::Event) };
    };
    let system = match System::parse(system) {
        Ok(system) => system,
        // Record 0 that claims to be no creation is wrong whatever else is.
        Err(error) if is_creation(system) => return Err(RecordFault::Creation(error)),
        Err(_) if first => return Err(RecordFault::NoCreation),
        Err(error) => return Err(RecordFault::System(error)),
    };
    match (first, &system) {
        (false, System::LedgerCreated(_)) => return Err(RecordFault::SecondCreation),
        (false, _) => {}
        (true, System::LedgerCreated(creation)) => check_origin(creation, record.ledger, origin)?,
        (true, _) => return Err(RecordFault::NoCreation),
    }
    Ok(Judged::System(system))
}

fn is_creation(system: &[u8]) -> bool {
    let members = crate::json::check_canonical(system, crate::json::Limits::EVENT);
    let kind = members.ok().and_then(|members| members.get("kind"));
    kind.and_then(crate::json::parse_string).is_some_and(|kind| kind == Creation::KIND)
}

fn check_origin(
    creation: &Creation,
    ledger: &str,
    origin: Option<&Origin>,
) -> Result<(), RecordFault> {
    let found = &creation.origin;
    if let Some(expected) = origin.filter(|expected| *expected != found) {
        let (expected, found) = (expected.clone(), found.clone());
        return Err(RecordFault::OtherOrigin { expected, found });
    }
    if found.ledger() != ledger {
        return Err(RecordFault::OtherLedger(found.clone()));
    }
    Ok(())
}
