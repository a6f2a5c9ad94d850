"""Section 6: signed notes and checkpoints."""

import re

from . import ed25519
from .keys import has_white_space, key_hash
from .names import is_origin, unbase64
from .tree import sha256

NOTE_BYTES_MAX = 256 << 10
SIGNATURES_MAX = 100
SIZE_MAX = 2**63 - 1
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_NUMBER = re.compile(r"0|[1-9][0-9]*")

GOOD, UNKNOWN, WRONG = "good", "unknown", "wrong"


class Note:
    """A signed note, taken apart and not yet believed; ValueError when the bytes are none."""

    def __init__(self, data):
        try:
            text = data.decode("utf-8") if isinstance(data, bytes) else data
        except UnicodeDecodeError:
            raise ValueError("a note is not UTF-8") from None
        if len(text.encode()) > NOTE_BYTES_MAX:
            raise ValueError(f"a note of more than {NOTE_BYTES_MAX} bytes")
        if any(ord(c) < 0x20 and c != "\n" for c in text):
            raise ValueError("a note contains a control character")
        head, found, tail = text.rpartition("\n\n")
        if not found or not tail.endswith("\n"):
            raise ValueError("a note without signatures")
        self.text = head + "\n"
        lines = tail[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise ValueError(f"more than {SIGNATURES_MAX} signature lines")
        self.signatures = [signature_line(line) for line in lines]

    def judge(self, origin, trust):
        """GOOD; UNKNOWN when no line counts; WRONG when one that counts does not verify."""
        keys = trust.note_keys(origin)
        result = UNKNOWN
        for name, hash4, signature in self.signatures:
            # Four bytes may collide: any key that fits may be the one that is meant.
            meant = [key for key in keys if name == origin and key_hash(name, key) == hash4]
            if not meant:
                continue
            if not any(ed25519.verify_strict(key, self.text.encode(), signature) for key in meant):
                return WRONG
            result = GOOD
        return result


def signature_line(line):
    """(name, four bytes, signature)"""
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "\u2014":
        raise ValueError("a line that is no signature")
    name, blob = parts[1], unbase64(parts[2])
    if not name or "+" in name or has_white_space(name) or blob is None or len(blob) < 5:
        raise ValueError("a line that is no signature")
    return name, blob[:4], blob[4:]


class Checkpoint:
    """A checkpoint's three lines; ValueError when it is none."""

    def __init__(self, data):
        self.note = Note(data)
        lines = self.note.text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise ValueError("a checkpoint has three lines")
        self.origin, size, root = lines[0], lines[1], unbase64(lines[2])
        if not is_origin(self.origin) or not _NUMBER.fullmatch(size) or len(size) > 19:
            raise ValueError("a checkpoint's lines do not fit")
        self.size, self.root = int(size), root
        if root is None or len(root) != 32 or self.size > SIZE_MAX:
            raise ValueError("a checkpoint's lines do not fit")
        if self.size == 0 and root != sha256():
            raise ValueError("an empty tree with another root")
        self.ledger = self.origin.partition("/")[2]


def open_checkpoint(data, origin, trust):
    """(checkpoint, None), or (None, code): it is none, or of another origin, or not well signed."""
    try:
        checkpoint = Checkpoint(data)
    except ValueError:
        return None, "CHECKPOINT_INVALID"
    if checkpoint.origin != origin:
        return None, "CHECKPOINT_INVALID"
    verdict = checkpoint.note.judge(origin, trust)
    if verdict == GOOD:
        return checkpoint, None
    return None, "KEY_UNKNOWN" if verdict == UNKNOWN else "CHECKPOINT_INVALID"


def mend(data):
    """A checkpoint's file after editors and mail programs, as it was."""
    if data.startswith(BYTE_ORDER_MARK):
        data = data[len(BYTE_ORDER_MARK) :]
    return data.replace(b"\r\n", b"\n").rstrip(b"\r\n") + b"\n"
