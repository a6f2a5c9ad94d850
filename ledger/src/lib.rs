//! The engine of Indelible: sequencer, store, signers, recovery and reads.

pub mod rows;
pub mod store;
