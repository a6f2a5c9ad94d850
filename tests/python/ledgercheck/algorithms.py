"""Section 5: the algorithms that records are signed with, beside Ed25519.

RSA is decided by arithmetic out of the page's text, ECDSA by `cryptography` (OpenSSL) behind the page's own
demands, HMAC by the standard library.
"""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key

from . import ed25519
from .names import unbase64

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
MODULUS_BITS = range(2048, 8193)
EXPONENTS = range(65537, 1 << 32)
SECRET_BYTES = range(32, 65)

# Bytes of a signature.
SIGNATURES = {
    "ed25519": range(64, 65),
    "ecdsa-p256": range(64, 65),
    "rsa-sha256": range(256, 1025),
    "hmac-sha256": range(32, 33),
}
OTHER_SIGNATURES = range(1, 65536)

_SHA256_INFO = bytes.fromhex("3031300d060960864801650304020105000420")


def algorithm_of(kid):
    return kid.partition(":")[0]


def is_known(kid):
    return algorithm_of(kid) in SIGNATURES


def read_signature(kid, text):
    """The bytes of a signature, or None when a key of this id gives none of this form."""
    data = unbase64(text) if isinstance(text, str) else None
    lengths = SIGNATURES.get(algorithm_of(kid), OTHER_SIGNATURES)
    return data if data is not None and len(data) in lengths else None


def ecdsa_key(point):
    """ValueError when the 33 bytes are no key."""
    if len(point) != 33 or point[0] not in (2, 3):
        raise ValueError("not a compressed point")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def rsa_key(spki):
    """(n, e); ValueError when the DER is not that of a usable key."""
    try:
        key = load_der_public_key(spki)
    except Exception as error:  # the library has many of its own
        raise ValueError(f"not an RSA key: {error}") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
        raise ValueError("not an RSA key in DER")
    numbers = key.public_numbers()
    if numbers.n.bit_length() not in MODULUS_BITS or numbers.e not in EXPONENTS or not numbers.n & numbers.e & 1:
        raise ValueError("an RSA key that is not to be used")
    return numbers.n, numbers.e


def verify_ecdsa(point, digest, signature):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    if not 0 < r < ORDER or not 0 < s <= ORDER // 2:
        return False
    try:
        ecdsa_key(point).verify(encode_dss_signature(r, s), digest, ec.ECDSA(Prehashed(hashes.SHA256())))
        return True
    except (InvalidSignature, ValueError):
        return False


def verify_rsa(spki, digest, signature):
    n, e = rsa_key(spki)
    size, number = (n.bit_length() + 7) // 8, int.from_bytes(signature, "big")
    if len(signature) != size or number >= n:
        return False
    info = _SHA256_INFO + digest
    return pow(number, e, n).to_bytes(size, "big") == b"\x00\x01" + b"\xff" * (size - 3 - len(info)) + b"\x00" + info


def mac(secret, message):
    return hmac.new(secret, message, hashlib.sha256).digest()


def key_id(algorithm, public):
    if algorithm == "rsa-sha256":
        public = hashlib.sha256(public).digest()
    if algorithm == "hmac-sha256":
        public = mac(public, b"indelible hmac key id")
    return f"{algorithm}:{public.hex()}"


def usable(algorithm, public):
    """Whether an auditor's key may be used."""
    if algorithm == "ed25519":
        return len(public) == 32 and ed25519.usable_key(public)
    if algorithm == "hmac-sha256":
        return len(public) in SECRET_BYTES
    try:
        (ecdsa_key if algorithm == "ecdsa-p256" else rsa_key)(public)
        return True
    except ValueError:
        return False


def verify(kid, digest, signature, given):
    """Whether it fits; None where the id only names the key and that is not among those `given` by their ids."""
    algorithm, spelled = algorithm_of(kid), bytes.fromhex(kid.partition(":")[2])
    if algorithm == "ed25519":
        return ed25519.verify_record(spelled, digest, signature)
    if algorithm == "ecdsa-p256":
        return verify_ecdsa(spelled, digest, signature)
    if kid not in given:
        return None
    if algorithm == "rsa-sha256":
        return verify_rsa(given[kid], digest, signature)
    return hmac.compare_digest(mac(given[kid], digest), signature)
