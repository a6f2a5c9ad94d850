//! The load generator: a real server process, real sockets, and what both cost.

pub mod cpu;
pub mod drive;
pub mod event;
pub mod flush;
pub mod http;
pub mod server;
