//! What the fuzz targets do, one file per target. Each takes any bytes and panics where a promise is
//! broken. Tests on stable include this folder and drive it over seeded mutations.

pub mod checkpoint;
pub mod checkpoint_trusted;
pub mod export;
pub mod json_canonicalize;
pub mod json_check;
mod judged;
pub mod manifest;
pub mod manifest_trusted;
pub mod note;
pub mod note_file;
pub mod number;
mod packed;
pub mod receipt;
pub mod receipt_file;
pub mod receipt_trusted;
pub mod record_view;
pub mod seeds;
pub mod segment_line;
pub mod vault;
pub mod vkey;
pub mod zstd;
