"""Writes segment_*.jsonl, manifest_*.note and key.vkey beside this file.

A second implementation of docs/FORMAT.md sections 3 to 7, on purpose as plain as possible and without a
line in common with the Rust code. Needs the Python package `cryptography`. The packed bytes are made up:
compression is not what these vectors are about.
"""

import base64
import hashlib
import json
import pathlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = pathlib.Path(__file__).parent
SERVER, LEDGER = "ledger.example", "orders"
ORIGIN = f"{SERVER}/{LEDGER}"
KEY = Ed25519PrivateKey.from_private_bytes(bytes([1] * 32))
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
KEY_ID = "ed25519:" + PUBLIC.hex()


def sha256(data):
    return hashlib.sha256(data).digest()


def b64(data):
    return base64.b64encode(data).decode()


def canonical(value):
    # Enough of RFC 8785 for these records: integers, and names of ASCII.
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode()


def key_hash(name):
    return sha256(name.encode() + b"\n\x01" + PUBLIC)[:4]


def note(text):
    blob = key_hash(ORIGIN) + KEY.sign(text.encode())
    return f"{text}\n\u2014 {ORIGIN} {b64(blob)}\n"


def subtrees(leaves, begin):
    """Roots of the largest perfect subtrees from leaf `begin` to the end, left to right."""
    roots, at = [], begin
    while at < len(leaves):
        size = 1
        while at % (size * 2) == 0 and at + size * 2 <= len(leaves):
            size *= 2
        roots.append(root(leaves[at : at + size]))
        at += size
    return roots


def root(leaves):
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + root(leaves[:split]) + root(leaves[split:]))


BODIES = [
    {"system": {"keys": [KEY_ID], "kind": "ledger_created", "max_unsigned": 16, "numbers": "exact",
                "origin": ORIGIN, "principals": "off", "sign_per": "commit"}},
    {"event": {"actor": "ann", "what": "order placed"}},
    {"event": {"note": '"},"sig":"AAAA"}\n{"digest":"', "record": {"digest": "x", "sig": "y"}}},
    {"event": {"text": "caf\u00e9 \u2014 \U0001f600"}},
    {"event": {}},
]
SIGNED = {0, 2, 4}

digests, lines = [], []
for seq, body in enumerate(BODIES):
    record = canonical({**body, "id": f"order-{seq}", "ledger": LEDGER, "seq": seq,
                        "time": f"2026-11-21T05:14:0{seq}.000000Z", "v": 1})
    digests.append(sha256(record + (digests[-1] if digests else b"")))
    line = b'{"digest":"' + digests[-1].hex().encode() + b'","record":' + record + b"}\n"
    if seq in SIGNED:
        line = (b'{"alg":"ed25519","digest":"' + digests[-1].hex().encode() + b'","kid":"' + KEY_ID.encode()
                + b'","record":' + record + b',"sig":"' + b64(KEY.sign(digests[-1])).encode() + b'"}\n')
    lines.append(line)

leaves = [sha256(b"\x00" + digest) for digest in digests]
previous = None
for first, last in [(0, 2), (3, 4)]:
    plain = b"".join(lines[first : last + 1])
    packed = b"the packed bytes of %d to %d" % (first, last)
    checkpoint = note(f"{ORIGIN}\n{last + 1}\n{b64(root(leaves[: last + 1]))}\n")
    text = "indelible segment manifest v1\n" + canonical({
        "checkpoint": checkpoint,
        "count": last - first + 1,
        "first_prev": digests[first - 1].hex() if first else None,
        "first_seq": first,
        "keys": [KEY_ID],
        "last_digest": digests[last].hex(),
        "last_seq": last,
        "ledger": LEDGER,
        "object": f"{first:020}-{last:020}.{sha256(packed).hex()[:16]}.jsonl.zst",
        "origin": ORIGIN,
        "packed": {"sha256": sha256(packed).hex(), "size": len(packed)},
        "plain": {"sha256": sha256(plain).hex(), "size": len(plain)},
        "previous": previous,
        "subtrees": [b64(h) for h in subtrees(leaves[: last + 1], first)],
        "v": 1,
    }).decode() + "\n"
    previous = sha256(text.encode()).hex()
    (HERE / f"segment_{first}.jsonl").write_bytes(plain)
    (HERE / f"manifest_{first}.note").write_text(note(text))

(HERE / "key.vkey").write_text(f"{SERVER}+{key_hash(SERVER).hex()}+{b64(bytes([1]) + PUBLIC)}\n")
