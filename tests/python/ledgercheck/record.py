"""Sections 3 and 7.1: records, system objects and lines."""

import re

from . import canonical
from .names import is_event_id, is_hex32, is_integer, is_key_id, is_ledger, is_origin, is_time
from .note import unbase64
from .tree import sha256

BODY_BYTES_MAX = 1 << 20
# With its line feed.
LINE_BYTES_MAX = 2 << 20
MAX_UNSIGNED_MAX = 65536

_PREFIX = re.compile(rb'\{"(?:alg":"ed25519","digest":"([0-9a-f]{64})","kid":"(ed25519:[0-9a-f]{64})|digest":"([0-9a-f]{64}))","record":')
_SUFFIX = re.compile(rb',"sig":"([A-Za-z0-9+/]{86}==)"\}')


class Record:
    """A record's members; ValueError when the bytes are no record."""

    def __init__(self, data):
        try:
            value = canonical.parse_canonical(data, canonical.RECORD_DEPTH_MAX)
        except canonical.JsonError as error:
            raise ValueError(str(error)) from None
        if not isinstance(value, dict):
            raise ValueError("a record is an object")
        body = "event" if "event" in value else "system"
        if set(value) != {body, "id", "ledger", "seq", "time", "v"}:
            raise ValueError("a record has other members")
        if not isinstance(value[body], dict) or len(canonical.write(value[body])) > BODY_BYTES_MAX:
            raise ValueError(f"{body} is no object of allowed size")
        fits = (
            is_event_id(value["id"]),
            is_ledger(value["ledger"]),
            is_integer(value["seq"]),
            is_time(value["time"]),
            is_integer(value["v"], 1, 1),
        )
        if not all(fits):
            raise ValueError("a member of a record is not in its form")
        self.data = data
        self.id, self.ledger, self.seq, self.time = value["id"], value["ledger"], value["seq"], value["time"]
        self.system = value["system"] if body == "system" else None
        if self.system is not None and not isinstance(self.system.get("kind"), str):
            raise ValueError("a system object without a kind")

    def digest(self, previous):
        return sha256(self.data, previous or b"")


def check_system(system):
    """A system object's kind; ValueError when it is not in the form of its kind."""
    kind = system["kind"]
    if kind == "ledger_created":
        fits = (
            set(system) == {"keys", "kind", "max_unsigned", "origin", "sign_per"}
            and isinstance(system["keys"], list)
            and system["keys"]
            and all(map(is_key_id, system["keys"]))
            and is_integer(system["max_unsigned"], 0, MAX_UNSIGNED_MAX)
            and is_origin(system["origin"])
            and system["sign_per"] in ("record", "commit")
        )
    elif kind == "segment_archived":
        fits = (
            set(system) == {"first_seq", "kind", "last_seq", "manifest_sha256", "segment_sha256", "vault"}
            and is_integer(system["first_seq"])
            and is_integer(system["last_seq"], system["first_seq"])
            and is_hex32(system["manifest_sha256"])
            and is_hex32(system["segment_sha256"])
            and isinstance(system["vault"], str)
        )
    else:
        fits = True
    if not fits:
        raise ValueError(f"a system object is not in the form of {kind}")
    return kind


class Line:
    """One line of a segment (without its LF), taken apart; ValueError when it has another layout."""

    def __init__(self, data):
        found = _PREFIX.match(data)
        if len(data) >= LINE_BYTES_MAX or not found or not data.endswith(b"}"):
            raise ValueError("not the layout of a line")
        self.kid, self.signature = None, None
        if found.group(2) is None:
            self.digest = bytes.fromhex(found.group(3).decode())
            self.record = braced(data[found.end() : -1])
            return
        # The tail has a fixed length, and nothing in the record can pose as it.
        tail = _SUFFIX.fullmatch(data[-98:])
        if not tail:
            raise ValueError("not the layout of a signed line")
        self.digest = bytes.fromhex(found.group(1).decode())
        self.kid = found.group(2).decode()
        self.record = braced(data[found.end() : -98])
        self.signature = unbase64(tail.group(1).decode())
        if self.signature is None:
            raise ValueError("a signature is not strict base64")


def braced(record):
    if record[:1] != b"{" or record[-1:] != b"}" or len(record) < 2:
        raise ValueError("the record of a line is no object")
    return record
