//! The HTTP server and the indelible program.
