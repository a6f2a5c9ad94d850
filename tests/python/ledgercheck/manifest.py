"""Section 7.3: manifests."""

import hashlib
import re

from . import canonical
from .findings import Problem
from .note import Note, unbase64
from .record import is_hex32, is_integer, is_key_id, is_ledger, is_origin

SEGMENT_RECORDS = 65536
PLAIN_BYTES_MAX = 1 << 30
MANIFEST_BYTES_MAX = 1 << 20
TITLE = "indelible segment manifest v1"

_MEMBERS = {
    "checkpoint", "count", "first_prev", "first_seq", "keys", "last_digest", "last_seq", "ledger",
    "object", "origin", "packed", "plain", "previous", "subtrees", "v",
}  # fmt: skip
_NAME = re.compile(r"([0-9]{20})-([0-9]{20})\.manifest")


def parse_name(name):
    """(first, last) of a manifest's file name, or None."""
    found = _NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def _sized(value):
    return isinstance(value, dict) and set(value) == {"sha256", "size"} and is_hex32(value["sha256"]) and is_integer(value["size"])


class Manifest:
    """A manifest whose signature holds and whose members are in form and agree with each other."""

    def __init__(self, data, ledger, trust):
        try:
            self.note = Note(data)
            self.read(ledger)
        except (ValueError, canonical.JsonError) as error:
            raise Problem("MANIFEST_INVALID", str(error)) from None
        self.note.check(self.origin, trust, "MANIFEST_INVALID")
        self.text_sha256 = hashlib.sha256(self.note.text.encode()).hexdigest()

    def read(self, ledger):
        lines = self.note.text.split("\n")
        if len(lines) != 3 or lines[0] != TITLE or lines[2]:
            raise ValueError("not the two lines of a manifest")
        value = canonical.parse_canonical(lines[1].encode())
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
            is_ledger(value["ledger"]) and value["ledger"] == ledger,
            is_origin(value["origin"], value["ledger"]) if is_ledger(value["ledger"]) else False,
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
        whole = (
            last - first + 1 == self.count,
            first // SEGMENT_RECORDS == last // SEGMENT_RECORDS,
            (first == 0) == (self.first_prev is None) == (self.previous is None),
            self.object == f"{first:020}-{last:020}.{self.packed['sha256'][:16]}.jsonl.zst",
            all(part is not None and len(part) == 32 for part in self.subtrees),
            self.plain["size"] <= PLAIN_BYTES_MAX,
        )
        if not all(whole):
            raise ValueError("members of a manifest contradict each other")
