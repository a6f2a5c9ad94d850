//! What the benchmarks share: events to write, a server to write them to, and honest clocks.
//!
//! `indelible-load` measures the whole server from outside, as a client process on the same machine;
//! the criterion benches of the other crates measure the parts.

pub mod load;
