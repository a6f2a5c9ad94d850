//! Keys, their names, what they sign, and which of them an auditor trusts for what (`docs/FORMAT.md`
//! section 5).
//!
//! Two concepts are told apart, though one key may be both. The key that signs **records** is of any
//! [`Algorithm`]: [`RecordKey`], with a [`KeyId`] and a [`Signature`] that carry theirs. The key that
//! signs **notes** (checkpoints and manifests) is always Ed25519, as other people's C2SP tools expect:
//! [`PublicKey`], with an [`Ed25519Signature`]. A [`VKey`] puts either under a name, and [`Trust`] is
//! what an auditor was given.
//!
//! A key of one shared secret ([`HmacKey`]) is checked by who could as well have signed: it shows that
//! nobody *else* changed a record, and proves nothing to a third party.

mod algorithm;
mod ecdsa;
mod error;
mod hmac;
mod id;
mod ledger_keys;
mod public;
mod record_key;
mod rsa;
mod signature;
mod trust;
mod vkey;

pub use algorithm::{ALGORITHM_NAME_BYTES_MAX, Algorithm};
pub use ecdsa::EcdsaKey;
pub use error::KeyError;
pub use hmac::{HMAC_SECRET_BYTES_MAX, HMAC_SECRET_BYTES_MIN, HmacKey, NamedHmacKey};
pub(crate) use id::is_key_id;
pub use id::{KEY_ID_HEX_MAX, KeyId};
pub use ledger_keys::{KeyChangeError, LedgerKeys};
pub use public::PublicKey;
pub use record_key::RecordKey;
pub use rsa::{RSA_MODULUS_BITS_MAX, RSA_MODULUS_BITS_MIN, RsaKey};
pub use signature::{Ed25519Signature, RecordSignature, SIGNATURE_BYTES_MAX, Signature};
pub use trust::{SignatureCheck, Trust};
pub use vkey::{NOTE_TYPE_ED25519, NOTE_TYPE_NAMED, VKEY_NAME_BYTES_MAX, VKey, is_note_name};
