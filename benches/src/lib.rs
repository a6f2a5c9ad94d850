//! Benchmarks and the load generator of Indelible.
