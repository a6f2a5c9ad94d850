"""Signing, hashing and packing, each as the page says, written for making and not for checking."""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SERVER = "ledger.example"
BLOCK_BYTES_MAX = 1 << 17


def canonical(value):
    """Canonical form, for values without floats and without names beyond ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data):
    return base64.b64encode(data).decode()


def root_of(leaves):
    """MTH of RFC 6962 section 2.1, over leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else sha256()
    k = split(len(leaves))
    return sha256(b"\x01", root_of(leaves[:k]), root_of(leaves[k:]))


def path_of(index, leaves):
    """PATH of RFC 6962 section 2.1.1."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return path_of(index, leaves[:k]) + [root_of(leaves[k:])]
    return path_of(index - k, leaves[k:]) + [root_of(leaves[:k])]


def split(count):
    k = 1
    while 2 * k < count:
        k *= 2
    return k


def leaf(digest):
    return sha256(b"\x00", digest)


def subtrees(first, leaves):
    """Roots of the largest perfect subtrees that cover leaves `first` and on."""
    roots, begin = [], first
    while begin - first < len(leaves):
        size = 1
        while begin % (2 * size) == 0 and begin - first + 2 * size <= len(leaves):
            size *= 2
        roots.append(root_of(leaves[begin - first : begin - first + size]))
        begin += size
    return roots


class Key:
    """An Ed25519 key whose seed is one byte, 32 times."""

    def __init__(self, seed):
        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.kid = "ed25519:" + self.public.hex()

    def hash4(self, name):
        return sha256(name.encode(), b"\n\x01", self.public)[:4]

    def vkey(self, name=SERVER):
        return f"{name}+{self.hash4(name).hex()}+{b64(bytes([1]) + self.public)}"

    def sign(self, message):
        return self.private.sign(message)

    def note_line(self, origin, text, signature=None):
        return f"\u2014 {origin} {b64(self.hash4(origin) + (signature or self.sign(text.encode())))}\n"


OURS, OTHERS, STRANGER = Key(1), Key(2), Key(9)


def note(origin, text, keys=(OURS,), lines=()):
    """A signed note; `lines` stand behind the keys' own."""
    return text + "\n" + "".join([key.note_line(origin, text) for key in keys] + list(lines))


def checkpoint(origin, size, root, keys=(OURS,), lines=()):
    return note(origin, f"{origin}\n{size}\n{b64(root)}\n", keys, lines)


def frame(*blocks, descriptor=0x00, fields=b"\x30"):
    """A Zstandard frame of blocks. The usual header: no content size, a window of 64 KiB."""
    out = b"\x28\xb5\x2f\xfd" + bytes([descriptor]) + fields
    for number, block in enumerate(blocks):
        out += block(number + 1 == len(blocks))
    return out


def raw(data):
    """A block that holds its bytes as they are."""
    return lambda last: block_header(0, len(data), last) + data


def rle(byte, count):
    """A block of one byte, many times."""
    return lambda last: block_header(1, count, last) + byte


def block_header(kind, size, last):
    assert size <= BLOCK_BYTES_MAX
    return (size << 3 | kind << 1 | last).to_bytes(3, "little")


def pack(plain, block=BLOCK_BYTES_MAX // 2):
    return frame(*[raw(plain[at : at + block]) for at in range(0, max(len(plain), 1), block)])


def skippable(data=b"not to be read"):
    return b"\x5a\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data
