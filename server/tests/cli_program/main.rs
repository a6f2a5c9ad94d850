//! The program `indelible` as its users meet it: real processes against a real server process.

mod append;
mod connections;
mod example;
mod full_disk;
mod harness;
mod manners;
mod numbers;
mod operator;
mod private;
mod reading;
mod readme;
