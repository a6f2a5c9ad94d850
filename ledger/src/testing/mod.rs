//! For the tests of this and other crates: signers that misbehave, and a check of everything that an
//! engine has stored.

mod check;
mod clock;
mod signers;

pub use check::{Checked, check_engine};
pub use clock::ManualClock;
pub use signers::{Failing, Hanging, Lie, Lying, Slow};
