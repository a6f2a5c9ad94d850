//! Every limit of the formats, with its unit and its reason. A limit that is hit is named in the error.

/// Largest canonical form of one event in bytes. An audit event is a fact, not a file: what is larger
/// belongs into object storage with its hash in the event.
pub const EVENT_BYTES_MAX: usize = 1 << 20;

/// Deepest nesting of objects and arrays within an event. The reader recurses, and 64 levels stay far
/// from the end of a 2 MiB thread stack.
pub const EVENT_DEPTH_MAX: u32 = 64;

/// Deepest nesting of a record or a document around an event: the object itself and one spare.
pub const DOCUMENT_DEPTH_MAX: u32 = EVENT_DEPTH_MAX + 2;

/// Longest name of who wrote a record, in bytes: room for a certificate's subject.
pub const BY_NAME_BYTES_MAX: usize = 256;

/// Longest word for how the server knew who wrote a record, in bytes.
pub const BY_HOW_BYTES_MAX: usize = 64;

/// What a record adds around its event at most, in bytes: the id (128 bytes, each at most 6 when
/// escaped), who wrote it (a name of 256 bytes, each at most 2 when escaped, and two words of 192), the
/// ledger name, numbers, time and member names, rounded up.
pub const RECORD_OVERHEAD_MAX: usize = 2048;

/// Largest list of the numbers of one event that were kept as text, in bytes of its canonical form: some
/// ten thousand such numbers, and a record with it still fits into a line and a receipt.
pub const NUMBERS_AS_TEXT_BYTES_MAX: usize = 256 << 10;

/// Largest record in bytes.
pub const RECORD_BYTES_MAX: usize =
    EVENT_BYTES_MAX + NUMBERS_AS_TEXT_BYTES_MAX + RECORD_OVERHEAD_MAX;

/// What an error shows of the path to a number, in bytes: enough to find it, too little to fill a log.
pub const POINTER_SHOWN_BYTES_MAX: usize = 200;

/// Values in a document that is read into a tree, each object, array, string and number counted: more
/// than the 14,000 key ids that fit into a system object of 1 MiB, and at some 150 bytes each 2.5 MB.
pub const TREE_VALUES_MAX: usize = 16_384;

/// Longest kind of a system object in bytes.
pub const SYSTEM_KIND_BYTES_MAX: usize = 64;

/// Largest file with a receipt in bytes. Another program may have written every character of its 2 MiB
/// as an escape of six bytes, or indented it.
pub const RECEIPT_FILE_BYTES_MAX: usize = 12 << 20;

/// Largest line of a segment in bytes, LF included.
pub const LINE_BYTES_MAX: usize = 2 << 20;

/// Largest sequence number: what a JSON number carries exactly.
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// Longest event id in bytes.
pub const ID_BYTES_MAX: usize = 128;

/// Longest ledger name in bytes: it must fit into a file name, a URL and an S3 key.
pub const LEDGER_NAME_BYTES_MAX: usize = 128;

/// Longest server name in bytes.
pub const SERVER_NAME_BYTES_MAX: usize = 126;

/// Longest origin in bytes, as C2SP tlog-cosignature demands.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// Records in a whole segment, and the multiple of sequence numbers that no segment crosses (2^16: about
/// 45 MB of 512-byte events, small enough to hold in memory twice while it is checked).
pub const SEGMENT_RECORDS_MAX: u64 = 65_536;

/// Largest plain (uncompressed) segment in bytes.
pub const SEGMENT_PLAIN_BYTES_MAX: u64 = 1 << 30;

/// Largest manifest, signatures included, in bytes.
pub const MANIFEST_BYTES_MAX: usize = 64 << 10;

/// Largest signed note in bytes: a checkpoint with room for post-quantum signatures of 5 kB each.
pub const NOTE_BYTES_MAX: usize = 256 << 10;

/// Signature lines a note may carry; C2SP signed-note demands at least 16.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// What an error shows of the name of a note's signer, in bytes; a name may be as long as the note.
pub const SIGNER_SHOWN_BYTES_MAX: usize = 100;

/// Hashes in a proof: a tree of 2^63 leaves is 63 levels high.
pub const PROOF_HASHES_MAX: usize = 63;

/// Default and largest allowed run of records without a signature of their own where `sign_per` is
/// `commit`.
pub const UNSIGNED_RUN_MAX: u64 = 65_536;

/// Hashes in a full tile, C2SP tlog-tiles.
pub const TILE_WIDTH: u64 = 256;
