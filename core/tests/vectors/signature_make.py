"""Makes the golden signatures of every algorithm from docs/FORMAT.md alone, by OpenSSL.

Run in this folder with the Python package "cryptography" at hand; the file must come out unchanged.
"""

import json
import pathlib
import sys

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../../../tests/python"))

from forge.algorithms import ECDSA, ECDSA_OTHER, HMAC, HMAC_OTHER, ORDER, RSA, RSA_OTHER, HmacKey, Named, der  # noqa: E402
from forge.make import OURS, STRANGER, b64, sha256  # noqa: E402

DIGEST, OTHER_DIGEST = sha256(b"a record"), sha256(b"another record")


def flipped(signature, at=20):
    return signature[:at] + bytes([signature[at] ^ 1]) + signature[at + 1 :]


def signatures(key, other, **bad):
    good = key.sign(DIGEST)
    bad = {
        "a flipped bit": flipped(good),
        "of another key": other.sign(DIGEST),
        "of another digest": key.sign(OTHER_DIGEST),
        "zeros": bytes(len(good)),
        **bad,
    }
    return {
        "kid": key.kid,
        "key": key.secret() if key is HMAC else key.vkey(),
        "good": b64(good),
        "bad": {name: b64(sig) for name, sig in bad.items()},
    }


def ecdsa():
    good = ECDSA.sign(DIGEST)
    r, s = good[:32], good[32:]
    return signatures(
        ECDSA,
        ECDSA_OTHER,
        **{
            "s in the upper half": ECDSA.sign(DIGEST, high=True),
            "the digest hashed again": ECDSA.sign(sha256(DIGEST)),
            "r is zero": bytes(32) + s,
            "s is zero": r + bytes(32),
            "r is the order": ORDER.to_bytes(32, "big") + s,
            "s is the order": r + ORDER.to_bytes(32, "big"),
            "r and s exchanged": s + r,
        },
    )


def padded(hash_info):
    """RSA over a block that is padded as PKCS#1 v1.5 says, around whatever is given."""
    numbers = RSA.private.private_numbers()
    n, size = numbers.public_numbers.n, 256
    block = b"\x00\x01" + b"\xff" * (size - 3 - len(hash_info)) + b"\x00" + hash_info
    return pow(int.from_bytes(block, "big"), numbers.d, n).to_bytes(size, "big")


SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def rsa_cases():
    good = RSA.sign(DIGEST)
    assert padded(SHA256_INFO + DIGEST) == good
    n = RSA.private.private_numbers().public_numbers.n
    plus_n = int.from_bytes(good, "big") + n
    bad = {
        "the digest hashed again": RSA.sign(DIGEST, hashed_again=True),
        "no parameters in the hash's name": padded(bytes.fromhex("302f300b0609608648016503040201") + b"\x04\x20" + DIGEST),
        "the digest without its name": padded(DIGEST),
        "another hash's name": padded(SHA256_INFO.replace(b"\x02\x01", b"\x02\x02") + DIGEST),
        "bytes behind the digest": padded(SHA256_INFO + DIGEST + b"\x00"),
        "a byte too long": b"\x00" + good,
    }
    if plus_n < 1 << 2048:
        bad["the modulus more"] = plus_n.to_bytes(256, "big")
    return signatures(RSA, RSA_OTHER, **bad)


class Spki(Named):
    alg = "rsa-sha256"

    def __init__(self, spki):
        self.public = spki


class Point(Named):
    alg = "ecdsa-p256"

    def __init__(self, public):
        self.public = public


class Alg(Named):
    def __init__(self, alg, public):
        self.alg, self.public = alg, public


def spki_of(n, e):
    return rsa.RSAPublicNumbers(e, n).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def hand_made(n, e, parameters=b"\x05\x00", oid="2a864886f70d010101", tail=b""):
    def integer(value):
        return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))

    key = der(0x30, integer(n) + integer(e))
    return der(0x30, der(0x30, der(6, bytes.fromhex(oid)) + parameters) + der(3, b"\x00" + key)) + tail


def keys():
    """Keys that are not taken, with the reason."""
    n, good = RSA.private.private_numbers().public_numbers.n, RSA.public
    assert hand_made(n, 65537) == good
    long = bytes([0x30, 0x83, 0x00]) + good[2:4] + good[4:]
    no_point = next(bytes([2]) + x.to_bytes(32, "big") for x in range(1, 100) if not on_curve(x))
    return {
        "rsa of 2047 bits": (Spki(spki_of((n >> 1) | 1, 65537)), "RsaModulus"),
        "rsa of 1024 bits": (Spki(spki_of((n >> 1024) | 1 | 1 << 1023, 65537)), "RsaModulus"),
        "rsa with the exponent 3": (Spki(spki_of(n, 3)), "RsaExponent"),
        "rsa with an exponent of 33 bits": (Spki(spki_of(n, (1 << 32) + 1)), "RsaExponent"),
        "rsa with an even exponent": (Spki(hand_made(n, 65538)), "RsaEncoding"),
        "rsa with an even modulus": (Spki(hand_made(n - 1, 65537)), "RsaEncoding"),
        "rsa without parameters": (Spki(hand_made(n, 65537, b"")), "RsaEncoding"),
        "rsa for PSS": (Spki(hand_made(n, 65537, oid="2a864886f70d01010a")), "RsaEncoding"),
        "rsa with bytes behind it": (Spki(good + b"\x00"), "RsaEncoding"),
        "rsa with a length in three bytes": (Spki(long), "RsaEncoding"),
        "rsa that is nothing": (Spki(b""), "RsaEncoding"),
        "ecdsa that is no point": (Point(no_point), "NotOnCurve"),
        "ecdsa with x beyond the field": (Point(b"\x02" + b"\xff" * 32), "NotOnCurve"),
        "ecdsa without its parity": (Point(b"\x05" + ECDSA.public[1:]), "NotCanonical"),
        "ecdsa not compressed": (Point(uncompressed()), "VKeyShape"),
        "ed25519 by its name": (Alg("ed25519", OURS.public), "VKeyAlgorithm"),
        "an algorithm that is not known": (Alg("ml-dsa-44", OURS.public), "VKeyAlgorithm"),
        "hmac as a vkey": (HMAC, "Secret"),
    }


def uncompressed():
    return ECDSA.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def on_curve(x):
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    return pow((x**3 - 3 * x + b) % p, (p - 1) // 2, p) in (0, 1)


def main():
    value = {
        "digest": DIGEST.hex(),
        "signatures": [
            signatures(OURS, STRANGER),
            ecdsa(),
            rsa_cases(),
            signatures(HMAC, HMAC_OTHER, **{"the digest hashed again": HMAC.mac(sha256(DIGEST))}),
        ],
        "keys_refused": [{"name": name, "vkey": Named.vkey(key), "error": error} for name, (key, error) in keys().items()],
        "secrets_refused": [
            {"name": "31 bytes", "secret": HmacKey(5, 31).secret(), "error": "HmacSecret"},
            {"name": "65 bytes", "secret": HmacKey(5, 65).secret(), "error": "HmacSecret"},
            {"name": "a vkey", "secret": RSA.vkey(), "error": "SecretShape"},
            {"name": "an ecdsa key", "secret": "PRIVATE+KEY+" + ECDSA.vkey(), "error": "SecretShape"},
            {"name": "another name", "secret": HMAC.secret().replace("ledger.", "lodger."), "error": "VKeyHash"},
        ],
        "kid_of_64_bytes": [HmacKey(8, 64).secret(), HmacKey(8, 64).kid],
    }
    text = json.dumps(value, indent=1, ensure_ascii=True)
    (HERE / "signatures.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
