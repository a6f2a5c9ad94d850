"""Sections 3 and 4: records, system objects, digests, and what a record may be in its place (3.2)."""

import re

from . import canonical
from .names import (
    is_by_name, is_event_id, is_hex32, is_integer, is_key_id, is_kind, is_ledger, is_origin, is_tenant, is_time,
)  # fmt: skip
from .tree import sha256

BODY_BYTES_MAX = 1 << 20
POINTERS_BYTES_MAX = 256 << 10
MAX_UNSIGNED_MAX = 65536

_INDEX = re.compile(r"0|[1-9][0-9]*")
_BAD_ESCAPE = re.compile(r"~(?![01])")


class Record:
    """A record's members; ValueError when the bytes are no record."""

    def __init__(self, data):
        try:
            value = canonical.parse_canonical(data, canonical.RECORD_DEPTH_MAX)
        except canonical.JsonError as error:
            raise ValueError(str(error)) from None
        if not isinstance(value, dict):
            raise ValueError("a record is an object")
        members = {"id", "ledger", "seq", "time", "v"}
        texts = {"by", "numbers_as_text"} & set(value) if "event" in value else set()
        body = "event" if "event" in value else "system"
        if set(value) != members | {body} | texts:
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
        if "by" in value and not is_by(value["by"]):
            raise ValueError("by is not in its form")
        if "numbers_as_text" in value and not are_numbers_as_text(value["numbers_as_text"], value["event"]):
            raise ValueError("numbers_as_text is not in its form")
        self.data = data
        self.ledger, self.seq, self.time = value["ledger"], value["seq"], value["time"]
        self.system = value["system"] if body == "system" else None
        if self.system is not None and not is_kind(self.system.get("kind")):
            raise ValueError("a system object without a kind")
        self.kind = self.system["kind"] if self.system else None
        self.principals = None if self.system else "off" if "by" not in value else "full" if "how" in value["by"] else "name"

    def digest(self, previous):
        return record_digest(self.data, previous)


def is_by(by):
    """Section 3.3."""
    if not isinstance(by, dict) or not is_by_name(by.get("name")):
        return False
    return set(by) == {"name"} or (set(by) == {"how", "name", "tenant"} and is_kind(by["how"]) and is_tenant(by["tenant"]))


def record_digest(data, previous):
    return sha256(data, previous or b"")


def are_numbers_as_text(pointers, event):
    if not isinstance(pointers, list) or not pointers or not all(isinstance(p, str) for p in pointers):
        return False
    spelled = [pointer.encode() for pointer in pointers]
    ascending = all(a < b for a, b in zip(spelled, spelled[1:]))
    if not ascending or len(canonical.write(pointers)) > POINTERS_BYTES_MAX:
        return False
    return all(canonical.is_inexact_number(text) for text in (pointed_at(event, p) for p in pointers))


def pointed_at(value, pointer):
    """The string that an RFC 6901 pointer leads to; an empty one, which is no number, when there is none."""
    if pointer[:1] != "/" or _BAD_ESCAPE.search(pointer):
        return ""
    for token in pointer[1:].split("/"):
        token = token.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and _INDEX.fullmatch(token) and len(token) < 9 and int(token) < len(value):
            value = value[int(token)]
        else:
            return ""
    return value if isinstance(value, str) else ""


def is_creation(system):
    return (
        set(system) == {"keys", "kind", "max_unsigned", "numbers", "origin", "principals", "sign_per"}
        and isinstance(system["keys"], list)
        and bool(system["keys"])
        and all(map(is_key_id, system["keys"]))
        and is_integer(system["max_unsigned"], 0, MAX_UNSIGNED_MAX)
        and system["numbers"] in ("exact", "text")
        and is_origin(system["origin"])
        and system["principals"] in ("off", "name", "full")
        and system["sign_per"] in ("record", "commit")
    )


def is_segment_archived(system):
    return (
        set(system) == {"first_seq", "kind", "last_seq", "manifest_sha256", "segment_sha256", "vault"}
        and is_integer(system["first_seq"])
        and is_integer(system["last_seq"], system["first_seq"])
        and is_hex32(system["manifest_sha256"])
        and is_hex32(system["segment_sha256"])
        and isinstance(system["vault"], str)
    )


KINDS = {"ledger_created": is_creation, "segment_archived": is_segment_archived}


class Contents:
    """What section 3.2 says of a record where it stands.

    `code` is CREATION_INVALID, NOT_CANONICAL or None; `unknown_kind` a kind that this page does not have;
    `creation` the system object where record 0 has the form of a creation; `strangers` those of its keys
    that are not trusted. `principals` is what record 0 says, where that is known; `measured` tells that the code is
    said because of it.
    """

    def __init__(self, record, origin, trusted, principals=None):
        self.code, self.unknown_kind, self.creation, self.strangers = None, None, None, []
        self.measured = False
        created = record.kind == "ledger_created"
        if record.seq == 0 or created:
            if not (record.seq == 0 and created and is_creation(record.system)):
                self.code = "CREATION_INVALID"
            elif record.system["origin"] != origin or origin.partition("/")[2] != record.ledger:
                self.code = "CREATION_INVALID"
        elif record.principals and principals and record.principals != principals:
            self.code = "NOT_CANONICAL"
            self.measured = True
        elif record.kind in KINDS and not KINDS[record.kind](record.system):
            self.code = "NOT_CANONICAL"
        if record.kind and record.kind not in KINDS and record.system.get("informative") is not True:
            self.unknown_kind = record.kind
        if record.seq == 0 and created and is_creation(record.system):
            self.creation = record.system
            self.strangers = sorted(set(record.system["keys"]) - set(trusted))
