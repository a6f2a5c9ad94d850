"""Keys that sign records with another algorithm than Ed25519. Written for making and not for checking."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .make import SERVER, b64, sha256

# The order of P-256.
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

# Two RSA keys of 2,048 bits that were made for these cases and protect nothing.
PRIMES = (
    (
        0xD8489E9DB56FF0C851DF64B49CD34F9C20B35436450C4E0611BFB5E21FDDA49D5F29B01BA10AB41CC50FC9036CC7C48E9C3DCE68B502E47DB9965DF9128103900FC3B4FC3AC530424CE49F100174FC6C3C83C31A7A4AD0D6B93AEE8EDD870BF64D502E3D27F5943A6776E2D7F02BEDDFB55E3BFBBCA4FEDEB060FE4A0B979DAB,  # noqa: E501
        0xB6AF630B2D55B0F7C921F8B5628A77889BB50506C66CCA1AF4D5183DB920FD76103B70DA1993A9E92A794570472703ADA0DCEEC61268DC627241536E877E4624CF910A0F764DCE5AA83136320F01A7DD0D42737FF0E4123AC0DED5F1F89357CAE867FD0FE4C916C8FD69743E794D69EF12DAE70562BD598675FC3597B0EA86AD,  # noqa: E501
    ),
    (
        0xF90810C9DD45278391885B0AF63BFD6F96D21F3E8D24259CDB44B0085D7C7C57E5D67B8BA12BFC9AC1F93A844ADC213D84CEA0C84557DCEC2ABA726DAB1A226942C7EBB155A5EAF39C6FE7B88BC4444D2D1EB1D5F1CABF71D950A2D42A09C4B0F284F109C4A63E48B108B1CDCCBF222465EC449C8EDF4BE034679B9A5F7F60FD,  # noqa: E501
        0xC5996AC829587D8AE4F01392A4FC939973371EBCDD456116DCD97DDC786F605528B0D572C9D5AE4E3F4513C51EDB1060B7D0E20185BEF8AE33A83D8DDF9C840985ED7D9C787BF7116C7541291A46763786EF5712ADECF30CD9B31C56265DC75EC9348D687008EF84B3BA5D027FDC75120CB20842C947805218F4B178ED7CDACF,  # noqa: E501
    ),
)


class Named:
    """A key whose algorithm is said by name: `alg`, `kid`, `public` (what stands behind the name in a vkey)."""

    def material(self, alg=None):
        return b"\xff" + (alg or self.alg).encode() + b"\n" + self.public

    def hash4(self, name):
        return sha256(name.encode(), b"\n", self.material())[:4]

    def note_line(self, origin, text):
        """A line that no note can count."""
        return f"\u2014 {origin} {b64(self.hash4(origin) + self.sign(sha256(text.encode())))}\n"

    def vkey(self, name=SERVER):
        return f"{name}+{self.hash4(name).hex()}+{b64(self.material())}"


class EcdsaKey(Named):
    alg = "ecdsa-p256"

    def __init__(self, seed):
        self.private = ec.derive_private_key(int.from_bytes(bytes([seed]) * 32, "big"), ec.SECP256R1())
        self.public = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        self.kid = f"{self.alg}:{self.public.hex()}"

    def parts(self, digest):
        algorithm = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
        return decode_dss_signature(self.private.sign(digest, algorithm))

    def sign(self, digest, high=False):
        r, s = self.parts(digest)
        if (s > ORDER // 2) != high:
            s = ORDER - s
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class RsaKey(Named):
    alg = "rsa-sha256"

    def __init__(self, number, e=65537):
        p, q = PRIMES[number]
        d = pow(e, -1, (p - 1) * (q - 1))
        numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
        self.private = numbers.private_key()
        self.public = self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.kid = f"{self.alg}:{sha256(self.public).hex()}"

    def sign(self, digest, hashed_again=False):
        algorithm = hashes.SHA256() if hashed_again else Prehashed(hashes.SHA256())
        return self.private.sign(digest, padding.PKCS1v15(), algorithm)


class HmacKey(Named):
    alg = "hmac-sha256"

    def __init__(self, seed, size=32):
        self.public = bytes([seed]) * size
        self.kid = f"{self.alg}:{self.mac(b'indelible hmac key id').hex()}"

    def mac(self, message):
        return hmac.new(self.public, message, hashlib.sha256).digest()

    def sign(self, digest):
        return self.mac(digest)

    def secret(self, name=SERVER):
        """The text of its file. There is no vkey of a secret."""
        return "PRIVATE+KEY+" + super().vkey(name)


class NewerKey(Named):
    """Of an algorithm that the page does not have."""

    alg = "ml-dsa-44"

    def __init__(self, seed):
        self.public = bytes([seed]) * 40
        self.kid = f"{self.alg}:{self.public.hex()}"

    def sign(self, digest):
        return sha256(b"of a later version", digest) * 75


def der(tag, content):
    size = len(content)
    long = struct.pack(">H", size)
    head = bytes([size]) if size < 128 else b"\x81" + bytes([size]) if size < 256 else b"\x82" + long
    return bytes([tag]) + head + content


ECDSA, ECDSA_OTHER = EcdsaKey(3), EcdsaKey(4)
RSA, RSA_OTHER = RsaKey(0), RsaKey(1)
HMAC, HMAC_OTHER = HmacKey(5), HmacKey(6)
NEWER = NewerKey(7)
