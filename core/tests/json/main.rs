//! Strict JSON and its canonical form, tried through the public surface.

mod canonical;
mod exactness;
mod fuzz;
mod golden;
mod numbers;
mod properties;
mod refusals;
mod support;
