//! What RocksDB's errors mean.

use rocksdb::ErrorKind;

use crate::store::StoreError;

/// Sorts an error of RocksDB. It hands errors of the operating system on as text.
pub(super) fn classify(error: &rocksdb::Error) -> StoreError {
    let text = error.as_ref();
    match (StoreError::from_text(text), error.kind()) {
        (StoreError::Io(text), ErrorKind::Corruption) => StoreError::Corrupt(text),
        // The compression or the table format of a file is unknown to this build.
        (StoreError::Io(text), ErrorKind::NotSupported) => StoreError::NewerFormat(text),
        (class, _) => class,
    }
}
