"""Sections 5 and 6: vkeys, signed notes and checkpoints."""

import base64
import binascii
import re

from . import ed25519
from .findings import Problem
from .names import is_origin
from .tree import sha256

NOTE_BYTES_MAX = 256 << 10
SIGNATURES_MAX = 100
SIZE_MAX = 2**63 - 1
_NUMBER = re.compile(r"0|[1-9][0-9]*")


def unbase64(text):
    """Bytes of strict base64 (one spelling each), or None."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if base64.b64encode(data).decode() == text else None


def key_id(public):
    return "ed25519:" + public.hex()


class VKey:
    def __init__(self, text):
        # The base64 may contain a plus, the name may not: only the first two divide.
        parts = text.strip().split("+", 2)
        if len(parts) != 3 or not re.fullmatch("[0-9a-f]{8}", parts[1]):
            raise ValueError("not a vkey")
        self.name, material = parts[0], unbase64(parts[2])
        if not self.name or material is None or len(material) != 33 or material[0] != 1:
            raise ValueError("not an Ed25519 vkey")
        self.public = material[1:]
        if key_hash(self.name, self.public).hex() != parts[1]:
            raise ValueError("the vkey's hash does not belong to its name and key")
        if not ed25519.usable_key(self.public):
            raise ValueError("the vkey's public key is not usable")

    def trusts(self, origin):
        return self.name == origin or ("/" not in self.name and origin.startswith(self.name + "/"))


def key_hash(name, public):
    return sha256(name.encode(), b"\n\x01", public)[:4]


class Trust:
    """The keys that the auditor gave; nothing that is checked adds to them."""

    def __init__(self, vkeys):
        self.vkeys = vkeys

    def keys(self, origin):
        return {key_id(vkey.public): vkey.public for vkey in self.vkeys if vkey.trusts(origin)}


class Note:
    """A signed note, taken apart and not yet believed."""

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
        self.text, self.signatures = head + "\n", []
        lines = tail[:-1].split("\n")
        if len(lines) > SIGNATURES_MAX:
            raise ValueError(f"more than {SIGNATURES_MAX} signature lines")
        for line in lines:
            parts = line.split(" ")
            blob = unbase64(parts[2]) if len(parts) == 3 and parts[0] == "\u2014" else None
            if blob is None or len(blob) < 5 or not parts[1] or "+" in parts[1] or parts[1].split() != [parts[1]]:
                raise ValueError("a line that is no signature")
            self.signatures.append((parts[1], blob[:4], blob[4:]))

    def check(self, origin, trust, code):
        """Problem unless a trusted key signed as `origin`, and none that is trusted signed wrongly."""
        good = False
        keys = trust.keys(origin).values()
        for name, hash4, signature in self.signatures:
            # Four bytes may collide: any key that fits may be the one that is meant.
            meant = [key for key in keys if name == origin and key_hash(name, key) == hash4]
            if not meant:
                continue
            if not any(ed25519.verify_strict(key, self.text.encode(), signature) for key in meant):
                raise Problem(code, "a trusted key's signature does not match")
            good = True
        if not good:
            raise Problem("KEY_UNKNOWN", f"no trusted key signed as {origin}")


class Checkpoint:
    """A checkpoint's three lines; ValueError when it is none."""

    def __init__(self, data):
        self.note = Note(data)
        lines = self.note.text.split("\n")
        if len(lines) != 4 or lines[3]:
            raise ValueError("a checkpoint has three lines")
        self.origin, size, root = lines[0], lines[1], unbase64(lines[2])
        if not is_origin(self.origin) or not _NUMBER.fullmatch(size) or root is None or len(root) != 32:
            raise ValueError("a checkpoint's lines do not fit")
        self.size, self.root = int(size), root
        if self.size > SIZE_MAX:
            raise ValueError("a checkpoint larger than a ledger can be")
        if self.size == 0 and root != sha256():
            raise ValueError("an empty tree with another root")


def open_checkpoint(data, origin, trust):
    """The checkpoint of `origin`; Problem CHECKPOINT_INVALID or KEY_UNKNOWN."""
    try:
        checkpoint = Checkpoint(data)
    except ValueError as error:
        raise Problem("CHECKPOINT_INVALID", str(error)) from None
    if checkpoint.origin != origin:
        raise Problem("CHECKPOINT_INVALID", f"a checkpoint of {checkpoint.origin}")
    checkpoint.note.check(origin, trust, "CHECKPOINT_INVALID")
    return checkpoint
