//! The engine of Indelible: sequencer, store, signers, recovery and reads.
//!
//! [`Engine`] is the door. Events go in as [`Submission`]s and come out as [`Accepted`], once they are
//! ordered, chained, signed and durable; everything that was accepted can be read and proven. What the
//! bytes mean is decided in `indelible-core`; here is decided *when* they exist.
//!
//! * `engine`: the pipeline from the queue to the disk, and the reads.
//! * [`signer`]: who signs.
//! * [`store`]: who keeps; [`rows`]: the bytes that are kept; [`folder`]: where.
//! * [`derived`]: what the database must hold, worked out from the records: checked and rebuilt.
//! * [`commit_chain`]: is every commit there, and does it say what it said.
//! * [`testing`]: signers that fail, slow down and lie, and the check of a whole engine.

mod api;
mod clock;
pub mod commit_chain;
mod config;
pub mod derived;
mod engine;
mod error;
pub mod folder;
mod metrics;
mod opening;
mod principal;
pub mod rows;
mod server_id;
pub mod signer;
pub mod store;
pub mod testing;

pub use api::{
    Accepted, Appended, Atomicity, ClockJump, ClockState, Direction, LedgerInfo, LedgerSettings,
    Pending, SignedCheckpoint, StoredRecord, Submission,
};
pub use clock::{Clock, SystemClock};
pub use config::{EngineConfig, EngineLimits};
pub use engine::{Engine, Session};
pub use error::{AppendError, CreateError, EventError, OpenError, ReadError};
pub use metrics::{
    Counter, EngineMetrics, Gauge, Health, Histogram, HistogramSnapshot, LaneHealth, LaneInfo,
};
pub use opening::OpeningStep;
pub use principal::{Principal, PrincipalError, Proof, Tenant};
pub use signer::{LocalEd25519, SignError, SignRequest, Signer, SignerName, Signers, SignersError};
