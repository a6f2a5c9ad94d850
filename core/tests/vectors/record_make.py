"""Makes record.json, the golden records, from docs/FORMAT.md alone.

A second implementation of sections 3 and 4, as plain as possible and without a line in common with the
Rust code; needs nothing but Python. The bodies are such that Python's json module writes them in
canonical form.
"""

import hashlib
import json
import pathlib

LEDGER = "tenant-1.orders"
KEY_ID = "ed25519:" + "ab" * 32

CREATION = {"keys": [KEY_ID], "kind": "ledger_created", "max_unsigned": 65536, "numbers": "exact",
            "origin": "ledger.example.com/" + LEDGER, "principals": "off", "sign_per": "commit"}
ORDER = {"action": "order.place", "actor": {"id": "u1", "roles": []}, "amount": 1250,
         "note": "\"caf\u00e9\" \\ \u20ac\n\u0001", "ok": True, "parent": None}
ARCHIVED = {"first_seq": 0, "kind": "segment_archived", "last_seq": 2, "manifest_sha256": "11" * 32,
            "segment_sha256": "22" * 32, "vault": "worm-1"}
LATER = {"informative": True, "kind": "later_kind", "what": [{}]}
# Sent as {"Keywords":-9223372036854775808,"a/b":[1,{"~":1e400},52.520006600000002],"ts":1795238040123456789}
# with numbers=text. One member is a string that looks like such a number and was sent as a string.
WINDOWS = {"Keywords": "-9223372036854775808", "a/b": [1, {"~": "1e400"}, 52.5200066],
           "id": "18446744073709551616", "ts": "1795238040123456789"}

# seq, id, time, body
RECORDS = [
    (0, "0199c3a1-7d7b-7f3e-8a52-c41e09d27b60", "2026-11-21T05:14:00.123456Z", {"system": CREATION}),
    (1, "a", "2026-11-21T05:14:00.123456Z", {"event": {}}),
    (2, "order 17 / \u00e9 \"x\" \\", "2026-11-21T05:14:00.999999Z", {"event": ORDER}),
    (3, "seg-0", "2026-12-31T23:59:59.000000Z", {"system": ARCHIVED}),
    (4, "n", "2026-12-31T23:59:59.000000Z", {
        "event": WINDOWS,
        "numbers_as_text": sorted(["/ts", "/Keywords", "/a~1b/1/~0"], key=str.encode),
    }),
    (5, "later", "2026-12-31T23:59:59.000001Z", {"system": LATER}),
    # The form of these two; the ledger's record 0 would not have either.
    (6, "by name", "2026-12-31T23:59:59.000002Z", {"by": {"name": "billing \"\u00e9\" \\"}, "event": {"a": 1}}),
    (7, "by full", "2026-12-31T23:59:59.000002Z", {
        "by": {"how": "token", "name": "billing", "tenant": "tenant-1"}, "event": {"a": 1},
    }),
    (2**53 - 1, "x" * 128, "9999-12-31T23:59:59.999999Z", {"event": {"z": {"y": {"x": [1, [2, [3]]]}}}}),
]


def canonical(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


cases, prev = [], None
for seq, id, time, body in RECORDS:
    record = canonical(body | {"id": id, "ledger": LEDGER, "seq": seq, "time": time, "v": 1})
    digest = hashlib.sha256(record.encode() + bytes.fromhex(prev or "")).hexdigest()
    cases.append({"prev": prev, "record": record, "digest": digest, "id": id, "seq": seq, "time": time})
    prev = digest

lines = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases)
(pathlib.Path(__file__).parent / "record.json").write_text(f"[\n{lines}\n]\n")
