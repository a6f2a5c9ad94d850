//! A second verifier, in Python and written from `docs/FORMAT.md` alone, must see what the first one sees.
//!
//! Ledgers are made, attacked in every way that `docs/GUARANTEES.md` names and in hundreds of random
//! ones, and both programs must reach the same verdict and find the same in the same places. Golden cases,
//! good and bad, say what that must be (`tests/vectors/checking`). Where the programs differ, one of them
//! is wrong, or the page leaves something open; either has to be settled.

#![allow(missing_docs, unreachable_pub)]

mod files;
mod flips;
mod golden;
mod json;
mod python;
mod real;
mod report;
mod scene;
mod signatures;
#[path = "../../../verifier/tests/support/mod.rs"]
mod support;
mod vaults;
