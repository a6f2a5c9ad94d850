//! Keys for tests: fixed seeds, signing by ed25519-dalek.

// Each test program uses its own part of this.
#![allow(dead_code)]

use ed25519_dalek::{Signer as _, SigningKey};
use indelible_core::key::{Ed25519Signature, PublicKey, VKey};
use indelible_core::note::{assemble, signature_line};

/// Name and origin of the golden log, whose seed is 32 bytes of 1.
pub(crate) const GOLDEN: &str = "example.com/ledger-test";
pub(crate) const GOLDEN_VKEY: &str =
    "example.com/ledger-test+83434d38+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

pub(crate) struct TestKey(SigningKey);

impl TestKey {
    pub(crate) fn of(byte: u8) -> Self {
        Self::from_seed([byte; 32])
    }

    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    pub(crate) fn public(&self) -> PublicKey {
        PublicKey::from_bytes(self.0.verifying_key().as_bytes()).unwrap()
    }

    pub(crate) fn vkey(&self, name: &str) -> VKey {
        VKey::new(name, self.public()).unwrap()
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Ed25519Signature {
        Ed25519Signature(self.0.sign(message).to_bytes())
    }

    /// A signature line over `text`.
    pub(crate) fn line(&self, name: &str, text: &str) -> String {
        signature_line(name, &self.public(), &self.sign(text.as_bytes()))
    }

    pub(crate) fn note(&self, name: &str, text: &str) -> String {
        assemble(text, &self.line(name, text))
    }
}
