"""Section 7.3: manifests."""

import hashlib
import re

from . import canonical
from .names import SEQ_MAX, is_hex32, is_integer, is_key_id, is_ledger, is_origin
from .note import Checkpoint, Note, unbase64
from .record import LINE_BYTES_MAX
from .tree import Subtrees, cover

SEGMENT_RECORDS = 65536
PLAIN_BYTES_MAX = 1 << 30
PACKED_BYTES_MAX = (1 << 30) + (1 << 23)
MANIFEST_BYTES_MAX = 64 << 10
MANIFEST_DEPTH_MAX = 2
# The shortest line, with an empty record and its line feed.
LINE_BYTES_MIN = 90
TITLE = "indelible segment manifest v1"

_MEMBERS = {
    "checkpoint", "count", "first_prev", "first_seq", "keys", "last_digest", "last_seq", "ledger",
    "object", "origin", "packed", "plain", "previous", "subtrees", "v",
}  # fmt: skip
_NAME = re.compile(r"([0-9]{20})-([0-9]{20})\.(?:(manifest)|[0-9a-f]{16}\.jsonl\.zst)")


def parse_name(name):
    """("manifest" or "segment", first, last) of a file name, or None."""
    found = _NAME.fullmatch(name)
    if not found:
        return None
    first, last = int(found[1]), int(found[2])
    if not first <= last <= SEQ_MAX or first // SEGMENT_RECORDS != last // SEGMENT_RECORDS:
        return None
    return found[3] or "segment", first, last


def _sized(value):
    return isinstance(value, dict) and set(value) == {"sha256", "size"} and is_hex32(value["sha256"]) and is_integer(value["size"])


class Manifest:
    """A manifest whose members are in form and agree with each other; ValueError otherwise.

    Says nothing about signatures: what an unsigned manifest claims can still be held against its lines.
    """

    def __init__(self, data):
        if len(data) > MANIFEST_BYTES_MAX:
            raise ValueError("larger than a manifest can be")
        self.note = Note(data)
        try:
            self.read()
        except canonical.JsonError as error:
            raise ValueError(str(error)) from None
        self.text_sha256 = hashlib.sha256(self.note.text.encode()).hexdigest()

    def read(self):
        lines = self.note.text.split("\n")
        if len(lines) != 3 or lines[0] != TITLE or lines[2]:
            raise ValueError("not the two lines of a manifest")
        value = canonical.parse_canonical(lines[1].encode(), MANIFEST_DEPTH_MAX)
        if not isinstance(value, dict) or set(value) != _MEMBERS:
            raise ValueError("other members than a manifest has")
        fits = (
            isinstance(value["checkpoint"], str),
            is_integer(value["count"], 1, SEGMENT_RECORDS),
            is_integer(value["first_seq"]) and is_integer(value["last_seq"]),
            value["first_prev"] is None or is_hex32(value["first_prev"]),
            value["previous"] is None or is_hex32(value["previous"]),
            isinstance(value["keys"], list) and all(map(is_key_id, value["keys"])),
            is_hex32(value["last_digest"]),
            is_ledger(value["ledger"]) and is_origin(value["origin"], value["ledger"]),
            _sized(value["packed"]) and _sized(value["plain"]),
            isinstance(value["subtrees"], list),
            is_integer(value["v"], 1, 1),
        )
        if not all(fits):
            raise ValueError("a member of a manifest is not in its form")
        self.__dict__.update(value)
        self.subtrees = [unbase64(part) if isinstance(part, str) else None for part in self.subtrees]
        self.agrees()

    def agrees(self):
        first, last = self.first_seq, self.last_seq
        checkpoint = Checkpoint(self.checkpoint)
        whole = (
            last - first + 1 == self.count,
            first // SEGMENT_RECORDS == last // SEGMENT_RECORDS,
            (self.first_prev is None) == (self.previous is None) == (first == 0),
            self.object == f"{first:020}-{last:020}.{self.packed['sha256'][:16]}.jsonl.zst",
            all(part is not None and len(part) == 32 for part in self.subtrees),
            len(self.subtrees) == len(list(cover(first, last + 1))),
            self.keys == sorted(set(self.keys)),
            self.count * LINE_BYTES_MIN <= self.plain["size"],
            self.plain["size"] <= min(PLAIN_BYTES_MAX, self.count * LINE_BYTES_MAX),
            1 <= self.packed["size"] <= PACKED_BYTES_MAX,
            checkpoint.origin == self.origin and checkpoint.size == last + 1,
        )
        if not all(whole) or (first == 0 and self.range().root() != checkpoint.root):
            raise ValueError("members of a manifest contradict each other")

    def range(self):
        """The subtrees with the sizes that follow from the run."""
        return Subtrees(self.first_seq, zip(cover(self.first_seq, self.last_seq + 1), self.subtrees))
