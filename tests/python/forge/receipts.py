"""Cases of section 8.5."""

import json

from .cases import RECEIPT, D, T, find
from .exports import archived, bad_records, good_records
from .ledger import BY, Ledger
from .make import OTHERS, OURS, STRANGER, b64, checkpoint, note, sha256

LEDGER = Ledger()
PER_COMMIT = Ledger(9, per="commit", commit=3)


def add(cases):
    for part in (good, forms, links, tips, contents, signatures, creations, writers, proofs, spellings):
        part(lambda name, *rest, **more: cases.add(RECEIPT, name, *rest, **more))


def good(add):
    for seq in (0, 1, 3, 5):
        add(f"of record {seq}", LEDGER.receipt(seq))
    add("of an early checkpoint", LEDGER.receipt(3, 4))
    for seq in (0, 1, 3, 8):
        add(f"per commit, of record {seq}", PER_COMMIT.receipt(seq))
    add("of a ledger of one record", Ledger(0).receipt(0))
    add("asked for", LEDGER.receipt(3), ledgers=["orders"])
    add("another asked for", LEDGER.receipt(3), ledgers=["others"], unchecked=["NOT_FOUND"])
    unknown = LEDGER.bent(lambda other: setattr(other.rows[3], "record", other.record(3, {"system": {"kind": "key_revoked"}})))
    unknown.resign()
    add("of a kind that is not known", unknown.receipt(3), unchecked=["KIND_UNKNOWN"])
    add("behind a kind that is not known", unknown.receipt(4))
    for name, record in good_records(LEDGER, 3).items():
        add(name, with_record(3, record).receipt(3))
    add("no file", None, unchecked=["UNREADABLE"])


def with_record(seq, record, ledger=LEDGER):
    return ledger.bent(lambda other: (setattr(other.rows[seq], "record", record), other.resign()))


def forms(add):
    """Step 1."""
    bad = find("NOT_CANONICAL", D, ledger=None)
    good = LEDGER.receipt(3)
    for name, data in {
        "empty": b"",
        "nonsense": b"nonsense",
        "an array": b"[]",
        "cut": good[:-1],
        "two of them": good + good,
        "another member": LEDGER.receipt(3, more=1),
        "version 0": LEDGER.receipt(3, v=0),
        "version 2 as a text": LEDGER.receipt(3, v="2"),
        "version true": LEDGER.receipt(3, v=True),
        "no version": LEDGER.receipt(3, v="absent"),
        "no checkpoint": LEDGER.receipt(3, checkpoint="absent"),
        "a checkpoint that is no text": LEDGER.receipt(3, checkpoint=1),
        "a digest in capitals": LEDGER.receipt(3, digest=LEDGER.rows[3].digest.hex().upper()),
        "prev that is no digest": LEDGER.receipt(3, prev="00"),
        "no prev": LEDGER.receipt(3, prev="absent"),
        "a proof that is no array": LEDGER.receipt(3, proof=""),
        "a proof of loose base64": LEDGER.receipt(3, proof=[b64(bytes(32))[:-1]]),
        "a proof of 31 bytes": LEDGER.receipt(3, proof=[b64(bytes(31))]),
        "a proof of 64 hashes": LEDGER.receipt(3, proof=[b64(bytes(32))] * 64),
        "a record that is a text": LEDGER.receipt(3, record="x"),
        "alg alone": LEDGER.receipt(3, kid="absent", sig="absent"),
        "no sig": LEDGER.receipt(3, sig="absent"),
        "another alg": LEDGER.receipt(3, alg="rsa-sha256"),
        "a kid in capitals": LEDGER.receipt(3, kid=OURS.kid.upper()),
        "a kid of null": LEDGER.receipt(3, kid=None),
        "sig of 63 bytes": LEDGER.receipt(3, sig=b64(LEDGER.rows[3].signature[:63])),
        "sig of loose base64": LEDGER.receipt(3, sig=b64(LEDGER.rows[3].signature)[:-2]),
        "neither signature nor creation": PER_COMMIT.receipt(4, creation="absent"),
        "signature and creation": LEDGER.receipt(3, creation=LEDGER.stand_in()),
        "a creation of null": PER_COMMIT.receipt(4, creation=None),
        "a creation with another member": PER_COMMIT.receipt(4, creation=PER_COMMIT.stand_in(more=1)),
        "a creation without sig": PER_COMMIT.receipt(4, creation=PER_COMMIT.stand_in(sig="absent")),
        "a creation of another alg": PER_COMMIT.receipt(4, creation=PER_COMMIT.stand_in(alg="hmac-sha256")),
        "a creation whose kid is none": PER_COMMIT.receipt(4, creation=PER_COMMIT.stand_in(kid="x")),
        "a creation whose sig is short": PER_COMMIT.receipt(4, creation=PER_COMMIT.stand_in(sig="AAAA")),
        "not UTF-8": good.replace(b"pay", b"\xff\xff\xff"),
        "a member twice": good[:-1] + b',"v":1}',
        "no members": b" {} ",
    }.items():
        add(f"form: {name}", data, bad)
    for name, record in bad_records(LEDGER, 3).items():
        if name not in CANONICALISED:
            add(f"signed, {name}", with_record(3, record).receipt(3), bad)
    add("version 2", LEDGER.receipt(3, v=2), unchecked=["VERSION_UNKNOWN"])
    add("version 2 of other members", b'{"more":1,"v":2}', unchecked=["VERSION_UNKNOWN"])
    add("version 2, not canonical", b'{"v": 2, "more": 1}', unchecked=["VERSION_UNKNOWN"])


# What only canonical form forbids: a receipt is brought into that first, so another digest is found.
CANONICALISED = {
    "white space in a record", "members of an event in another order", "a number that is not canonical",
    "an escape that is not canonical",
}  # fmt: skip


def links(add):
    """Steps 2 and 3."""
    add("record 0 with a digest before", LEDGER.receipt(0, prev="00" * 32), find("CHAIN_BROKEN", D, 0))
    add("record 3 without a digest before", LEDGER.receipt(3, prev=None), find("CHAIN_BROKEN", D, 3))
    hashed = find("HASH_MISMATCH", D, 3)
    add("another digest before", LEDGER.receipt(3, prev="00" * 32), hashed)
    add("an edited record", LEDGER.receipt(3).replace(b"pay", b"PAY"), hashed)
    add("another record", LEDGER.receipt(3, record=LEDGER.rows[4].record), find("HASH_MISMATCH", D, 4))
    add("an edited record and a wrong signature", LEDGER.receipt(3, sig=b64(bytes(64))).replace(b"pay", b"PAY"), hashed)
    for name in sorted(CANONICALISED):
        record = bad_records(LEDGER, 3)[name]
        add(f"signed, {name}", with_record(3, record).receipt(3), hashed)


def tips(add):
    """Step 4."""
    origin = LEDGER.origin
    unknown, invalid = find("KEY_UNKNOWN", D, 3), find("CHECKPOINT_INVALID", D, 3)
    add("a stranger's checkpoint", LEDGER.receipt(3, tip=checkpoint(origin, 6, LEDGER.root(), [STRANGER])), unknown)
    add("a key for another origin", LEDGER.receipt(3), unknown, keys=[OURS.vkey("ledger.example/others")])
    text = f"{origin}\n6\n{b64(LEDGER.root())}\n"
    add("lines of others beside it", LEDGER.receipt(3, tip=note(origin, text, lines=[STRANGER.note_line(origin, text)])))
    for name, tip in {
        "nonsense": "nonsense",
        "a wrong line beside the good one": note(origin, text, lines=[OURS.note_line(origin, text, bytes(64))]),
        "an extension line": note(origin, text + "more\n"),
        "no last LF": LEDGER.tip()[:-1],
        "CR LF": LEDGER.tip().replace("\n", "\r\n"),
        "an origin that is none": note("orders", text.replace(origin, "orders")),
    }.items():
        add(f"checkpoint, {name}", LEDGER.receipt(3, tip=tip), invalid)
    other = Ledger(5, name="others")
    add("a checkpoint of another ledger", LEDGER.receipt(3, tip=other.tip()), find("CHECKPOINT_INVALID", T, 3))
    add("a checkpoint of another server", LEDGER.receipt(3, tip=Ledger(5, server="other.example").tip()), unknown)


def contents(add):
    """Step 5."""

    def created(**changes):
        return LEDGER.record(0, {"system": {k: v for k, v in (LEDGER.creation | changes).items() if v is not None}})

    for name, record in {
        "an event": LEDGER.record(0, {}),
        "an archived segment": LEDGER.record(0, {"system": archived()}),
        "of a kind that is not known": LEDGER.record(0, {"system": {"kind": "key_revoked"}}),
        "without members": LEDGER.record(0, {"system": {"kind": "ledger_created"}}),
        "without numbers": created(numbers=None),
        "without principals": created(principals=None),
        "of another server": created(origin="other.example/orders"),
        "of another ledger's origin": created(origin="ledger.example/others"),
    }.items():
        add(f"signed, record 0 {name}", with_record(0, record).receipt(0), find("CREATION_INVALID", T, 0))
    for name, system in {"well-formed": LEDGER.creation, "without members": {"kind": "ledger_created"}}.items():
        record = LEDGER.record(3, {"system": system})
        add(f"signed, a second creation {name}", with_record(3, record).receipt(3), find("CREATION_INVALID", T, 3))
    for name, system in {
        "that ends before it begins": archived(first_seq=3),
        "with another member": archived(more=1),
        "that is informative": archived(informative=True),
    }.items():
        record = LEDGER.record(3, {"system": system})
        add(f"signed, an archived segment {name}", with_record(3, record).receipt(3), find("NOT_CANONICAL", T, 3))
    add("an archived segment", with_record(3, LEDGER.record(3, {"system": archived()})).receipt(3))
    add("an informative kind", with_record(3, LEDGER.record(3, {"system": {"informative": True, "kind": "x"}})).receipt(3))
    strange = with_record(0, created(keys=[OURS.kid, STRANGER.kid]))
    add("record 0 names a stranger's key", strange.receipt(0), find("KEY_UNKNOWN", D, 0))
    add("behind a record 0 that names a stranger's key", strange.receipt(3))


def signatures(add):
    """Step 6."""

    def signed(key, **more):
        return LEDGER.receipt(3, kid=key.kid, sig=b64(key.sign(LEDGER.rows[3].digest)), **more)

    add("signed with another trusted key", signed(OTHERS), keys=[OURS.vkey(), OTHERS.vkey()])
    add("signed with a key that is not trusted", signed(STRANGER), find("KEY_UNKNOWN", D, 3))
    invalid = find("SIG_INVALID", T, 3)
    add("another record's signature", LEDGER.receipt(3, sig=b64(LEDGER.rows[4].signature)), invalid)
    add("a wrong signature under a key that is not trusted", LEDGER.receipt(3, kid=STRANGER.kid), invalid)
    add("a kid that is no point", LEDGER.receipt(3, kid="ed25519:02" + "00" * 31), invalid)
    add("a wrong signature and a wrong proof", LEDGER.receipt(3, sig=b64(bytes(64)), proof=[]), invalid)


def writers(add):
    """Step 7: who wrote it, which record 0 says of where it stands in the receipt."""
    for mode in ("off", "name", "full"):
        per_record, per_commit = Ledger(principals=mode), Ledger(9, per="commit", commit=3, principals=mode)
        add(f"principals {mode}", per_record.receipt(3))
        add(f"principals {mode}, per commit", per_commit.receipt(4))
        for other in sorted({"off", "name", "full"} - {mode}):
            by = per_commit.record(4, {"event": {}, "by": BY.get(other)})
            add(f"principals {mode}, per commit, a record says {other}", with_record(4, by, per_commit).receipt(4),
                find("NOT_CANONICAL", T, 4))
            # Its own receipt does not hold record 0, so that nothing is known of what that says.
            by = per_record.record(3, {"event": {}, "by": BY.get(other)})
            add(f"principals {mode}, a record says {other}", with_record(3, by, per_record).receipt(3))


def creations(add):
    """Step 7."""

    def instead(**changes):
        return PER_COMMIT.receipt(4, creation=PER_COMMIT.stand_in(**changes))

    def created(of=PER_COMMIT, key=OURS, **changes):
        members = {"seq": 0, "ledger": "orders", "system": of.creation} | changes
        record = of.record(members.pop("seq"), members)
        return {"kid": key.kid, "record": record, "sig": b64(key.sign(sha256(record)))}

    invalid, unsigned = find("CREATION_INVALID", T, 4), find("UNSIGNED", T, 4)
    add("creation: of a ledger signed per record", instead(**created(LEDGER)), unsigned)
    bare = LEDGER.bent(lambda other: other.rows[3].unsign())
    add("creation: a signature taken away", bare.receipt(3), find("UNSIGNED", T, 3))
    zero = PER_COMMIT.receipt(0, alg="absent", kid="absent", sig="absent", creation=PER_COMMIT.stand_in())
    add("creation: in place of record 0's signature", zero, find("UNSIGNED", T, 0))
    add("creation: an edited one", instead(record=PER_COMMIT.rows[0].record.replace(b"id-0", b"id-1")), find("SIG_INVALID", T, 4))
    add("creation: another record's signature", instead(sig=b64(PER_COMMIT.rows[3].signature)), find("SIG_INVALID", T, 4))
    add("creation: signed with a key that is not trusted", instead(**created(key=STRANGER)), find("KEY_UNKNOWN", D, 4))
    add("creation: signed with another trusted key", instead(**created(key=OTHERS)), keys=[OURS.vkey(), OTHERS.vkey()])
    add("creation: of another server", instead(**created(Ledger(per="commit", server="other.example"))), invalid)
    add("creation: of another ledger", instead(**created(Ledger(per="commit", name="others"), ledger="others")), invalid)
    add("creation: whose ledger is not its origin's", instead(**created(ledger="others")), invalid)
    add("creation: an event", instead(**created(event={}, system=None)), invalid)
    add("creation: not record 0", instead(**created(seq=1)), invalid)
    add("creation: without numbers", instead(**created(system={k: v for k, v in PER_COMMIT.creation.items() if k != "numbers"})), invalid)
    add("creation: another kind", instead(**created(system={"kind": "key_revoked"})), invalid)
    add("creation: names a stranger's key", instead(**created(system=PER_COMMIT.creation | {"keys": [STRANGER.kid]})),
        find("KEY_UNKNOWN", D, 4))
    add("creation: that is no record", instead(**created(v=2)), find("NOT_CANONICAL", D, 4))
    add("creation: whose record is a text", instead(record="x"), find("NOT_CANONICAL", D, ledger=None))
    add("creation: an empty record", instead(record=b"{}"), find("NOT_CANONICAL", D, 4))


def proofs(add):
    """Step 8."""
    root = find("ROOT_MISMATCH", T, 3)
    hashes = json.loads(LEDGER.receipt(3))["proof"]
    add("beyond the checkpoint", LEDGER.receipt(3, tip=LEDGER.tip(3)), find("CHECKPOINT_INVALID", T, 3))
    add("a checkpoint of no record", LEDGER.receipt(3, tip=LEDGER.tip(0)), find("CHECKPOINT_INVALID", T, 3))
    add("a proof too short", LEDGER.receipt(3, proof=hashes[:-1]), root)
    add("a proof too long", LEDGER.receipt(3, proof=[*hashes, hashes[0]]), root)
    add("a proof of 63 hashes", LEDGER.receipt(3, proof=hashes[:1] * 63), root)
    add("a proof in another order", LEDGER.receipt(3, proof=hashes[::-1]), root)
    add("no proof", LEDGER.receipt(3, proof=[]), root)
    add("a proof for another size", LEDGER.receipt(3, tip=LEDGER.tip(5)), root)
    add("a checkpoint of another root", LEDGER.receipt(3, tip=checkpoint(LEDGER.origin, 6, LEDGER.root(5))), root)


def spellings(add):
    """What JSON libraries make of a receipt."""
    value = json.loads(LEDGER.receipt(3))
    add("white space", json.dumps(value, indent=4, ensure_ascii=False).encode())
    add("members in another order", json.dumps(dict(reversed(value.items())), ensure_ascii=False).encode())
    add("escapes", json.dumps(value).encode())
    add("one LF at the end", LEDGER.receipt(3) + b"\n")
    add("CR LF at the end", LEDGER.receipt(3) + b"\r\n")
    add("a byte order mark", b"\xef\xbb\xbf" + LEDGER.receipt(3))
    add("a number in another spelling", LEDGER.receipt(3).replace(b'"seq":3', b'"seq":3.0'))
    add("a number in yet another spelling", LEDGER.receipt(3).replace(b'"v":1}', b'"v":10e-1}'))
    add("a number that a double does not carry", LEDGER.receipt(3).replace(b'"seq":3', b'"seq":3.000000000000000000000000000001'),
        find("NOT_CANONICAL", D, ledger=None))
