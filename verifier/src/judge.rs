//! What a record is in its place (a seam until `indelible_core` has it).
use indelible_core::code::Code;
use indelible_core::json::{Limits, Value, check_canonical, parse_string};
use indelible_core::name::Origin;
use indelible_core::record::{Body, RecordView};
use indelible_core::system::{Creation, System};

pub(crate) struct Judged(Option<System>, bool);
impl Judged {
    pub(crate) fn creation(&self) -> Option<&Creation> {
        match &self.0 {
            Some(System::LedgerCreated(creation)) => Some(creation),
            _ => None,
        }
    }
    pub(crate) fn unchecked_kind(&self) -> Option<&str> {
        match &self.0 {
            Some(System::Unknown { kind }) if !self.1 => Some(kind),
            _ => None,
        }
    }
}
pub(crate) struct Fault(Code, String);
impl Fault {
    pub(crate) fn code(&self) -> Code {
        self.0
    }
}
impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.1)
    }
}
pub(crate) fn judge(view: &RecordView<'_>, origin: Option<&Origin>) -> Result<Judged, Fault> {
    let first = view.seq.get() == 0;
    let bad = |why: &str| Err(Fault(Code::CreationInvalid, why.to_owned()));
    let Body::System(system) = view.body else {
        return if first {
            bad("record 0 is not the creation of a ledger")
        } else {
            Ok(Judged(None, false))
        };
    };
    let kind = check_canonical(system, Limits::EVENT)
        .ok()
        .and_then(|m| m.get("kind").and_then(parse_string).map(|k| k.into_owned()));
    let informative = Value::parse_canonical(system, Limits::EVENT)
        .ok()
        .and_then(|v| v.get("informative")?.as_bool())
        .unwrap_or(false);
    match (first, System::parse(system)) {
        (false, _) if kind.as_deref() == Some("ledger_created") => {
            bad("a creation stands where only record 0 may have one")
        }
        (true, Ok(System::LedgerCreated(c))) => {
            if origin.is_some_and(|o| *o != c.origin) || c.origin.ledger() != view.ledger {
                return bad("the creation is one of another ledger");
            }
            Ok(Judged(Some(System::LedgerCreated(c)), false))
        }
        (true, _) => bad("record 0 is not the creation of a ledger"),
        (false, Ok(system)) => Ok(Judged(Some(system), informative)),
        (false, Err(error)) => Err(Fault(Code::NotCanonical, error.to_string())),
    }
}
/// The creation of another origin: its rules hold all the same.
pub(crate) fn creation_of_another(view: &RecordView<'_>) -> Option<Creation> {
    match view.body {
        Body::System(system) if view.seq.get() == 0 => Creation::parse(system).ok(),
        _ => None,
    }
}
