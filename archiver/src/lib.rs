//! Cuts, packs and ships segments of a ledger into a vault.
