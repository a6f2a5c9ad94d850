"""Section 5: the two rules for Ed25519 signatures.

`cryptography` (OpenSSL) answers first because it is fast. What it accepts satisfies S < L and
[S]B - [k]A = R with R in canonical form, so with a look at A's form and order it satisfies the rule for
records, and with a look at R's order the strict rule as well. What it refuses may still satisfy the
rule for records, which has the cofactor; so a refusal is decided by the arithmetic below, which is
written out of the rule's text with big integers and shares nothing with OpenSSL.
"""

import functools
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY = (0, 1, 1, 0)


def add(a, b):
    """RFC 8032 section 5.1.4, extended coordinates; complete, so also for doubling."""
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    c, d = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    g, h, i, j = f - e, d - c, d + c, f + e
    return (g * h % P, i * j % P, h * i % P, g * j % P)


def multiply(scalar, point):
    result = IDENTITY
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def equal(a, b):
    return (a[0] * b[2] - b[0] * a[2]) % P == 0 and (a[1] * b[2] - b[1] * a[2]) % P == 0


def decode(data):
    """The point, or None: not on the curve, y >= p, or x = 0 with the sign bit set."""
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


BASE = decode((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def small_order(point):
    return equal(multiply(8, point), IDENTITY)


def usable_key(public):
    """Whether an auditor's key may be used: canonical, not of small order, no torsion component."""
    point = decode(public)
    return point is not None and not small_order(point) and equal(multiply(L, point), IDENTITY)


def by_the_text(public, message, signature, strict):
    """Both rules, as section 5 words them."""
    a, r = decode(public), decode(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or a is None or r is None or s >= L or small_order(a):
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = multiply(s, BASE), add(r, multiply(k, a))
    if strict:
        return not small_order(r) and equal(left, right)
    return equal(multiply(8, left), multiply(8, right))


def _openssl(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
        return True
    except (InvalidSignature, ValueError):
        return False


_fit = functools.lru_cache(maxsize=4096)(lambda public: decode(public) is not None and not small_order(decode(public)))


def verify_record(public, message, signature):
    """The rule for records, under any 32 bytes: a key identifier may spell what is no key."""
    if not _fit(public):
        return False
    return _openssl(public, message, signature) or by_the_text(public, message, signature, False)


def verify_strict(public, message, signature):
    """The strict rule, for checkpoints and manifests. `public` has passed `usable_key`."""
    if _openssl(public, message, signature):
        r = decode(signature[:32])
        return r is not None and not small_order(r)
    return by_the_text(public, message, signature, True)
