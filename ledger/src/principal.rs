//! Who writes: one value that goes with a request from the connection to the engine, so that records,
//! log lines, fairness and whatever will be counted by principal all speak of the same one.

use std::fmt;
use std::sync::{Arc, LazyLock};

use indelible_core::name::LedgerName;
use indelible_core::record::By;
use indelible_core::system::Principals;

/// Whom a principal or a ledger belongs to: the part of a ledger's name before the first dot, all of it
/// where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tenant(Arc<str>);

impl Tenant {
    /// The tenant of that name.
    ///
    /// # Errors
    /// [`PrincipalError::Tenant`] where no ledger's name can begin with it, or it has a dot.
    pub fn new(name: &str) -> Result<Self, PrincipalError> {
        if By::is_tenant(name) { Ok(Self(name.into())) } else { Err(PrincipalError::Tenant) }
    }

    /// The tenant that the name of a ledger speaks of.
    #[must_use]
    pub fn of_ledger(ledger: &LedgerName) -> Self {
        let (tenant, _) = ledger.split_once('.').unwrap_or((ledger, ""));
        Self(tenant.into())
    }

    /// Its name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How it was made sure who a principal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Proof {
    /// They presented a token whose hash the server keeps.
    Token,
    /// It is this program, on its own account.
    Program,
}

impl Proof {
    /// The word that stands in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Token => "token",
            Self::Program => "program",
        }
    }
}

/// Why there can be no such principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// The name cannot stand in a record.
    #[error("a principal's name is 1 to 256 bytes without control characters")]
    Name,
    /// The tenant is none.
    #[error(
        "a tenant is what stands before the first dot of a ledger's name: a-z, 0-9, '_' and '-', at most \
         128 characters, the first a letter or digit"
    )]
    Tenant,
}

/// Who writes. Clones share it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Principal(Arc<Who>);

#[derive(PartialEq, Eq, Hash)]
struct Who {
    proof: Proof,
    name: Box<str>,
    tenant: Option<Tenant>,
}

impl Principal {
    /// Whoever is known by `name`. Without a tenant they belong to that of the ledger they write to.
    ///
    /// # Errors
    /// [`PrincipalError::Name`] where the name could not stand in a record.
    pub fn new(proof: Proof, name: &str, tenant: Option<Tenant>) -> Result<Self, PrincipalError> {
        if By::is_name(name) {
            Ok(Self(Arc::new(Who { proof, name: name.into(), tenant })))
        } else {
            Err(PrincipalError::Name)
        }
    }

    /// This program, on its own account: whoever opened the engine and named nobody else.
    #[must_use]
    pub fn program() -> Self {
        static PROGRAM: LazyLock<Principal> = LazyLock::new(|| {
            let who = Who { proof: Proof::Program, name: "indelible".into(), tenant: None };
            Principal(Arc::new(who))
        });
        PROGRAM.clone()
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How it was made sure who it is.
    #[must_use]
    pub fn proof(&self) -> Proof {
        self.0.proof
    }

    /// The tenant that it is bound to, if it is.
    #[must_use]
    pub fn tenant(&self) -> Option<&Tenant> {
        self.0.tenant.as_ref()
    }

    /// What a record of a ledger whose record 0 says `principals` says of it, where it writes for
    /// `tenant`.
    pub(crate) fn by<'a>(&'a self, principals: Principals, tenant: &'a Tenant) -> Option<By<'a>> {
        match principals {
            Principals::Off => None,
            Principals::Name => Some(By::Name(self.name().into())),
            Principals::Full => Some(By::Full {
                how: self.proof().as_str().into(),
                name: self.name().into(),
                tenant: tenant.as_str().into(),
            }),
        }
    }
}

/// As log lines show it.
impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let proof = self.proof().as_str();
        match self.tenant() {
            Some(tenant) => write!(f, "{:?} ({proof}, {tenant})", self.name()),
            None => write!(f, "{:?} ({proof})", self.name()),
        }
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Principal({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledgers_tenant_stands_before_its_first_dot() {
        let longest = format!("{}.b", "a".repeat(126));
        for (ledger, tenant) in [
            ("acme.orders", "acme"),
            ("acme.orders.eu", "acme"),
            ("acme", "acme"),
            ("acme.", "acme"),
            ("a_b-c.d", "a_b-c"),
            (&longest, &longest[..126]),
        ] {
            let of = Tenant::of_ledger(&LedgerName::new(ledger).unwrap());
            assert_eq!(of.as_str(), tenant);
            assert_eq!(Tenant::new(tenant), Ok(of));
        }
        for bad in ["", "a.b", "A", "-a", "_a", "a b", &"a".repeat(129)] {
            assert_eq!(Tenant::new(bad), Err(PrincipalError::Tenant), "{bad}");
        }
    }

    #[test]
    fn only_what_can_stand_in_a_record_is_a_principal() {
        for bad in ["", "a\n", "a\u{85}", &"n".repeat(257)] {
            assert_eq!(Principal::new(Proof::Token, bad, None), Err(PrincipalError::Name));
        }
        let tenant = Tenant::new("acme").unwrap();
        let one = Principal::new(Proof::Token, &"é".repeat(128), Some(tenant.clone())).unwrap();
        assert_eq!(one.tenant(), Some(&tenant));
        assert_eq!(Principal::program().by(Principals::Off, &tenant), None);
    }
}
