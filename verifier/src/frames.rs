//! Zstandard frames of strangers (RFC 8878), in bounded memory.
//!
//! Frames follow one another; skippable frames and frames of no content mean nothing. A frame that names
//! a dictionary or needs a larger window cannot be unpacked.

use std::io::{self, BufReader, Read};

/// Largest window of a frame as a power of two in bytes: the 8 MiB that RFC 8878 section 3.1.1.1.2 asks
/// every decoder to support. A frame that needs more is refused, as it would let a file of a few bytes
/// take gigabytes of memory.
const WINDOW_LOG_MAX: u32 = 23;

/// What a Zstandard frame begins with, RFC 8878 section 3.1.1.
const FRAME_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// What a skippable frame begins with, section 3.1.2: any of sixteen first bytes.
const SKIPPABLE_MAGIC: [u8; 4] = [0x50, 0x2a, 0x4d, 0x18];

/// A decoder of all frames of a stream.
pub(crate) type Frames<R> = zstd::stream::read::Decoder<'static, BufReader<R>>;

/// Begins to unpack.
///
/// # Errors
/// When there is no memory for a decoder.
pub(crate) fn unpack<R: Read>(packed: R) -> io::Result<Frames<R>> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(BufReader::new(packed))?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

/// Whether a file that begins so is compressed.
pub(crate) fn is_packed(begin: &[u8]) -> bool {
    let skippable = |first: &u8| first & 0xf0 == SKIPPABLE_MAGIC[0];
    begin == FRAME_MAGIC
        || (begin.first().is_some_and(skippable) && begin.get(1..) == Some(&SKIPPABLE_MAGIC[1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_known_by_their_first_bytes() {
        for packed in [[0x28, 0xb5, 0x2f, 0xfd], [0x50, 0x2a, 0x4d, 0x18], [0x5f, 0x2a, 0x4d, 0x18]]
        {
            assert!(is_packed(&packed));
        }
        for other in [
            &b"{\"ex"[..],
            &[0x60, 0x2a, 0x4d, 0x18],
            &[0x28, 0xb5, 0x2f],
            &[],
            &[0x27, 0xb5, 0x2f, 0xfd],
        ] {
            assert!(!is_packed(other), "{other:?}");
        }
    }
}
