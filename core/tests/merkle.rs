//! The tree, its proofs and tiles against golden vectors, the recursive definition of RFC 6962, and the
//! crates rs_merkle and ct-merkle.

#[path = "merkle/model.rs"]
mod model;

#[path = "merkle/golden.rs"]
mod golden;
#[path = "merkle/growth.rs"]
mod growth;
#[path = "merkle/oracles.rs"]
mod oracles;
#[path = "merkle/proofs.rs"]
mod proofs;
#[path = "merkle/tiles.rs"]
mod tiles;
