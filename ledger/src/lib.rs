//! The engine of Indelible: sequencer, store, signers, recovery and reads.
