//! Archiving with a real engine into a real directory: what is shipped, what is refused, and what is
//! left when something happens in between.

mod common;
mod interrupted;
mod keys;
mod processes;
mod refused;
mod rest;
mod shipped;
