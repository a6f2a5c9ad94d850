"""Section 5: vkeys, and which origins they are trusted for."""

import re
import unicodedata

from . import algorithms
from .names import unbase64
from .tree import sha256

NAME_BYTES_MAX = 255
KEY_FILE_BYTES_MAX = 1 << 20
SECRET_FILE_BYTES_MAX = 4 << 10
SECRET_PREFIX = "PRIVATE+KEY+"
# Algorithms that are said by name, behind 0xff.
NAMED = ("ecdsa-p256", "rsa-sha256", "hmac-sha256")
_WHITE_SPACE = re.compile("[\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")


def key_hash(name, public):
    return sha256(name.encode(), b"\n\x01", public)[:4]


def has_white_space(text):
    return bool(_WHITE_SPACE.search(text))


def is_name(name):
    control = any(unicodedata.category(character) == "Cc" for character in name)
    return 1 <= len(name.encode()) <= NAME_BYTES_MAX and "+" not in name and not control and not has_white_space(name)


class Key:
    """A key under a name: `algorithm`, `public` (of HMAC the secret), `kid`."""

    def __init__(self, text):
        # The base64 may contain a plus, the name may not: only the first two divide.
        parts = text.split("+", 2)
        if len(parts) != 3 or not re.fullmatch("[0-9a-f]{8}", parts[1]) or not is_name(parts[0]):
            raise ValueError("not a vkey")
        self.name, material = parts[0], unbase64(parts[2])
        if not material:
            raise ValueError("not a vkey")
        if material[0] == 1:
            self.algorithm, self.public = "ed25519", material[1:]
        elif material[0] == 0xFF:
            name, _, self.public = material[1:].partition(b"\n")
            self.algorithm = name.decode("latin-1")
        else:
            raise ValueError("a vkey of another type")
        if self.algorithm not in (("ed25519",) if material[0] == 1 else NAMED):
            raise ValueError("a vkey of another algorithm")
        if sha256(self.name.encode(), b"\n", material)[:4].hex() != parts[1]:
            raise ValueError("the vkey's hash does not belong to its name and key")
        if not algorithms.usable(self.algorithm, self.public):
            raise ValueError("the vkey's public key is not usable")
        self.kid = algorithms.key_id(self.algorithm, self.public)

    def trusts(self, origin):
        return self.name == origin or ("/" not in self.name and origin.startswith(self.name + "/"))


class VKey(Key):
    """One vkey; ValueError when the text is none, or its key must not be used."""

    def __init__(self, text):
        super().__init__(text)
        if self.algorithm == "hmac-sha256":
            raise ValueError("a secret is no vkey")


class Secret(Key):
    """The text of a file with a shared secret; ValueError when it is none."""

    def __init__(self, text):
        text = text.removesuffix("\n")
        if not text.startswith(SECRET_PREFIX):
            raise ValueError("not a secret")
        super().__init__(text[len(SECRET_PREFIX) :])
        if self.algorithm != "hmac-sha256":
            raise ValueError("not a secret")


class Trust:
    """The keys that the auditor gave; nothing that is checked adds to them."""

    def __init__(self, keys):
        self.given = keys

    def keys(self, origin):
        """The ids of the keys that may sign records."""
        return {key.kid for key in self.given if key.trusts(origin)}

    def note_keys(self, origin):
        """The public keys that may sign notes."""
        return [key.public for key in self.given if key.trusts(origin) and key.algorithm == "ed25519"]

    def verify(self, kid, digest, signature):
        """Whether a record's signature fits; None where that key was not given under any name."""
        return algorithms.verify(kid, digest, signature, {key.kid: key.public for key in self.given})


def read_keys(text):
    """The vkeys of a key file, one in each line that is not empty; ValueError when it has none."""
    lines = [line for line in text.replace("\r\n", "\n").split("\n") if line]
    if not lines:
        raise ValueError("no vkey is there")
    return [VKey(line) for line in lines]
