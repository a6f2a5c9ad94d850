"""Reading lines out of plain or Zstandard bytes with bounded memory."""

import io

import zstandard

from .record import LINE_BYTES_MAX

MAGIC = b"\x28\xb5\x2f\xfd"
# Section 7.2: a frame that asks for a larger window is refused.
WINDOW_BYTES_MAX = 1 << 23


class Unpackable(Exception):
    """Not a sequence of whole Zstandard frames."""


class TooLarge(Exception):
    """More plain bytes than promised."""


class LineTooLong(Exception):
    """A line beyond the limit."""


class Unterminated(Exception):
    """The last line has no line feed."""

    def __init__(self, line):
        super().__init__("the last line has no line feed")
        self.line = line


class Counted(io.RawIOBase):
    """Hands on at most `size_max` plain bytes and feeds each to `see`."""

    def __init__(self, source, size_max, see):
        self.source, self.left, self.see = source, size_max, see

    def readable(self):
        return True

    def readinto(self, buffer):
        try:
            data = self.source.read(min(len(buffer), 1 << 17))
        except zstandard.ZstdError as error:
            raise Unpackable(str(error)) from None
        self.left -= len(data)
        if self.left < 0:
            raise TooLarge("more plain bytes than allowed")
        self.see(data)
        buffer[: len(data)] = data
        return len(data)


class Frames:
    """Plain bytes of one or more frames; Unpackable where the last one is cut."""

    def __init__(self, file, size_max=None):
        self.file, self.input, self.left = file, b"", size_max
        self.context = zstandard.ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
        self.frame, self.ready, self.at = None, b"", 0

    def read(self, size):
        while self.at == len(self.ready):
            if not self.fill():
                return b""
        part = self.ready[self.at : self.at + size]
        self.at += len(part)
        return part

    def more(self):
        part = self.file.read(256 if self.left is None else min(self.left, 256))
        if self.left is not None:
            self.left -= len(part)
        return part

    def fill(self):
        # Small pieces of input bound what one call can blow up to.
        data = self.input or self.more()
        self.input = b""
        if not data:
            if self.frame is not None:
                raise Unpackable("the last frame is cut short")
            return False
        if self.frame is None:
            self.frame = self.context.decompressobj()
        self.ready, self.at = self.frame.decompress(data), 0
        if self.frame.eof:
            self.input, self.frame = self.frame.unused_data, None
        return True


def lines(stream):
    """Lines without their line feeds."""
    reader = io.BufferedReader(stream, 1 << 17)
    while line := reader.readline(LINE_BYTES_MAX + 1):
        if line.endswith(b"\n"):
            yield line[:-1]
        elif len(line) > LINE_BYTES_MAX:
            raise LineTooLong
        else:
            raise Unterminated(line)
