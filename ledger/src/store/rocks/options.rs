//! How RocksDB is set up, and why.

use std::path::PathBuf;

use rocksdb::statistics::StatsLevel;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, ChecksumType, ColumnFamilyDescriptor,
    DBCompactionStyle, DBCompressionType, DBRecoveryMode, LogLevel, Options,
    UniversalCompactOptions,
};

use crate::opening::OpeningStep;
use crate::store::{Space, StoreError};

const MIB: usize = 1 << 20;

/// A file of bodies ends here. What is written out at a time makes a few of them, each with the bodies of
/// few ledgers, so that a ledger's can be dropped without most files holding another's as well.
const BLOB_FILE_BYTES: u64 = 16 * MIB as u64;

/// Partitions of filters and indexes of ids. Every group of ids asks all over the filters, and each partition
/// costs a look-up in the cache; in larger ones the 32 keys that RocksDB asks for at a time share some. One
/// that is not in memory is read in a piece, so they stay small beside the cache.
const IDS_PARTITION_BYTES: usize = 64 << 10;

/// Insertion of ids into the table in memory begins where the one before in the same ledger ended (the
/// first eight bytes of a key are the ledger): a commit's come in order. No setter reaches this.
const IDS_MORE: &str = "memtable_insert_with_hint_prefix_extractor=fixed:8";

/// Where the database is and what it may use.
#[derive(Debug, Clone)]
pub struct RocksConfig {
    /// The database's own folder.
    pub path: PathBuf,
    /// Bytes of cached blocks, indexes and filters.
    pub block_cache_bytes: usize,
    /// Bytes of tables in memory that are not yet written as files. Also bounds the logs that are read on
    /// opening, and so the time that takes: they are read once to be checked, once more to be written
    /// anew as files, and flushed, 5 ms of processor time for each MiB. One table is filled while the one
    /// before it is being written out, so that the logs have about this many bytes, and half as much
    /// again when the disk is slow.
    pub write_buffer_bytes: usize,
    /// Files that are kept open.
    pub open_files_max: u32,
    /// Tries to open for reading, for a database that somebody else may be writing. One is enough where
    /// nobody does, and damage is reported at once.
    pub tries_max: u32,
    /// Told what opening is doing.
    pub opening: OpeningStep,
}

impl RocksConfig {
    /// The defaults: 64 MiB of cache, 64 MiB of tables in memory, 512 open files.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            block_cache_bytes: 64 * MIB,
            write_buffer_bytes: 64 * MIB,
            open_files_max: 512,
            tries_max: super::beside::TRIES_MAX,
            opening: OpeningStep::default(),
        }
    }
}

/// What is not reachable through setters.
///
/// * After a background error RocksDB would go on by itself once there is room again. A handle that
///   reported an error stays dead here, so that what is durable is always read anew.
/// * What opening reads in logs is written into new table files and flushed before anything else
///   happens: it may be in the page cache only, because its writer died before the flush, or because a
///   disk refused it once. Keeping the logs instead would also keep several of them alive, each of which
///   could lose its end. For the same reason the manifest is always begun anew. These three are the
///   defaults of RocksDB; they are written down because the promise depends on them.
const MORE: &str = "max_bgerror_resume_count=0;avoid_flush_during_recovery=false;\
                    optimize_manifest_for_recovery=false;reuse_manifest_on_open=false";

/// Settings of the database as a whole.
pub(super) fn database(config: &RocksConfig) -> Result<Options, StoreError> {
    // The text comes first: it yields new options that know nothing of what setters gave the old ones.
    let parsed = Options::default().get_options_from_string(MORE);
    let mut options = parsed.map_err(|error| StoreError::Io(error.to_string().into()))?;
    options.create_if_missing(true);
    options.create_missing_column_families(true);

    // Nothing that was acknowledged may be rolled back: any damage before the torn end of the last log
    // refuses to open, instead of silently ending the database there (the default of RocksDB).
    options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
    options.set_paranoid_checks(true);
    options.set_track_and_verify_wals_in_manifest(true);
    // A commit is visible and durable in one step and in order; both of these would weaken that.
    // Tables of all spaces are written out together and entered into the manifest in one step: the files
    // always hold the commits up to a certain one, in every space, and the log those after it. A log that
    // was lost is then a hole in the chain over commits, which opening notices.
    options.set_atomic_flush(true);
    options.set_unordered_write(false);
    options.set_enable_pipelined_write(false);
    // One thread writes. The lock-free insertion for several would cost and give nothing.
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);

    options.set_db_write_buffer_size(config.write_buffer_bytes);
    // A space that is hardly ever written keeps every log since its last row alive. This writes its
    // table out when the logs together become too long to be replayed quickly.
    options.set_max_total_wal_size(config.write_buffer_bytes as u64);
    options.set_max_open_files(i32::try_from(config.open_files_max).unwrap_or(i32::MAX));
    options.set_max_background_jobs(2);
    // Hand dirty pages to the disk as they come; a whole file at once would delay the syncs of commits.
    options.set_bytes_per_sync(MIB as u64);

    // Opening must not depend on the size of what is there.
    options.set_skip_stats_update_on_db_open(true);
    options.set_max_manifest_file_size(16 * MIB);

    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(4 * MIB);
    options.set_keep_log_file_num(4);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    options.enable_statistics();
    options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
    Ok(options)
}

/// One column family for each of the spaces.
pub(super) fn families(
    config: &RocksConfig,
    cache: &Cache,
    spaces: &[Space],
) -> Result<Vec<ColumnFamilyDescriptor>, StoreError> {
    let family =
        |space: Space| Ok(ColumnFamilyDescriptor::new(space.name(), family(space, config, cache)?));
    spaces.iter().copied().map(family).collect()
}

fn family(space: Space, config: &RocksConfig, cache: &Cache) -> Result<Options, StoreError> {
    let mut options = Options::default();
    if space == Space::Ids {
        // First, as for the database as a whole.
        let parsed = options.get_options_from_string(IDS_MORE);
        options = parsed.map_err(|error| StoreError::Io(error.to_string().into()))?;
    }
    options.set_compression_type(DBCompressionType::None);
    let mut table = table(cache);
    match space {
        Space::Blocks => blocks(&mut options, &mut table, config),
        Space::Bodies => bodies(&mut options, config),
        Space::Ids => ids(&mut options, &mut table),
        Space::Tiles => {
            // Values of 8 KiB that no compression makes smaller; files are large enough to be moved
            // down as they are.
            table.set_block_size(8 * 1024);
            options.set_write_buffer_size(32 * MIB);
        }
        Space::Meta
        | Space::Ledgers
        | Space::Heads
        | Space::Index
        | Space::Nodes
        | Space::Commits => small(&mut options),
    }
    options.set_block_based_table_factory(&table);
    Ok(options)
}

fn table(cache: &Cache) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_checksum_type(ChecksumType::XXH3);
    // Indexes and filters count as cached blocks, so that memory stays bounded however large the
    // database grows; the top of each index stays in memory.
    table.set_cache_index_and_filter_blocks(true);
    table.set_cache_index_and_filter_blocks_with_high_priority(true);
    table.set_pin_top_level_index_and_filter(true);
    table
}

/// Keys ascend over the whole engine, so each file lies behind the one before it, and compaction only
/// renames files to the level below. That works only while all levels have the same compression, set by
/// `set_compression_type` alone.
fn blocks(options: &mut Options, table: &mut BlockBasedOptions, config: &RocksConfig) {
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(config.write_buffer_bytes / 2);
    options.set_max_write_buffer_number(3);
    options.set_target_file_size_base(256 * MIB as u64);
    options.set_max_bytes_for_level_base(1024 * MIB as u64);
    table.set_block_size(16 * 1024);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
}

/// Nearly all bytes of the database. The values lie in files of their own, in the order in which tables
/// in memory are written out, and within one of those by ledger; only keys are merged. So dropping the
/// bodies of one ledger and time means deleting files, not writing others anew, and nothing is collected
/// before something was dropped ([`crate::store::Store::drop_bodies`]).
fn bodies(options: &mut Options, config: &RocksConfig) {
    options.set_write_buffer_size(config.write_buffer_bytes / 2);
    options.set_max_write_buffer_number(3);
    options.set_enable_blob_files(true);
    options.set_min_blob_size(0);
    options.set_blob_file_size(BLOB_FILE_BYTES);
    options.set_blob_compression_type(DBCompressionType::Lz4);
    options.set_enable_blob_gc(false);
    options.set_compression_per_level(&[DBCompressionType::None; 7]);
    options.set_level_zero_file_num_compaction_trigger(8);
}

/// The one space whose keys come in no order, and that is asked for keys that are not there: nearly every id
/// of a client is new. Ten bits for each key answer 99 of 100 such questions without reading a file.
///
/// All spaces are written out together, so that each file of ids is small beside those that are there.
/// Merging by levels would write the next level anew for every few of them, however large that is by then.
/// Files of about one size are merged with each other instead: a row is written once more each time that the
/// space has grown by a factor.
fn ids(options: &mut Options, table: &mut BlockBasedOptions) {
    options.set_write_buffer_size(32 * MIB);
    options.set_memtable_whole_key_filtering(true);
    options.set_memtable_prefix_bloom_ratio(0.05);
    options.set_compaction_style(DBCompactionStyle::Universal);
    let mut merging = UniversalCompactOptions::default();
    merging.set_min_merge_width(4);
    merging.set_size_ratio(20);
    merging.set_max_size_amplification_percent(400);
    options.set_universal_compaction_options(&merging);
    options.set_level_zero_file_num_compaction_trigger(8);
    options.set_level_zero_slowdown_writes_trigger(36);
    options.set_level_zero_stop_writes_trigger(48);
    table.set_bloom_filter(10.0, false);
    table.set_whole_key_filtering(true);
    table.set_optimize_filters_for_memory(true);
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table.set_metadata_block_size(IDS_PARTITION_BYTES);
}

/// Spaces of few bytes, written out whenever the logs grow too long. Merging many of their small files
/// at a time keeps the number of files low. (Naming the compression of every level keeps RocksDB from
/// only moving them down, where they would stay small for ever.)
fn small(options: &mut Options) {
    options.set_write_buffer_size(16 * MIB);
    options.set_compression_per_level(&[DBCompressionType::None; 7]);
    options.set_level_zero_file_num_compaction_trigger(12);
    options.set_level_zero_slowdown_writes_trigger(36);
    options.set_level_zero_stop_writes_trigger(48);
}
