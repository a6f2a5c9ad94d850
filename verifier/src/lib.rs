//! Replays a ledger from files and public keys alone.
