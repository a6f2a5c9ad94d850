//! The two programs and how they are called.

use std::path::PathBuf;

/// How to call a program that stands beside this one: by its path, if this one was called by its path.
pub(crate) fn beside(name: &str) -> String {
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    match called.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(_) => called.with_file_name(name).display().to_string(),
        None => name.to_owned(),
    }
}
