"""Section 2: names, ids, times and numbers; and strict base64."""

import base64
import binascii
import re

SEQ_MAX = 2**53 - 1

_LEDGER = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
_SERVER = re.compile(r"[a-z0-9][a-z0-9.-]{0,125}(:[0-9]{1,5})?")
_TIME = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})\.[0-9]{6}Z")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")
_HEX32 = re.compile(r"[0-9a-f]{64}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,63}")
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,127}")
_KEY_ID = re.compile(r"ed25519:[0-9a-f]{64}")


def is_integer(value, low=0, high=SEQ_MAX):
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_ledger(value):
    return isinstance(value, str) and bool(_LEDGER.fullmatch(value))


def is_origin(value, ledger=None):
    if not isinstance(value, str) or len(value.encode()) > 255:
        return False
    server, _, name = value.partition("/")
    return len(server) <= 126 and bool(_SERVER.fullmatch(server)) and is_ledger(name) and ledger in (None, name)


def is_key_id(value):
    return isinstance(value, str) and bool(_KEY_ID.fullmatch(value))


def is_kind(value):
    return isinstance(value, str) and bool(_KIND.fullmatch(value))


def is_hex32(value):
    return isinstance(value, str) and bool(_HEX32.fullmatch(value))


def is_event_id(value):
    return isinstance(value, str) and 1 <= len(value.encode()) <= 128 and not _CONTROL.search(value)


def is_by_name(value):
    return isinstance(value, str) and 1 <= len(value.encode()) <= 256 and not _CONTROL.search(value)


def is_tenant(value):
    return isinstance(value, str) and bool(_TENANT.fullmatch(value))


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


def unbase64(text):
    """Bytes of strict base64 (one spelling each), or None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None
