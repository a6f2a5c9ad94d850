//! For the tests of this and other crates: signers that misbehave, and a check of everything that an
//! engine has stored.

mod signers;

pub use signers::{Failing, Lie, Lying, Slow};
