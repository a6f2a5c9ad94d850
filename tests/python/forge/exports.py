"""Cases of sections 8.2 and 8.4."""

from .cases import EXPORT, D, T, find
from .ledger import BY, Ledger
from .make import OTHERS, OURS, STRANGER, Key, b64, canonical, checkpoint, frame, note, pack, raw, rle, skippable

LEDGER = Ledger()
PER_COMMIT = Ledger(9, per="commit", commit=3)
LINE_BYTES_MAX = 2 << 20
# A window of 128 KiB, for blocks of that size.
WIDE = b"\x38"


def add(cases):
    for part in (good, layout, forms, places, contents, kinds, digests, signatures, runs, writers, headers, closings, cuts, packings):
        part(lambda name, *rest, **more: cases.add(EXPORT, name, *rest, **more))


def resigned(change, ledger=LEDGER, first=0):
    """Somebody with the key changed records: every line is sound, and the closing line is good."""

    def bend(other):
        change(other.rows)
        other.resign(first)

    return ledger.bent(bend).export()


def changed(change, ledger=LEDGER):
    """Somebody without the key changed lines under the honest closing line."""
    other = ledger.bent(lambda other: change(other.rows))
    return ledger.export(other.lines())


def with_lines(change, ledger=LEDGER):
    lines = ledger.lines()
    change(lines)
    return ledger.export(lines)


def event(seq, **members):
    return LEDGER.record(seq, members)


def good(add):
    add("signed per record", LEDGER.export())
    add("signed per commit", PER_COMMIT.export())
    add("only record 0", Ledger(0).export())
    add("no record", LEDGER.export([], LEDGER.tip(0)), unchecked=["NOTHING_THERE"])
    add("asked for", LEDGER.export(), ledgers=["orders"])
    add("asked for among others", LEDGER.export(), ledgers=["orders", "others"])
    add("another asked for", LEDGER.export(), ledgers=["others"], unchecked=["NOT_FOUND"])
    add("another asked for, and changed", changed(lambda rows: rows[3].replace(b"pay", b"PAY")),
        find("HASH_MISMATCH", D, 3), ledgers=["others"], unchecked=["NOT_FOUND"])
    add("a key for the origin alone", LEDGER.export(), keys=[OURS.vkey(LEDGER.origin)])
    add("two keys", LEDGER.export(), keys=[STRANGER.vkey(), OURS.vkey()])
    strangers = find("KEY_UNKNOWN", D, 0), find("KEY_UNKNOWN", D, 0, 5), find("KEY_UNKNOWN", D)
    add("a key for another origin", LEDGER.export(), *strangers, keys=[OURS.vkey("ledger.example/others")])
    add("a key whose server only begins like this one", LEDGER.export(), *strangers, keys=[OURS.vkey("ledger.exampl")])
    add("another key", LEDGER.export(), *strangers, keys=[STRANGER.vkey()])


def layout(add):
    """8.2 step 1."""
    line = LEDGER.lines()[3]
    kid, sig = LEDGER.rows[3].kid.encode(), b64(LEDGER.rows[3].signature).encode()
    digest = LEDGER.rows[3].digest.hex().encode()
    other_bits = sig[:-3] + bytes([sig[-3] + 1]) + sig[-2:]
    for name, bad in {
        "a line of nonsense": b"nonsense",
        "an empty line": b"",
        "a header in the middle": LEDGER.header(),
        "a closing line in the middle": LEDGER.closing(),
        "white space before a line": b" " + line,
        "CR LF": line + b"\r",
        "a byte behind a line": line + b" ",
        "members in another order": b'{"record":' + LEDGER.rows[3].record + b',"digest":"' + digest + b'"}',
        "another alg": line.replace(b'"ed25519"', b'"hmac-sha256"'),
        "a digest in capitals": line.replace(digest, digest.upper()),
        "a digest too short": line.replace(digest, digest[:-2]),
        "a kid in capitals": line.replace(kid, kid[:8] + kid[8:].upper()),
        "a kid too short": line.replace(kid, kid[:-1]),
        "a kid of another alg": line.replace(kid, b"rsa256.:" + kid[8:]),
        "a kid too long": line.replace(kid, kid + b"0"),
        "base64 with bits behind the end": line.replace(sig, other_bits),
        "base64 without padding": line.replace(sig, sig[:-2]),
        "base64 of 63 bytes": line.replace(sig, b64(LEDGER.rows[3].signature[:63]).encode()),
        "base64 of the other alphabet": line.replace(sig, b"_" + sig[1:]),
        "sig without kid": line.replace(b'"alg":"ed25519",', b"").replace(b'"kid":"' + kid + b'",', b""),
        "a record that is an array": b'{"digest":"' + digest + b'","record":[]}',
        "a record that is a text": b'{"digest":"' + digest + b'","record":"x"}',
        "bytes that are not UTF-8 in place of a line": b"\xff\xfe",
        "zeros": bytes(300),
    }.items():
        assert bad != line, name
        add(name, with_lines(lambda lines, bad=bad: lines.__setitem__(3, bad)), find("NOT_CANONICAL", D, 3))
    add("nonsense in place of record 0", with_lines(lambda lines: lines.__setitem__(0, b"{}")), find("NOT_CANONICAL", D, 0))
    add("two lines of nonsense", with_lines(lambda lines: lines.__setitem__(slice(2, 4), [b"x", b"y"])),
        find("NOT_CANONICAL", D, 2), find("NOT_CANONICAL", D, 3))
    add("an empty line more", with_lines(lambda lines: lines.insert(3, b"")), find("NOT_CANONICAL", D, 3), find("SEQ_GAP", D, 3))

    def both(lines):
        lines[3] = b"nonsense"
        lines[4] = lines[4].replace(b"pay", b"PAY")

    add("behind nonsense a digest is not checked", with_lines(both), find("NOT_CANONICAL", D, 3))

    def later(lines):
        lines[3] = b"nonsense"
        lines[5] = lines[5].replace(b"pay", b"PAY")

    add("further behind it is", with_lines(later), find("NOT_CANONICAL", D, 3), find("HASH_MISMATCH", D, 5))


def forms(add):
    """8.2 step 2, section 3. The line is sound unless something else is said."""
    for name, record in bad_records(LEDGER, 3).items():
        sound = resigned(lambda rows, record=record: setattr(rows[3], "record", record))
        add(f"signed, {name}", sound, find("NOT_CANONICAL", T, 3))
    loose = changed(lambda rows: rows[3].replace(b'"v":1', b'"v":2'))
    add("a record of version 2, not signed", loose, find("NOT_CANONICAL", D, 3), find("HASH_MISMATCH", D, 3))
    zero = resigned(lambda rows: setattr(rows[0], "record", b"{}"))
    add("signed, a record 0 that is none", zero, find("NOT_CANONICAL", T, 0))

    def two(rows):
        rows[3].record = b"{}"
        rows[4].record = event(4, time="2026-11-21T05:14:01.000000Z")

    add("signed, time behind a record that is none", resigned(two), find("NOT_CANONICAL", T, 3), find("TIME_BACKWARDS", T, 4))
    for name, record in good_records(LEDGER, 3).items():
        add(name, resigned(lambda rows, record=record: setattr(rows[3], "record", record)))


def deep(levels):
    value = {}
    for _ in range(levels - 1):
        value = {"a": value}
    return value


def bad_records(ledger, seq):
    def one(**members):
        return ledger.record(seq, members)

    texts = {"big": "18446744073709551616", "plain": "17", "word": "x", "list": ["1e400"], "n": 3}
    named = {
        "numbers_as_text that is empty": [],
        "numbers_as_text that is no array": "/big",
        "numbers_as_text of a number that is exact": ["/plain"],
        "numbers_as_text of no number": ["/word"],
        "numbers_as_text of a number": ["/n"],
        "numbers_as_text of a member that is not there": ["/none"],
        "numbers_as_text of an object": [""],
        "numbers_as_text twice the same": ["/big", "/big"],
        "numbers_as_text that descends": ["/list/0", "/big"],
        "numbers_as_text with a bad escape": ["/big~2"],
        "numbers_as_text without a slash": ["big"],
        "numbers_as_text beyond an array": ["/list/1"],
        "numbers_as_text with a zero before an index": ["/list/00"],
        "numbers_as_text behind an array": ["/list/-"],
        "numbers_as_text that holds a number": [1],
    }
    bad = {name: one(event=texts, numbers_as_text=pointers) for name, pointers in named.items()}
    full = BY["full"]
    by = {
        "by that is a text": "billing",
        "by without members": {},
        "by with an empty name": {"name": ""},
        "by with a name of 257 bytes": {"name": "n" * 257},
        "by with a name that has a control character": {"name": "a\u0085"},
        "by with a name that is a number": {"name": 1},
        "by with another member": {"name": "billing", "role": "admin"},
        "by in full with another member": full | {"role": "admin"},
        "by without tenant": {"how": "token", "name": "billing"},
        "by without name": {"how": "token", "tenant": "orders"},
        "by whose how is in capitals": full | {"how": "Token"},
        "by whose how is empty": full | {"how": ""},
        "by whose how has 65 characters": full | {"how": "h" * 65},
        "by whose tenant has a dot": full | {"tenant": "a.b"},
        "by whose tenant is empty": full | {"tenant": ""},
        "by whose tenant has 129 characters": full | {"tenant": "t" * 129},
    }
    bad |= {name: one(event={}, by=who) for name, who in by.items()}
    bad |= {
        "by beside system": one(system={"kind": "x"}, by=BY["name"]),
        "by alone": one(bare=True, by=BY["name"]),
        "by that is null": one(event={}, by={}).replace(b'"by":{}', b'"by":null'),
        "numbers_as_text beside system": one(system={"kind": "x"}, numbers_as_text=["/kind"]),
        "a record of version 2": one(v=2),
        "a record of version true": one(v=True),
        "another member": one(more=1),
        "no id": one(id=None),
        "an empty id": one(id=""),
        "an id of 129 bytes": one(id="x" * 129),
        "an id with a control character": one(id="a\u0085"),
        "no time": one(time=None),
        "a time without fraction": one(time="2026-11-21T05:14:03Z"),
        "a time on 30 February": one(time="2026-02-30T05:14:03.000000Z"),
        "a time with a leap second": one(time="2026-11-21T23:59:60.000000Z"),
        "a time of the year 1969": one(time="1969-11-21T05:14:03.000000Z"),
        "a number that is a text": one(seq="3"),
        "a number beyond 2^53": one(bare=True, event={}).replace(b'"seq":3', b'"seq":9007199254740992'),
        "a number below 0": one(seq=-1),
        "a ledger's name in capitals": one(ledger="Orders"),
        "an event that is an array": one(event=[]),
        "event and system": one(event={}, system={"kind": "x"}),
        "neither event nor system": one(bare=True),
        "a system object without a kind": one(system={}),
        "a kind that is a number": one(system={"kind": 1}),
        "a kind in capitals": one(system={"kind": "Revoked"}),
        "a kind of 65 characters": one(system={"kind": "k" * 65}),
        "an event of 65 levels": one(event=deep(65)),
        "white space in a record": one().replace(b":", b": ", 1),
        "members of an event in another order": one(event={}).replace(b"{}", b'{"b":1,"a":1}'),
        "a member twice": one(event={}).replace(b"{}", b'{"a":1,"a":1}'),
        "a number that is not canonical": one(event={}).replace(b"{}", b'{"a":1.0}'),
        "a number that a double changes": one(event={}).replace(b"{}", b'{"a":900719925474099.55}'),
        "an escape that is not canonical": one(event={}).replace(b"{}", rb'{"a":"\u0041"}'),
        "a lone surrogate": one(event={}).replace(b"{}", rb'{"a":"\ud800"}'),
        "bytes that are not UTF-8": one(event={}).replace(b"{}", b'{"a":"\xff"}'),
        "a brace too many": one() + b"}",
    }
    return bad


def good_records(ledger, seq):
    def one(**members):
        return ledger.record(seq, members)

    texts = {"a/b": [1, {"~": "1e400"}], "id": "18446744073709551616", "ts": "1795238040123456789"}
    return {
        "numbers as text": one(event=texts, numbers_as_text=["/a~1b/1/~0", "/ts"]),
        "numbers as text, all": one(event=texts, numbers_as_text=["/a~1b/1/~0", "/id", "/ts"]),
        "numbers as text, decimals": one(event={"x": ["900719925474099.55", "0.10000000000000000"]}, numbers_as_text=["/x/0", "/x/1"]),
        "numbers as text, an empty name": one(event={"": "-1e-400"}, numbers_as_text=["/"]),
        "an event of 64 levels": one(event=deep(64)),
        "an empty event": one(event={}),
        "an event with numbers": one(event={}).replace(b"{}", b'{"a":[-1.5,1e+21,5e-324,9007199254740991]}'),
        "an id of 128 bytes": one(id="\u00e9" * 64),
        "a leap day": one(time="2028-02-29T05:14:03.000000Z") if seq == 5 else one(),
        "an informative kind that is not known": one(system={"informative": True, "kind": "weather"}),
    }


def places(add):
    """8.2 step 3."""
    gap, broken = lambda *run: find("SEQ_GAP", D, *run), lambda seq: find("CHAIN_BROKEN", D, seq)
    back = lambda seq: find("TIME_BACKWARDS", D, seq)
    add("a record missing", changed(lambda rows: rows.pop(3)), gap(3), broken(4))
    add("two records missing", changed(lambda rows: rows.__delitem__(slice(2, 4))), gap(2, 3), broken(4))
    add("record 0 missing", changed(lambda rows: rows.pop(0)), gap(0), broken(1))
    add("a record twice", changed(lambda rows: rows.insert(3, rows[2])), gap(2), broken(2))
    add("two records swapped", changed(lambda rows: rows.insert(2, rows.pop(3))),
        gap(2), broken(3), gap(2, 2), broken(2), back(2), gap(3), broken(4))
    add("record 0 at the end", changed(lambda rows: rows.append(rows.pop(0))),
        gap(0), broken(1), broken(0), back(0), find("TAIL_MISSING", D, 1, 5))
    add("all records twice", with_lines(lambda lines: lines.extend(list(lines))), gap(0), broken(0), back(0))
    skipped = Ledger(5)
    for seq in range(3, 6):
        skipped.rows[seq].replace(b'"seq":%d' % seq, b'"seq":%d' % (seq + 1))
    skipped.resign()
    add("signed, a number that was never given", skipped.export(), gap(3), find("CHECKPOINT_INVALID", D, 6))


def contents(add):
    """8.2 step 4, section 3.2."""

    def at(seq, record, ledger=LEDGER):
        return resigned(lambda rows: setattr(rows[seq], "record", record), ledger)

    def created(**changes):
        return LEDGER.record(0, {"system": {k: v for k, v in (LEDGER.creation | changes).items() if v is not None}})

    add("signed, a record of another ledger", at(3, event(3, ledger="others")), find("CHAIN_BROKEN", T, 3))
    add("a record of another ledger", changed(lambda rows: rows[3].replace(b'"orders"', b'"others"')),
        find("CHAIN_BROKEN", D, 3), find("HASH_MISMATCH", D, 3))
    add("signed, time goes backwards", at(3, event(3, time="2026-11-21T05:14:01.999999Z")), find("TIME_BACKWARDS", T, 3))
    add("signed, time stands still", at(3, event(3, time="2026-11-21T05:14:02.000000Z")))
    add("a later time", changed(lambda rows: rows[3].replace(b"2026-", b"2153-")), find("HASH_MISMATCH", D, 3), find("TIME_BACKWARDS", D, 4))
    add("other rules", changed(lambda rows: rows[0].replace(b'"commit"', b'"record"'), PER_COMMIT),
        find("HASH_MISMATCH", D, 0), *[find("UNSIGNED", D, *run) for run in ((1, 2), (4, 5), (7, 8))])
    add("signed, time jumps and comes back", at(3, event(3, time="2153-11-21T05:14:02.000000Z")), find("TIME_BACKWARDS", T, 4))
    for name, record in {
        "an event": event(0),
        "of another kind": LEDGER.record(0, {"system": {"informative": True, "kind": "weather"}}),
        "an archived segment": LEDGER.record(0, {"system": archived()}),
        "without numbers": created(numbers=None),
        "without principals": created(principals=None),
        "with other principals": created(principals="all"),
        "with other numbers": created(numbers="maybe"),
        "with another member": created(more=1),
        "of another sign_per": created(sign_per="never"),
        "without keys": created(keys=[]),
        "with a key that is none": created(keys=["ed25519:1"]),
        "with too large a max_unsigned": created(max_unsigned=65537),
        "with max_unsigned below 0": created(max_unsigned=-1),
        "of another server": created(origin="other.example/orders"),
        "of another ledger's origin": created(origin="ledger.example/others"),
        "with an origin that is none": created(origin="orders"),
        "informative": created(informative=True),
    }.items():
        add(f"signed, record 0 {name}", at(0, record), find("CREATION_INVALID", T, 0))
    add("signed, record 0 of another ledger", at(0, LEDGER.record(0, {"system": LEDGER.creation, "ledger": "others"})),
        find("CREATION_INVALID", T, 0), find("CHAIN_BROKEN", T, 0))
    add("record 0 of another server", changed(lambda rows: rows[0].replace(b"ledger.example/", b"lodger.example/")),
        find("CREATION_INVALID", D, 0), find("HASH_MISMATCH", D, 0))
    second = {"well-formed": LEDGER.creation, "without members": {"kind": "ledger_created"}}
    for name, system in second.items():
        add(f"signed, a second creation {name}", at(3, LEDGER.record(3, {"system": system})), find("CREATION_INVALID", T, 3))
    add("record 0 names a stranger's key", at(0, created(keys=[OURS.kid, STRANGER.kid])), find("KEY_UNKNOWN", D, 0))
    add("record 0 names two trusted keys, in any order", at(0, created(keys=sorted([OURS.kid, OTHERS.kid])[::-1])),
        keys=[OURS.vkey(), OTHERS.vkey()])
    add("record 0 names another trusted key only", at(0, created(keys=[OTHERS.kid])), keys=[OURS.vkey(), OTHERS.vkey()])
    add("record 0 keeps numbers as text", at(0, created(numbers="text")))


def writers(add):
    """Who wrote records (3.3), and what record 0 says of that."""
    ledgers = {mode: Ledger(5, principals=mode) for mode in ("off", "name", "full")}
    says = {"off": None} | BY
    for mode, ledger in ledgers.items():
        add(f"principals {mode}", ledger.export())
        for other in sorted(says.keys() - {mode}):
            record = ledger.record(3, {"event": {}, "by": says[other]})
            add(f"signed, principals {mode}, a record says {other}", resigned(lambda rows: setattr(rows[3], "record", record), ledger),
                find("NOT_CANONICAL", T, 3))
            said = b'"principals":"%s"'
            add(f"principals {mode}, record 0 made to say {other}",
                changed(lambda rows: rows[0].replace(said % mode.encode(), said % other.encode()), ledger),
                find("HASH_MISMATCH", D, 0), find("NOT_CANONICAL", D, 1, 5))
            add(f"signed, principals {mode}, record 0 says {other}",
                resigned(lambda rows: rows[0].replace(said % mode.encode(), said % other.encode()), ledger),
                find("NOT_CANONICAL", T, 1, 5))
    name, full = ledgers["name"], ledgers["full"]
    add("another name", changed(lambda rows: rows[3].replace(b"billing", b"shipping"), name), find("HASH_MISMATCH", D, 3))
    add("another tenant", changed(lambda rows: rows[3].replace(b'"orders"}', b'"others"}'), full), find("HASH_MISMATCH", D, 3))
    taken = changed(lambda rows: rows[3].replace(b'"by":{"name":"billing"},', b""), name)
    add("a name taken away", taken, find("HASH_MISMATCH", D, 3), find("NOT_CANONICAL", D, 3))
    add("records that say who wrote them, record 0 missing", changed(lambda rows: rows.pop(0), name),
        find("SEQ_GAP", D, 0), find("CHAIN_BROKEN", D, 1))
    mixed = Ledger([{}, {"system": {"informative": True, "kind": "weather"}}, {"by": None, "event": {}}, {}], principals="full")
    add("system records say nothing of who wrote them", mixed.export(), find("NOT_CANONICAL", T, 3))
    for name, by in {
        "a name of 256 bytes": {"name": "\u00e9" * 128},
        "a name of quotes": {"name": '"' * 256},
    }.items():
        add(f"by with {name}", Ledger([{"by": by, "event": {}}], principals="name").export())
    for name, changes in {"another how": {"how": "client_certificate"}, "the longest members": {"how": "h" * 64, "tenant": "t" * 128}}.items():
        by = BY["full"] | changes
        add(f"by in full with {name}", Ledger([{"by": by, "event": {}}], principals="full").export())
    per_commit = Ledger(9, per="commit", commit=3, principals="name")
    add("principals name, signed per commit", per_commit.export())


def archived(**changes):
    return {
        "first_seq": 0, "kind": "segment_archived", "last_seq": 2, "manifest_sha256": "ab" * 32,
        "segment_sha256": "cd" * 32, "vault": "archive",
    } | changes  # fmt: skip


def kinds(add):
    """Kinds of system objects (3.1)."""

    def at(system):
        return resigned(lambda rows: setattr(rows[3], "record", LEDGER.record(3, {"system": system})))

    add("an archived segment", at(archived()))
    for name, system in {
        "that ends before it begins": archived(first_seq=3),
        "with another member": archived(more=1),
        "without vault": {k: v for k, v in archived().items() if k != "vault"},
        "with a hash in capitals": archived(segment_sha256="CD" * 32),
        "that is informative": archived(informative=True),
    }.items():
        add(f"signed, an archived segment {name}", at(system), find("NOT_CANONICAL", T, 3))
    unknown = {"unchecked": ["KIND_UNKNOWN"]}
    add("a kind that is not known", at({"kind": "key_revoked"}), **unknown)
    add("a kind that is not known, informative false", at({"informative": False, "kind": "key_revoked"}), **unknown)
    add("a kind that is not known, informative as a text", at({"informative": "true", "kind": "key_revoked"}), **unknown)
    add("a kind that is not known, informative 1", at({"informative": 1, "kind": "key_revoked"}), **unknown)
    add("a kind that is not known, informative inside", at({"kind": "key_revoked", "more": {"informative": True}}), **unknown)

    def both(rows):
        rows[3].record = LEDGER.record(3, {"system": {"kind": "key_revoked"}})
        rows[4].record = event(4, ledger="others")

    add("signed, a kind that is not known, and behind it the rest is checked", resigned(both), find("CHAIN_BROKEN", T, 4), **unknown)
    first = LEDGER.record(0, {"system": {"kind": "key_revoked"}})
    add("signed, record 0 of a kind that is not known", resigned(lambda rows: setattr(rows[0], "record", first)),
        find("CREATION_INVALID", T, 0), **unknown)


def digests(add):
    """8.2 step 5."""

    def alter(rows):
        rows[3].digest = bytes([rows[3].digest[0] ^ 1]) + rows[3].digest[1:]

    def anew(rows):
        rows[3].replace(b"pay", b"PAY")
        rows[3].digest = LEDGER.bent(lambda other: setattr(other.rows[3], "record", rows[3].record)).chain().rows[3].digest

    def all_anew(other):
        other.rows[3].replace(b"pay", b"PAY")
        other.chain()

    add("a record edited", changed(lambda rows: rows[3].replace(b"pay", b"PAY")), find("HASH_MISMATCH", D, 3))
    add("record 0 edited", changed(lambda rows: rows[0].replace(b"05:14:00.0", b"05:14:00.1")), find("HASH_MISMATCH", D, 0))
    add("the last record edited", changed(lambda rows: rows[5].replace(b"pay", b"PAY")), find("HASH_MISMATCH", D, 5))
    add("a digest altered", changed(alter), find("HASH_MISMATCH", D, 3), find("SIG_INVALID", D, 3), find("ROOT_MISMATCH", D, 0, 5))
    add("a record edited, its digest stated anew", changed(anew),
        find("SIG_INVALID", T, 3), find("CHAIN_BROKEN", D, 4), find("ROOT_MISMATCH", D, 0, 5))
    bent = LEDGER.bent(all_anew)
    add("a record edited, all digests stated anew", LEDGER.export(bent.lines()),
        *[find("SIG_INVALID", T, seq) for seq in (3, 4, 5)], find("ROOT_MISMATCH", T, 0, 5))

    def unsigned(rows):
        anew(rows)
        rows[3].unsign()

    plain = Ledger(5, per="commit", commit=5)

    def edit_unsigned(rows):
        rows[2].replace(b"pay", b"PAY")
        rows[2].digest = plain.bent(lambda other: setattr(other.rows[2], "record", rows[2].record)).chain().rows[2].digest

    add("an unsigned record edited, its digest stated anew", changed(edit_unsigned, plain),
        find("HASH_MISMATCH", D, 3), find("ROOT_MISMATCH", D, 0, 5))
    add("edited, digest anew, signature gone", changed(unsigned),
        find("UNSIGNED", T, 3), find("HASH_MISMATCH", D, 4), find("ROOT_MISMATCH", D, 0, 5))


def signatures(add):
    """8.2 step 6."""
    kids = {"keys": [OURS.vkey(), OTHERS.vkey()]}

    def by(key):
        return lambda rows: rows[3].sign(key)

    def spelled(public):
        def change(rows):
            rows[3].kid = "ed25519:" + public.hex()

        return change

    def wrong(rows):
        rows[3].signature = rows[4].signature

    def wrong_by_a_stranger(rows):
        rows[3].sign(STRANGER)
        rows[3].signature = rows[4].signature

    def wrong_and_edited(rows):
        rows[3].signature = rows[4].signature
        rows[3].replace(b"pay", b"PAY")

    unknown, invalid = find("KEY_UNKNOWN", D, 3), find("SIG_INVALID", T, 3)
    add("signed with another trusted key", changed(by(OTHERS)), **kids)
    add("signed with a key that is not trusted", changed(by(STRANGER)), unknown)
    add("another record's signature", changed(wrong), invalid)
    add("signed with keys that are not trusted", changed(lambda rows: [rows[seq].sign(key) for seq, key in
        ((1, STRANGER), (3, STRANGER), (4, Key(8)), (5, STRANGER))]),
        find("KEY_UNKNOWN", D, 1, 5), find("KEY_UNKNOWN", D, 4))
    many = Ledger(40).bent(lambda other: [row.sign(Key(100 + seq % 30)) for seq, row in enumerate(other.rows) if seq])
    add("signed with many keys that are not trusted", many.export(),
        *[find("KEY_UNKNOWN", D, seq, seq + 30 if seq <= 10 else seq) for seq in range(1, 31)])
    add("a wrong signature under a key that is not trusted", changed(wrong_by_a_stranger), invalid, unknown)
    add("a wrong signature on an edited record", changed(wrong_and_edited), find("SIG_INVALID", D, 3), find("HASH_MISMATCH", D, 3))
    add("a wrong signature under another trusted key", changed(spelled(OTHERS.public)), invalid, **kids)
    add("a kid that is no point", changed(spelled(b"\x02" + bytes(31))), invalid, unknown)
    add("a kid of small order", changed(spelled(b"\x01" + bytes(31))), invalid, unknown)
    add("a kid beyond the field", changed(spelled(b"\xff" * 31 + b"\x7f")), invalid, unknown)

    def zeros(rows):
        rows[3].signature = bytes(64)

    def s_beyond(rows):
        order = 2**252 + 27742317777372353535851937790883648493
        s = int.from_bytes(rows[3].signature[32:], "little") + order
        rows[3].signature = rows[3].signature[:32] + s.to_bytes(32, "little")

    add("a signature of zeros", changed(zeros), invalid)
    add("a signature whose S is not canonical", changed(s_beyond), invalid)


def runs(add):
    """8.2 step 8, and the end of a ledger."""

    def unsign(*seqs):
        return lambda rows: [rows[seq].unsign() for seq in seqs]

    add("per record, one signature gone", changed(unsign(3)), find("UNSIGNED", T, 3))
    add("per record, two runs", changed(unsign(1, 2, 4)), find("UNSIGNED", T, 1, 2), find("UNSIGNED", T, 4))
    add("per record, the last signatures gone", changed(unsign(4, 5)), find("UNSIGNED", T, 4, 5))
    add("per record, no signature", changed(unsign(*range(6))), find("UNSIGNED", T, 0, 5))
    add("per commit, record 0 without signature", changed(unsign(0), PER_COMMIT), find("UNSIGNED", T, 0, 2))
    add("per commit, a run as long as allowed", Ledger(10, per="commit", commit=5).export())
    long = Ledger(12, per="commit", commit=6)
    add("per commit, runs too long", long.export(), find("UNSIGNED", T, 1, 5), find("UNSIGNED", T, 7, 11))
    add("per commit, none may be unsigned", Ledger(3, per="commit", commit=3, max_unsigned=0).export(), find("UNSIGNED", T, 1, 2))
    add("per commit, the last without signature", changed(unsign(9), PER_COMMIT), find("UNSIGNED", T, 7, 9))
    add("per commit, too long up to the end is said once",
        changed(unsign(6, 9), PER_COMMIT), find("UNSIGNED", T, 4, 9))

    def edited_run(rows):
        rows[4].replace(b"pay", b"PAY")
        rows[9].unsign()
        rows[6].unsign()

    add("per commit, too long and not sound", changed(edited_run, PER_COMMIT), find("UNSIGNED", D, 4, 9), find("HASH_MISMATCH", D, 4))

    def torn(lines):
        other = PER_COMMIT.bent(lambda other: [other.rows[seq].unsign() for seq in (3, 6)])
        lines[:] = other.lines()
        lines[4] = b"nonsense"

    add("per commit, nonsense ends a run", with_lines(torn, PER_COMMIT), find("NOT_CANONICAL", D, 4))

    def gap(rows):
        rows[3].unsign()
        rows[6].unsign()
        rows.pop(4)

    add("per commit, a gap ends a run", changed(gap, PER_COMMIT), find("SEQ_GAP", D, 4), find("CHAIN_BROKEN", D, 5))
    add("per record, without signature out of place", changed(lambda rows: (unsign(4)(rows), rows.pop(3))),
        find("SEQ_GAP", D, 3), find("CHAIN_BROKEN", D, 4), find("UNSIGNED", D, 4))

    def tail(rows):
        del rows[8:]

    add("per commit, cut behind an unsigned record", PER_COMMIT.export(PER_COMMIT.lines()[:9], closing=b""), find("TAIL_MISSING", D))
    add("per commit, the closing line has more", changed(tail, PER_COMMIT), find("TAIL_MISSING", D, 8, 9))
    add("per record, cut behind an unsigned record", LEDGER.export(LEDGER.bent(lambda o: o.rows[3].unsign()).lines()[:4], closing=b""),
        find("TAIL_MISSING", D), find("UNSIGNED", T, 3))
    none = resigned(lambda rows: [setattr(rows[0], "record", event(0)), *[row.unsign() for row in rows[1:]]])
    add("signed, no rules are known", none, find("CREATION_INVALID", T, 0))


def headers(add):
    """8.4 step 1."""
    bad = find("NOT_CANONICAL", D, ledger=None)
    for name, header in {
        "no JSON": b"nonsense",
        "empty": b"",
        "a record": LEDGER.lines()[0],
        "white space": LEDGER.header().replace(b":", b": ", 1),
        "another member": LEDGER.header()[:-1] + b',"x":1}',
        "another member inside": LEDGER.header().replace(b'"},', b'","x":1},'),
        "no version": LEDGER.header().replace(b',"v":1', b""),
        "version 0": LEDGER.header().replace(b'"v":1', b'"v":0'),
        "version 2 as a text": LEDGER.header().replace(b'"v":1', b'"v":"2"'),
        "version 2, not canonical": LEDGER.header().replace(b'"v":1', b'"v": 2'),
        "version true": LEDGER.header().replace(b'"v":1', b'"v":true'),
        "ledger and origin of different names": LEDGER.header().replace(b'"orders"', b'"others"'),
        "no ledger's name": LEDGER.header().replace(b'"orders"', b'"Orders"'),
        "an origin that is none": LEDGER.header().replace(b"ledger.example/orders", b"orders"),
        "a number": b"1",
        "an array": b"[]",
    }.items():
        add(f"header: {name}", LEDGER.export(header=header) if header else b"\n" + LEDGER.export(), bad)
    newer = {"unchecked": ["VERSION_UNKNOWN"]}
    add("header: version 2", LEDGER.export(header=LEDGER.header().replace(b'"v":1', b'"v":2')), **newer)
    add("header: version 2 of other members", LEDGER.export(header=b'{"export":[],"more":1,"v":2}'), **newer)
    add("header: version 2, wrong lines behind", LEDGER.export([b"x"], header=b'{"export":{},"v":17}'), **newer)
    add("header: version 2 of something else", LEDGER.export(header=b'{"import":{},"v":2}'), bad)
    add("an empty file", b"", bad)
    add("header: cut", LEDGER.header()[:-5], bad)
    add("header: without LF", LEDGER.header(), bad)
    add("header: a byte order mark", b"\xef\xbb\xbf" + LEDGER.export(), bad)
    add("no file", None, unchecked=["UNREADABLE"])
    add("a folder", {}, folders=[""], unchecked=["UNREADABLE"])


def closings(add):
    """8.4 step 4; notes of section 6."""
    origin, text = LEDGER.origin, f"{LEDGER.origin}\n6\n{b64(LEDGER.root())}\n"
    bad, unknown, invalid = find("NOT_CANONICAL", D), find("KEY_UNKNOWN", D), find("CHECKPOINT_INVALID", D)
    closing = LEDGER.closing()
    for name, line in {
        "white space": closing[:-1] + b" }",
        "another member": closing[:-1] + b',"x":1}',
        "not a text": b'{"checkpoint":1}',
        "cut": closing[:-1],
        "an escape": closing.replace(b"ledger", rb"\u006cedger", 1),
    }.items():
        add(f"closing: {name}", LEDGER.export(closing=line), bad)
    foreign = [STRANGER.note_line("other.example/x", text), STRANGER.note_line(origin, text)]
    key = Key(77)
    many = [key.note_line(f"other.example/{n}", text, bytes(64)) for n in range(100)]
    odd_foreign = f"\u2014 other.example {b64(b'12345')}\n"
    for name, tip in {
        "lines of others beside it": note(origin, text, lines=foreign),
        "a line of another's short signature": note(origin, text, lines=[odd_foreign]),
        "100 lines": note(origin, text, lines=many[:99]),
        "its line is the last of 100": note(origin, text, keys=[], lines=[*many[:99], OURS.note_line(origin, text)]),
        "its line twice": note(origin, text, lines=[OURS.note_line(origin, text)]),
        "a stranger's wrong line under its own name": note(origin, text, lines=[STRANGER.note_line(origin, text, bytes(64))]),
    }.items():
        add(f"closing: {name}", LEDGER.export(tip=tip))
    wrong = OURS.note_line(origin, text, bytes(64))
    short = f"\u2014 {origin} {b64(OURS.hash4(origin) + bytes(63))}\n"
    good_line = OURS.note_line(origin, text)
    for name, tip in {
        "101 lines": note(origin, text, lines=many),
        "a wrong line under its own name": note(origin, text, lines=[wrong]),
        "a wrong line before the good one": note(origin, text, keys=[], lines=[wrong, good_line]),
        "a short signature under its own name": note(origin, text, lines=[short]),
        "a line of four bytes": note(origin, text, lines=[f"\u2014 other.example {b64(b'1234')}\n"]),
        "a line that is none": note(origin, text, lines=["nonsense\n"]),
        "a line with a dash": note(origin, text, lines=[good_line.replace("\u2014", "-")]),
        "a line with two spaces": note(origin, text, lines=[good_line.replace(" ", "  ", 1)]),
        "a line with a space behind": note(origin, text, lines=[good_line[:-1] + " \n"]),
        "a line with a plus in the name": note(origin, text, lines=[STRANGER.note_line("a+b", text)]),
        "a line with a no-break space in the name": note(origin, text, lines=[STRANGER.note_line("a\u00a0b", text)]),
        "a line of loose base64": note(origin, text, lines=["\u2014 other.example MTIzNDU2Nx==\n"]),
        "no last LF": note(origin, text)[:-1],
        "an empty line behind": note(origin, text) + "\n",
        "no signature": text + "\n",
        "no empty line": text + good_line,
        "a CR": note(origin, text.replace("\n", "\r\n")),
        "a tab": note(origin, text.replace("\n6", "\n\t6")),
        "an extension line": note(origin, text + "more\n"),
        "two lines": note(origin, f"{origin}\n6\n"),
        "a size with a zero before": note(origin, text.replace("\n6\n", "\n06\n")),
        "a size that is none": note(origin, text.replace("\n6\n", "\n-6\n")),
        "a size of 2^63": note(origin, text.replace("\n6\n", f"\n{2**63}\n")),
        "a root of 31 bytes": note(origin, f"{origin}\n6\n{b64(LEDGER.root()[:31])}\n"),
        "an origin that is none": note("orders", text.replace(origin, "orders")),
        "of another ledger": Ledger(5, name="others").tip(),
        "of another server": Ledger(5, server="other.example").tip(),
        "an empty tree with another root": checkpoint(origin, 0, LEDGER.root()),
        "nonsense": "nonsense",
        "empty": "",
    }.items():
        add(f"closing: checkpoint, {name}", LEDGER.export(closing=canonical({"checkpoint": tip})), invalid)
    for name, tip in {
        "a stranger's": checkpoint(origin, 6, LEDGER.root(), [STRANGER]),
        "signed under the server's name": note(origin, text, keys=[], lines=[OURS.note_line("ledger.example", text)]),
        "with the four bytes of another name": note(origin, text, keys=[], lines=[
            f"\u2014 {origin} {b64(OURS.hash4('ledger.example') + OURS.sign(text.encode()))}\n"]),
    }.items():
        add(f"closing: checkpoint, {name}", LEDGER.export(tip=tip), unknown)
    signed = dict(sizes(LEDGER))
    add("closing: more records", LEDGER.export(LEDGER.lines()[:4]), find("TAIL_MISSING", D, 4, 5))
    add("closing: fewer records", LEDGER.export(tip=LEDGER.tip(4)), find("CHECKPOINT_INVALID", T, 4, 5))
    add("closing: no record", LEDGER.export(tip=LEDGER.tip(0)), find("CHECKPOINT_INVALID", T, 0, 5))
    add("closing: 2^63 - 1 records", LEDGER.export(tip=signed["huge"]), find("TAIL_MISSING", D, 6, 2**63 - 2))
    add("closing: another root", LEDGER.export(tip=signed["other root"]), find("ROOT_MISMATCH", T, 0, 5))
    edited = LEDGER.bent(lambda other: other.rows[3].replace(b"pay", b"PAY")).lines()
    hashed = find("HASH_MISMATCH", D, 3)
    add("closing: fewer records, and one edited", LEDGER.export(edited, tip=LEDGER.tip(4)), hashed, find("CHECKPOINT_INVALID", D, 4, 5))
    add("closing: another root, and one edited", LEDGER.export(edited, tip=signed["other root"]), hashed, find("ROOT_MISMATCH", D, 0, 5))
    add("closing: another root, the tree is lost", LEDGER.export([*LEDGER.lines()[:5], b"x"], tip=signed["other root"]),
        find("NOT_CANONICAL", D, 5))
    add("closing: twice", LEDGER.export([*LEDGER.lines(), closing]), find("NOT_CANONICAL", D, 6), find("CHECKPOINT_INVALID", D, 6))
    add("closing: a line behind", LEDGER.export() + b"more\n", find("TAIL_MISSING", D), find("NOT_CANONICAL", D, 6), find("NOT_CANONICAL", D, 7))
    add("closing: an empty line behind", LEDGER.export() + b"\n", find("TAIL_MISSING", D), find("NOT_CANONICAL", D, 6), find("NOT_CANONICAL", D, 7))
    add("closing: a piece of a line behind", LEDGER.export() + b"more", find("TAIL_MISSING", D), find("NOT_CANONICAL", D, 6))
    add("closing: a record behind", LEDGER.export() + LEDGER.lines()[5] + b"\n",
        find("TAIL_MISSING", D), find("NOT_CANONICAL", D, 6), find("SEQ_GAP", D, 5))


def sizes(ledger):
    yield "huge", checkpoint(ledger.origin, 2**63 - 1, ledger.root())
    yield "other root", checkpoint(ledger.origin, ledger.size, ledger.root(3))


def cuts(add):
    """8.4 step 3."""
    export, tail = LEDGER.export(), find("TAIL_MISSING", D)
    add("cut: before the closing line", LEDGER.export(closing=b""), tail)
    add("cut: inside the closing line", export[:-40], tail)
    add("cut: before the last LF", export[:-1], tail)
    add("cut: inside a record", LEDGER.export(closing=b"")[:-70], tail)
    add("cut: behind the header", LEDGER.header() + b"\n", tail, unchecked=["NOTHING_THERE"])
    packed = pack(export)
    add("cut: inside a block", packed[:-30], find("NOT_CANONICAL", D, ledger=None))
    two = pack(export[:1500]) + pack(export[1500:])
    add("cut: inside the second frame", two[:-30], tail)
    add("cut: behind the first frame", two[: len(pack(export[:1500]))], tail)
    add("cut: inside the second frame's magic", two[: len(pack(export[:1500])) + 3], tail)
    add("cut: inside a skippable frame", packed + skippable()[:-2], tail, find("NOT_CANONICAL", D, 6))
    add("garbage behind the frames", packed + b"garbage", tail, find("NOT_CANONICAL", D, 6))
    blocks = [raw(export[at : at + 500]) for at in range(0, len(export), 500)]
    whole = frame(*blocks)
    add("cut: inside the last of many blocks", whole[:-30], tail)
    broken = frame(*blocks[:3], lambda last: b"\x07\x00\x00", *blocks[3:])
    add("a block of a kind that is none", broken, tail)
    checked = frame(*blocks, descriptor=0x04)
    add("a checksum that is cut", checked, tail, find("NOT_CANONICAL", D, 6))
    add("a checksum that is wrong", checked + b"\x00\x00\x00\x00", tail, find("NOT_CANONICAL", D, 6))
    long = [raw(LEDGER.header() + b"\n" + b"".join(line + b"\n" for line in LEDGER.lines()[:3]))]
    end = raw(b"\nx\n" + LEDGER.closing() + b"\n")

    def filled(count):
        return [rle(b"a", 1 << 17) for _ in range(count >> 17)] + ([rle(b"a", count & (1 << 17) - 1)] if count & (1 << 17) - 1 else [])

    lost = find("NOT_CANONICAL", D, 3)
    add("a line of 2 MiB", frame(*long, *filled(LINE_BYTES_MAX - 1), end, fields=WIDE), lost, find("NOT_CANONICAL", D, 4), find("TAIL_MISSING", D, 5))
    add("a line of 2 MiB and a byte", frame(*long, *filled(LINE_BYTES_MAX), end, fields=WIDE), lost)
    add("a line of 2 MiB and a byte, cut", frame(*long, *filled(LINE_BYTES_MAX), fields=WIDE), lost)
    add("a line of 2 MiB, cut", frame(*long, *filled(LINE_BYTES_MAX - 1), fields=WIDE), tail)
    first = [raw(LEDGER.header()), *filled(LINE_BYTES_MAX), end]
    add("a header of 2 MiB and more", frame(*first, fields=WIDE), find("NOT_CANONICAL", D, ledger=None))


def packings(add):
    """Frames (8.4)."""
    export = LEDGER.export()
    half, rest = export[:1234], export[1234:]
    empty = frame(raw(b""))
    for name, data in {
        "one frame": pack(export),
        "two frames that cut a line": pack(half) + pack(rest),
        "many blocks": pack(export, 100),
        "a skippable frame first": skippable() + pack(export),
        "a skippable frame between": pack(half) + skippable() + pack(rest),
        "a skippable frame at the end": pack(export) + skippable(b""),
        "an empty frame first": empty + pack(export),
        "empty frames everywhere": empty + pack(half) + empty + empty + pack(rest) + empty,
        "the first skippable magic": b"\x50" + skippable()[1:] + pack(export),
        "the last skippable magic": b"\x5f" + skippable()[1:] + pack(export),
        "a window of 8 MiB": frame(raw(export), fields=b"\x68"),
        "a content size": frame(raw(export), descriptor=0x60, fields=(len(export) - 256).to_bytes(2, "little")),
        "an empty dictionary id": frame(raw(export), descriptor=0x01, fields=b"\x30\x00"),
    }.items():
        add(f"packed: {name}", data)
    none = find("NOT_CANONICAL", D, ledger=None)
    add("packed: only a skippable frame", skippable(), none)
    add("packed: only an empty frame", empty, none)
    add("packed: a frame with a dictionary", frame(raw(export), descriptor=0x01, fields=b"\x30\x07"), none)
    add("packed: a frame of too large a window", frame(raw(export), fields=b"\x69"), none)
    tail = find("TAIL_MISSING", D)
    add("packed: a second frame with a dictionary", pack(half) + frame(raw(rest), descriptor=0x01, fields=b"\x30\x07"), tail)
    add("packed: a second frame of too large a window", pack(half) + frame(raw(rest), fields=b"\x69"), tail)
    add("packed: a second frame with a reserved bit", pack(half) + frame(raw(rest), descriptor=0x08), tail)
    add("packed: plain lines behind a frame", pack(half) + rest, tail)
    add("a magic that is none", b"\x60\x2a\x4d\x18" + export, none)
