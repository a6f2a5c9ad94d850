//! The HTTP server of Indelible and its program.
//!
//! A request's way: [`listen`] accepts the connection and cuts off who is slow, [`http`] routes it,
//! [`auth`] asks who may, a handler turns bytes into an engine call and the engine's answer into bytes.
//! No ledger logic lives here: what an event becomes is decided by `indelible_ledger` and
//! `indelible_core`. [`config`] is all that can be set, [`serve`](mod@serve) the program's main loop.

mod archiving;
pub mod auth;
pub mod budget;
pub mod cli;
pub mod client;
pub mod config;
pub mod http;
pub mod listen;
mod opening;
mod programs;
pub mod serve;
mod signers;
pub mod telemetry;

pub use serve::{Running, ServeError, ServeOptions, serve, start, start_with_store};
pub use signers::SignerFilesError;
