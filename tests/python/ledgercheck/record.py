"""Sections 2, 3 and 7.1: names, records, system objects and lines."""

import re

from . import canonical
from .note import unbase64
from .tree import sha256

SEQ_MAX = 2**53 - 1
BODY_BYTES_MAX = 1 << 20
LINE_BYTES_MAX = 2 << 20
MAX_UNSIGNED_MAX = 65536

_LEDGER = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_SERVER = re.compile(r"[a-z0-9][a-z0-9.-]{0,126}(:[0-9]{1,5})?")
_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.[0-9]{6}Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_HEX32 = re.compile(r"[0-9a-f]{64}")
_KEY_ID = re.compile(r"ed25519:[0-9a-f]{64}")
_PREFIX = re.compile(rb'\{"(?:alg":"ed25519","digest":"([0-9a-f]{64})","kid":"(ed25519:[0-9a-f]{64})|digest":"([0-9a-f]{64}))","record":')
_SUFFIX = re.compile(rb',"sig":"([A-Za-z0-9+/]{86}==)"\}')


def is_integer(value, low=0, high=SEQ_MAX):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_ledger(value):
    return isinstance(value, str) and bool(_LEDGER.fullmatch(value))


def is_origin(value, ledger=None):
    if not isinstance(value, str) or len(value.encode()) > 255:
        return False
    server, _, name = value.partition("/")
    return bool(_SERVER.fullmatch(server)) and is_ledger(name) and ledger in (None, name)


def is_key_id(value):
    return isinstance(value, str) and bool(_KEY_ID.fullmatch(value))


def is_hex32(value):
    return isinstance(value, str) and bool(_HEX32.fullmatch(value))


def is_event_id(value):
    return isinstance(value, str) and 1 <= len(value.encode()) <= 128 and not _CONTROL.search(value)


def is_time(value):
    found = _TIME.fullmatch(value) if isinstance(value, str) else None
    if not found:
        return False
    year, month, day, hour, minute, second = map(int, found.groups())
    if not (1970 <= year <= 9999 and 1 <= month <= 12 and hour < 24 and minute < 60 and second < 60):
        return False
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    days = (31, 29 if leap else 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)[month - 1]
    return 1 <= day <= days


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
        if self.system is not None:
            check_system(self.system)

    def digest(self, previous):
        return sha256(self.data, previous or b"")


def check_system(system):
    """ValueError when a system object of a known kind has not its form."""
    kind = system.get("kind")
    if not isinstance(kind, str):
        raise ValueError("a system object without a kind")
    if kind == "ledger_created":
        fits = (
            set(system) == {"keys", "kind", "max_unsigned", "origin", "sign_per"}
            and isinstance(system["keys"], list)
            and all(map(is_key_id, system["keys"]))
            and is_integer(system["max_unsigned"])
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


class Line:
    """One line of a segment (without its LF), taken apart; ValueError when it has another layout."""

    def __init__(self, data):
        found = _PREFIX.match(data)
        if not found or not data.endswith(b"}"):
            raise ValueError("not the layout of a line")
        self.kid, self.signature = None, None
        if found.group(2) is None:
            self.digest = bytes.fromhex(found.group(3).decode())
            self.record = data[found.end() : -1]
            return
        # The tail has a fixed length, and nothing in the record can pose as it.
        tail = _SUFFIX.fullmatch(data[-98:])
        if not tail:
            raise ValueError("not the layout of a signed line")
        self.digest = bytes.fromhex(found.group(1).decode())
        self.kid = found.group(2).decode()
        self.record = data[found.end() : -98]
        self.signature = unbase64(tail.group(1).decode())
        if self.signature is None:
            raise ValueError("a signature is not strict base64")
