//! Zstandard as its own library reads it, to compare with.

use std::io::{self, Read as _};

/// The largest window that a frame may need, as a power of two in bytes: RFC 8878 section 3.1.1.1.2.
const WINDOW_LOG_MAX: u32 = 23;

/// Plain bytes that are compared at most: a frame of a few bytes can hold very many.
pub const PLAIN_BYTES_MAX: usize = 1 << 20;

/// Whether a file that begins so is compressed (RFC 8878 sections 3.1.1 and 3.1.2).
pub fn is_packed(data: &[u8]) -> bool {
    match data {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
        [first, 0x2a, 0x4d, 0x18, ..] => first & 0xf0 == 0x50,
        _ => false,
    }
}

/// What is in a file, compressed or not; of very much a little more than [`PLAIN_BYTES_MAX`].
///
/// # Errors
/// When the library cannot unpack all of it.
pub fn unpack(data: &[u8]) -> io::Result<Vec<u8>> {
    if !is_packed(data) {
        return Ok(data.to_vec());
    }
    let mut decoder = ::zstd::stream::read::Decoder::new(data)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    let mut plain = Vec::new();
    decoder.take(PLAIN_BYTES_MAX as u64 + 1).read_to_end(&mut plain)?;
    Ok(plain)
}

/// Packs bytes in two frames that are cut at `cut`, wherever that is in a line.
pub fn pack(plain: &[u8], cut: usize) -> Vec<u8> {
    let (one, two) = plain.split_at(cut.min(plain.len()));
    let frame = |part| ::zstd::encode_all(part, 1).expect("memory to pack");
    [frame(one), frame(two)].concat()
}
