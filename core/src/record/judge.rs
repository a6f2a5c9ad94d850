//! What a record is in its place: whether it may stand there, and what it says of the ledger.
//!
//! Receipts, exports, segments and live databases all come through here, so that the same record is
//! judged alike wherever it is met.

use super::{Body, RecordView};
use crate::code::Code;
use crate::json::{Limits, check_canonical};
use crate::key::KeyId;
use crate::name::Origin;
use crate::system::{Creation, Principals, System, SystemError, kind_of};

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
    /// It says more or less of who wrote it than its ledger's records do.
    #[error("{}", by_fault(*.expected, *.found))]
    By {
        /// What record 0 says.
        expected: Principals,
        /// What it says itself.
        found: Principals,
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
            Self::System(_) | Self::By { .. } => Code::NotCanonical,
            _ => Code::CreationInvalid,
        }
    }
}

/// Judges a record in its place: record 0 is the ledger's creation, of its own ledger and (where one is
/// known) of `origin`; no other record is one; system objects of known kinds have their form; and an event
/// says as much of who wrote it as `principals` of record 0 demands (where record 0 is known).
///
/// # Errors
/// [`RecordFault`] with the first thing that is wrong.
pub fn judge(
    record: &RecordView<'_>,
    origin: Option<&Origin>,
    principals: Option<Principals>,
) -> Result<Judged, RecordFault> {
    let first = record.seq.get() == 0;
    let Body::System(system) = record.body else {
        if first {
            return Err(RecordFault::NoCreation);
        }
        if let Some((expected, found)) = principals.zip(record.principals()) {
            judge_by(expected, found)?;
        }
        return Ok(Judged::Event);
    };
    let system = match System::parse(system) {
        Ok(system) => system,
        // A creation that has not its form is not less of one, wherever it stands.
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

/// Judges by itself what an event says of who wrote it, for whoever comes to know record 0 only later.
///
/// # Errors
/// [`RecordFault::By`] where it is not what record 0 says.
pub fn judge_by(expected: Principals, found: Principals) -> Result<(), RecordFault> {
    if expected == found { Ok(()) } else { Err(RecordFault::By { expected, found }) }
}

fn by_fault(expected: Principals, found: Principals) -> String {
    let found = match found {
        Principals::Off => "does not say who wrote it",
        Principals::Name => "says the name of who wrote it",
        Principals::Full => "says in full who wrote it",
    };
    format!("the record {found}, where record 0 says of principals: {expected}")
}

fn is_creation(system: &[u8]) -> bool {
    let members = check_canonical(system, Limits::EVENT).ok();
    members.and_then(|members| kind_of(&members)).is_some_and(|kind| kind == Creation::KIND)
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
