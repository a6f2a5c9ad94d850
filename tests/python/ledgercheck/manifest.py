"""Sections 7.3 and 7.4: manifests and the names of files in a vault."""

import hashlib
import re

from . import canonical
from .line import LINE_BYTES_MAX
from .names import SEQ_MAX, are_certificates, is_hex32, is_integer, is_key_id, is_ledger, is_origin, unbase64
from .note import Checkpoint, Note
from .tree import Subtrees, cover

SEGMENT_RECORDS = 65536
PLAIN_BYTES_MAX = 1 << 30
PACKED_BYTES_MAX = (1 << 30) + (1 << 23)
MANIFEST_BYTES_MAX = 64 << 10
# A manifest has two levels; certificates may have more.
MANIFEST_DEPTH_MAX = 66
# The shortest line, with an empty record and its line feed.
LINE_BYTES_MIN = 90
TITLE = "indelible segment manifest v1"

_OTHER_TITLE = re.compile("indelible segment manifest v(?:0|[1-9][0-9]*)")
_MEMBERS = {
    "checkpoint", "count", "first_prev", "first_seq", "keys", "last_digest", "last_seq", "ledger",
    "object", "origin", "packed", "plain", "previous", "subtrees", "v",
}  # fmt: skip
_MANIFEST_NAME = re.compile(r"([0-9]{20})-([0-9]{20})\.manifest", re.ASCII)
_SEGMENT_NAME = re.compile(r"[0-9]{20}-[0-9]{20}\.[0-9a-f]{16}\.jsonl\.zst", re.ASCII)


class OtherVersion(Exception):
    """A manifest of a later program."""


def named_run(name):
    """(first, last) of a manifest's name, or None when it is not named like one."""
    found = _MANIFEST_NAME.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None


def is_segment_name(name):
    return bool(_SEGMENT_NAME.fullmatch(name))


def is_run(first, last):
    return first <= last <= SEQ_MAX and first // SEGMENT_RECORDS == last // SEGMENT_RECORDS


def is_almost_named(name):
    lower, before = name.lower(), name.split("-")[0]
    digits = sum(character in "0123456789" for character in before)
    return "manifest" in lower or ".jsonl" in lower or lower.endswith(".zst") or (len(before) >= 16 and digits >= 16)


def _sized(value):
    return isinstance(value, dict) and set(value) == {"sha256", "size"} and is_hex32(value["sha256"]) and is_integer(value["size"])


class Manifest:
    """A manifest whose members are in form and agree with each other; ValueError or OtherVersion otherwise.

    Says nothing about signatures: what an unsigned manifest claims can still be held against its lines.
    """

    def __init__(self, data):
        if len(data) > MANIFEST_BYTES_MAX:
            raise ValueError("larger than a manifest can be")
        self.note = Note(data)
        lines = self.note.text.split("\n")
        if lines[0] != TITLE and _OTHER_TITLE.fullmatch(lines[0]):
            raise OtherVersion(lines[0])
        if len(lines) != 3 or lines[0] != TITLE or lines[2]:
            raise ValueError("not the two lines of a manifest")
        try:
            value = canonical.parse_canonical(lines[1].encode(), MANIFEST_DEPTH_MAX)
        except canonical.JsonError as error:
            raise ValueError(str(error)) from None
        if isinstance(value, dict) and are_certificates(value.get("certificates")):
            raise OtherVersion("it carries certificates")
        if not isinstance(value, dict) or set(value) != _MEMBERS:
            raise ValueError("other members than a manifest has")
        if not all(in_form(value)):
            raise ValueError("a member of a manifest is not in its form")
        self.__dict__.update(value)
        self.subtrees = [unbase64(part) if isinstance(part, str) else None for part in self.subtrees]
        self.agrees()
        self.text_sha256 = hashlib.sha256(self.note.text.encode()).hexdigest()

    def agrees(self):
        first, last = self.first_seq, self.last_seq
        try:
            self.tip = Checkpoint(self.checkpoint)
        except ValueError as error:
            raise ValueError(f"its checkpoint: {error}") from None
        whole = (
            is_run(first, last) and last - first + 1 == self.count,
            (self.first_prev is None) == (self.previous is None) == (first == 0),
            self.object == f"{first:020}-{last:020}.{self.packed['sha256'][:16]}.jsonl.zst",
            all(part is not None and len(part) == 32 for part in self.subtrees),
            self.keys == sorted(set(self.keys)),
            self.count * LINE_BYTES_MIN <= self.plain["size"],
            self.plain["size"] <= min(PLAIN_BYTES_MAX, self.count * LINE_BYTES_MAX),
            self.packed["size"] <= PACKED_BYTES_MAX,
            self.tip.origin == self.origin and self.tip.size == last + 1,
        )
        if not all(whole) or len(self.subtrees) != len(list(cover(first, last + 1))):
            raise ValueError("members of a manifest contradict each other")
        if first == 0 and self.range().root() != self.tip.root:
            raise ValueError("a manifest's subtrees do not lead to its checkpoint")

    def range(self):
        """The subtrees with the sizes that follow from the run."""
        return Subtrees(self.first_seq, zip(cover(self.first_seq, self.last_seq + 1), self.subtrees))


def in_form(value):
    """Whether each member has its form."""
    return (
        isinstance(value["checkpoint"], str),
        is_integer(value["count"]),
        is_integer(value["first_seq"]) and is_integer(value["last_seq"]),
        value["first_prev"] is None or is_hex32(value["first_prev"]),
        value["previous"] is None or is_hex32(value["previous"]),
        isinstance(value["keys"], list) and all(map(is_key_id, value["keys"])),
        is_hex32(value["last_digest"]),
        is_ledger(value["ledger"]) and is_origin(value["origin"], value["ledger"]),
        isinstance(value["object"], str),
        _sized(value["packed"]) and _sized(value["plain"]),
        isinstance(value["subtrees"], list),
        is_integer(value["v"], 1, 1),
    )
