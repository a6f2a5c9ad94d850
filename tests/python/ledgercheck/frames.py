"""Section 8.4: Zstandard frames, taken apart block by block, and lines.

The library unpacks blocks; which blocks there are is read here out of RFC 8878 section 3.1. So what was unpacked
before a broken block never depends on how the bytes were cut into pieces.
"""

import zstandard

from .line import LINE_BYTES_MAX

MAGIC = b"\x28\xb5\x2f\xfd"
# Section 7.2: a frame that asks for a larger window is refused.
WINDOW_BYTES_MAX = 1 << 23
PIECE_BYTES = 1 << 16
# The bytes of the fields of a frame header (RFC 8878 section 3.1.1.1.1), by their flags.
_CONTENT_SIZE_BYTES = (0, 2, 4, 8)
_DICTIONARY_BYTES = (0, 1, 2, 4)
# Kinds of blocks (section 3.1.1.2.2).
_RLE, _RESERVED = 1, 3


class Unpackable(Exception):
    """Not a sequence of whole Zstandard frames."""


class TooMuch(Exception):
    """More plain bytes than are looked at."""


class LineTooLong(Exception):
    """A line beyond the limit."""


class Unterminated(Exception):
    """The last line has no line feed."""


def is_skippable(magic):
    return len(magic) == 4 and magic[1:] == b"\x2a\x4d\x18" and 0x50 <= magic[0] <= 0x5F


def is_packed(magic):
    return magic == MAGIC or is_skippable(magic)


def pieces(file):
    """Plain bytes as they stand in a file."""
    while data := file.read(PIECE_BYTES):
        yield data


def unpacked(file):
    """Plain bytes of all frames of a file; Unpackable where they do not reach its end."""
    while magic := file.read(4):
        if is_skippable(magic):
            size = int.from_bytes(exactly(file, 4), "little")
            while size:
                size -= len(exactly(file, min(size, PIECE_BYTES)))
        elif magic == MAGIC:
            yield from frame(file)
        else:
            raise Unpackable("something that is no frame")


def exactly(file, size):
    data = file.read(size)
    if len(data) != size:
        raise Unpackable("the last frame is cut short")
    return data


def frame(file):
    header, checksum = frame_header(file)
    decoder = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX).decompressobj()
    feed(decoder, MAGIC + header)
    last = False
    while not last:
        block, last = read_block(file)
        # The checksum belongs to no block: a wrong one leaves the last block as it is.
        yield feed(decoder, block)
    if checksum:
        feed(decoder, exactly(file, 4))
    if not decoder.eof:
        raise Unpackable("a frame does not end where its last block does")


def feed(decoder, data):
    try:
        return decoder.decompress(data)
    except zstandard.ZstdError as error:
        raise Unpackable(str(error)) from None


def frame_header(file):
    """The header's bytes, and whether a checksum follows the blocks."""
    header = exactly(file, 1)
    descriptor = header[0]
    single, dictionary = descriptor & 0x20, _DICTIONARY_BYTES[descriptor & 3]
    content = _CONTENT_SIZE_BYTES[descriptor >> 6] or (1 if single else 0)
    if descriptor & 0x08:
        raise Unpackable("a reserved bit is set")
    header += exactly(file, (0 if single else 1) + dictionary + content)
    if any(header[len(header) - content - dictionary : len(header) - content]):
        raise Unpackable("a frame that needs a dictionary")
    if single:
        window = int.from_bytes(header[-content:], "little") + (256 if content == 2 else 0)
    else:
        base = 1 << (10 + (header[1] >> 3))
        window = base + base // 8 * (header[1] & 7)
    if window > WINDOW_BYTES_MAX:
        raise Unpackable("a frame that needs a larger window")
    return header, bool(descriptor & 0x04)


def read_block(file):
    """A block's bytes with its header, and whether it is the last one."""
    header = exactly(file, 3)
    word = int.from_bytes(header, "little")
    kind, size = word >> 1 & 3, word >> 3
    if kind == _RESERVED:
        raise Unpackable("a block that cannot be")
    return header + exactly(file, 1 if kind == _RLE else size), bool(word & 1)


def lines(source):
    """Lines without their line feeds."""
    held = b""
    for piece in source:
        parts = (held + piece).split(b"\n")
        held = parts.pop()
        for part in parts:
            if len(part) >= LINE_BYTES_MAX:
                raise LineTooLong
            yield part
        if len(held) >= LINE_BYTES_MAX:
            raise LineTooLong
    if held:
        raise Unterminated
