//! One failed commit ends a handle's writing.

use std::sync::{Arc, OnceLock};

use super::StoreError;

/// Remembers the first failure of a commit.
#[derive(Debug, Default)]
pub(super) struct Poison(OnceLock<Arc<str>>);

impl Poison {
    /// Refuses when a commit has failed before.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.0.get().map_or(Ok(()), |first| Err(StoreError::Poisoned(Arc::clone(first))))
    }

    /// Notes the failure of a commit and makes the answer to it.
    pub(super) fn note(&self, error: StoreError) -> StoreError {
        let error = error.of_commit();
        // Only the first failure explains the others; later ones are its consequences.
        let _ = self.0.set(error.to_string().into());
        error
    }
}
