//! What one client can make the server hold, attacked over real sockets while another one works.
//!
//! Each test starts the program with limits far below their defaults, so that an attack of some hundred
//! megabytes shows within seconds what gigabytes and minutes would. It looks at the process's own memory
//! (Linux), at the answers of the attacked server, at what a well-behaved client saw meanwhile, and at what
//! is left afterwards. Bounds are generous: the machine may be busy.

mod bodies;
mod http2;
mod lines;
mod streams;
mod support;
