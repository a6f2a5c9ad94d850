//! What the fuzz targets do, one file per target. Each takes any bytes and panics where a promise is
//! broken. Tests on stable include this folder and drive it over seeded mutations.

pub mod checkpoint;
pub mod json_canonicalize;
pub mod json_check;
pub mod manifest;
pub mod note;
pub mod note_file;
pub mod number;
pub mod receipt;
pub mod receipt_file;
pub mod record_view;
pub mod segment_line;
pub mod vkey;
