//! Checking Ed25519 signatures (RFC 8032, pure) by the two rules of `docs/FORMAT.md` section 5.
//!
//! **The rule for records** ([`verify`], [`verify_bulk`], [`verify_bulk_report`]): S is canonical, the
//! encodings of R and A are canonical, A is not of small order, and `[8][S]B = [8]R + [8][k]A`. The
//! cofactor is there because a sum of many signatures can only be checked with it: points of small
//! order cancel out of a sum by chance, so that a check without the cofactor would accept a batch and
//! refuse its members, or the other way round. With it, one by one and in bulk always agree.
//!
//! **The strict rule** ([`verify_strict`]) for checkpoints and manifests, which are always checked one
//! by one: R not of small order either, and the equation without the cofactor. What it accepts, the
//! rule for records accepts too.
//!
//! The functions named `_raw` take a key as bytes and apply exactly the rule. The others take a
//! [`PublicKey`], which has been decoded once and, beyond the rule, carries no torsion component.
//!
//! Nothing here is secret, so everything runs in variable time. Signing is not this crate's business.

mod bulk;
mod point;
mod single;

pub(crate) use point::{KeyPoint, PointFault};

pub use bulk::{
    BULK_CHUNK, verify_bulk, verify_bulk_raw, verify_bulk_report, verify_bulk_report_raw,
};
pub use single::{verify, verify_raw, verify_strict, verify_strict_raw};

#[cfg(doc)]
use crate::key::PublicKey;
