"""Makes the golden receipts from docs/FORMAT.md alone, without a line of this project's code.

Run in this folder with the Python package "cryptography" at hand; the files must come out unchanged.
The events are such that Python's json module writes them in canonical form.
"""

import base64
import hashlib
import json

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SERVER, LEDGER = "ledger.example", "audit"
ORIGIN = f"{SERVER}/{LEDGER}"
KEY = Ed25519PrivateKey.from_private_bytes(bytes([7] * 32))
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
KID = "ed25519:" + PUBLIC.hex()


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


def split(n):
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(leaves):
    if len(leaves) == 1:
        return leaves[0]
    k = split(len(leaves))
    return sha256(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def path(m, leaves):
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return path(m, leaves[:k]) + [mth(leaves[k:])]
    return path(m - k, leaves[k:]) + [mth(leaves[:k])]


def key_hash(name):
    return sha256(name.encode() + b"\n\x01" + PUBLIC)[:4]


def note(text):
    return f"{text}\n\u2014 {ORIGIN} {b64(key_hash(ORIGIN) + KEY.sign(text.encode()))}\n"


creation = {"keys": [KID], "kind": "ledger_created", "max_unsigned": 3, "numbers": "exact", "origin": ORIGIN, "principals": "off", "sign_per": "commit"}
bodies = [{"system": creation}] + [
    {"event": {"action": "grant", "actor": "zo\u00eb", "amount": n + 0.5, "note": "a \"quoted\"\nline"}} for n in range(1, 5)
]
records, digests, prev = [], [], b""
for seq, body in enumerate(bodies):
    record = canonical(
        body | {"id": f"id-{seq}", "ledger": LEDGER, "seq": seq, "time": f"2026-11-21T05:14:00.{seq:06}Z", "v": 1}
    )
    prev = sha256(record + prev)
    records.append(record)
    digests.append(prev)

leaves = [sha256(b"\x00" + digest) for digest in digests]
checkpoint = note(f"{ORIGIN}\n{len(leaves)}\n{b64(mth(leaves))}\n")


def receipt(seq, signed):
    members = {
        "checkpoint": checkpoint,
        "digest": digests[seq].hex(),
        "prev": digests[seq - 1].hex() if seq else None,
        "proof": [b64(hash) for hash in path(seq, leaves)],
        "record": json.loads(records[seq]),
        "v": 1,
    }
    signature = {"alg": "ed25519", "kid": KID, "sig": b64(KEY.sign(digests[seq if signed else 0]))}
    members |= signature if signed else {"creation": signature | {"record": json.loads(records[0])}}
    made = canonical(members)
    assert records[seq] in made
    return made


for name, content in {
    "receipt_creation.json": receipt(0, True),
    "receipt_unsigned.json": receipt(3, False),
    "receipt_signed.json": receipt(4, True),
    "receipt.vkey": f"{SERVER}+{key_hash(SERVER).hex()}+{b64(bytes([1]) + PUBLIC)}\n".encode(),
}.items():
    with open(name, "wb") as file:
        file.write(content)
