"""Section 5: vkeys, and which origins they are trusted for."""

import re
import unicodedata

from . import ed25519
from .names import unbase64
from .tree import sha256

NAME_BYTES_MAX = 255
KEY_FILE_BYTES_MAX = 1 << 20
_WHITE_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


def key_id(public):
    return "ed25519:" + public.hex()


def spelled(kid):
    """The public key that a key id spells."""
    return bytes.fromhex(kid.partition(":")[2])


def key_hash(name, public):
    return sha256(name.encode(), b"\n\x01", public)[:4]


def has_white_space(text):
    return bool(_WHITE_SPACE.search(text))


def is_name(name):
    control = any(unicodedata.category(character) == "Cc" for character in name)
    return 1 <= len(name.encode()) <= NAME_BYTES_MAX and "+" not in name and not control and not has_white_space(name)


class VKey:
    """One vkey; ValueError when the text is none, or its key must not be used."""

    def __init__(self, text):
        # The base64 may contain a plus, the name may not: only the first two divide.
        parts = text.split("+", 2)
        if len(parts) != 3 or not re.fullmatch("[0-9a-f]{8}", parts[1]) or not is_name(parts[0]):
            raise ValueError("not a vkey")
        self.name, material = parts[0], unbase64(parts[2])
        if material is None or len(material) != 33 or material[0] != 1:
            raise ValueError("not an Ed25519 vkey")
        self.public = material[1:]
        if key_hash(self.name, self.public).hex() != parts[1]:
            raise ValueError("the vkey's hash does not belong to its name and key")
        if not ed25519.usable_key(self.public):
            raise ValueError("the vkey's public key is not usable")

    def trusts(self, origin):
        return self.name == origin or ("/" not in self.name and origin.startswith(self.name + "/"))


class Trust:
    """The keys that the auditor gave; nothing that is checked adds to them."""

    def __init__(self, vkeys):
        self.vkeys = vkeys

    def keys(self, origin):
        """Public keys by key id."""
        return {key_id(vkey.public): vkey.public for vkey in self.vkeys if vkey.trusts(origin)}


def read_keys(text):
    """The vkeys of a key file, one in each line that is not empty; ValueError when it has none."""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines:
        raise ValueError("no vkey is there")
    return [VKey(line) for line in lines]
