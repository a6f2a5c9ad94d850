//! What the process's limit of open files is shared out to.
//!
//! Connections and the database's files come out of the same limit. If connections took what the database
//! needs, whoever opens enough of them would stop every commit; so they get only what is left.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files that are needed beside connections where there are enough: 512 tables of the database, its logs,
/// spools, vaults and our own.
const BESIDE: u64 = 1024;
/// The same at least: an empty database, its tables at the least, and our own take about this many.
const BESIDE_MIN: u64 = 48;
/// Files of [`BESIDE`] that are none of the database's tables.
const OTHERS: u64 = 40;
/// Tables that RocksDB keeps open at least, and at most.
const TABLES: (u64, u64) = (20, 512);

/// Shares of the limit of open files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Files {
    /// Connections that may be open.
    pub(super) connections: usize,
    /// Tables that the database may keep open.
    pub(super) tables: u32,
}

impl Files {
    /// Raises the limit as far as the system allows and shares it out; `wanted` connections at most. Many
    /// systems give a process 1,024 files unless it asks for more.
    pub(super) fn shared_out(wanted: usize) -> Self {
        let limit = getrlimit(Resource::Nofile);
        let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
        let files = match setrlimit(Resource::Nofile, raised) {
            Ok(()) => limit.maximum,
            Err(_) => limit.current,
        };
        let shares = Self::of(files.unwrap_or(u64::MAX), wanted);
        if shares.connections < wanted {
            tracing::warn!(
                files,
                wanted,
                connections = shares.connections,
                "the system allows fewer open files than limits.connections_max asks for"
            );
        }
        shares
    }

    fn of(files: u64, wanted: usize) -> Self {
        let beside = BESIDE.min((files / 2).max(BESIDE_MIN));
        let connections = files.saturating_sub(beside).max(1);
        let tables = beside.saturating_sub(OTHERS).clamp(TABLES.0, TABLES.1);
        Self {
            connections: usize::try_from(connections).unwrap_or(usize::MAX).min(wanted),
            tables: u32::try_from(tables).unwrap_or(u32::MAX),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_database_keeps_its_files_however_few_there_are() {
        for (files, connections, tables) in [
            (64, 16, 20),
            (256, 128, 88),
            (1024, 512, 472),
            (8192, 4096, 512),
            (u64::MAX, 4096, 512),
        ] {
            assert_eq!(Files::of(files, 4096), Files { connections, tables }, "{files}");
        }
    }
}
