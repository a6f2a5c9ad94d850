//! Whole-system tests of Indelible: the real programs, on real files, over real connections.
//!
//! A test starts the program `indelible` on a folder of its own ([`server`]), talks to it over HTTP
//! ([`http`], [`client`]), writes under load ([`workload`]), kills it, and holds what is there against
//! what was acknowledged ([`check`]). Attackers' tools are in [`forge`]; [`sandbox`] gives file systems
//! that run full, turn read-only and lose power, [`faulty_disk`] a disk that fails on order. Nothing here links the server: what is tested is what
//! is shipped.

#![allow(clippy::missing_panics_doc, reason = "a harness panics when a test fails")]

pub mod check;
pub mod client;
pub mod faulty_disk;
pub mod forge;
pub mod http;
pub mod programs;
pub mod sandbox;
pub mod server;
pub mod workload;
