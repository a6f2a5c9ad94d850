"""Cases of section 8.3."""

from .cases import VAULT, D, T, find
from .exports import archived
from .ledger import Ledger, Part, joined, part_files, repack, run_name, vault
from .make import OURS, STRANGER, Key, b64, checkpoint, frame, note, pack, raw, rle, sha256, skippable

LEDGER = Ledger(11)
PER_COMMIT = Ledger(11, per="commit", commit=4)
# The segments are records 0 to 3, 4 to 7 and 8 to 11.
CUTS = (4, 8)
FIRST, SECOND, LAST = (0, 3), (4, 7), (8, 11)
ROOT = 64 << 20


def add(cases):
    for part in (good, names, manifests, notes, trust, places, gaps, neighbours, packed, intact, frames, ends, trees, untrusted, unsigned):
        part(lambda name, *rest, **more: cases.add(VAULT, name, *rest, **more))


def of(index, ledger=LEDGER, **part):
    """The usual vault, one of whose parts was made in another way."""
    return vault(ledger, CUTS, {index: part})


def without(*paths, files=None):
    """The usual vault without the files whose paths end so."""
    files = files or vault(LEDGER, CUTS)
    return {path: data for path, data in files.items() if not path.endswith(paths)}


def manifest_path(run, folder="orders"):
    return f"{folder}/{run_name(*run)}.manifest"


def segment_of(files, run, folder="orders"):
    return next(path for path in files if path.startswith(f"{folder}/{run_name(*run)}.") and path.endswith(".zst"))


def with_file(path, data, files=None):
    return (files or vault(LEDGER, CUTS)) | {path: data}


def moved(files, old, new):
    return {new if path == old else path: data for path, data in files.items()}


def edited(row=1, old=b"pay", new=b"PAY"):
    def change(lines):
        assert old in lines[row]
        return [*lines[:row], lines[row].replace(old, new, 1), *lines[row + 1 :]]

    return change


def good(add):
    add("signed per record", vault(LEDGER, CUTS))
    add("signed per commit", vault(PER_COMMIT, CUTS))
    add("one segment", vault(LEDGER, ()))
    add("segments of one record", vault(LEDGER, range(1, 12)))
    add("two ledgers", vault(LEDGER, CUTS) | vault(Ledger(4, name="others"), (2,)))
    add("two ledgers, one asked for", vault(LEDGER, CUTS) | of_others(damage=repack(edited())), ledgers=["orders"])
    add("a ledger that is not there, asked for", vault(LEDGER, CUTS), ledgers=["orders", "none"], unchecked=["NOT_FOUND"])
    add("a key for the origin alone", vault(LEDGER, CUTS), keys=[OURS.vkey(LEDGER.origin)])
    system = Ledger([{}, {"system": archived()}, {}, {}])
    add("an archived segment", vault(system, (2,)))
    unknown = Ledger([{}, {"system": {"kind": "key_revoked"}}, {}, {}])
    add("a kind that is not known", vault(unknown, (2,)), unchecked=["KIND_UNKNOWN"])
    for mode in ("name", "full"):
        add(f"principals {mode}", vault(Ledger(11, principals=mode), CUTS))
    texts = Ledger([{"event": {"n": "18446744073709551616"}, "numbers_as_text": ["/n"]}, {}])
    add("numbers as text", vault(texts, (1,)))


def of_others(**part):
    return vault(Ledger(11, name="others"), CUTS, {1: part})


def names(add):
    """What lies in a vault."""
    usual = vault(LEDGER, CUTS)
    nothing = {"unchecked": ["NOTHING_THERE"]}
    add("empty", {}, **nothing)
    add("a ledger without manifests", {}, folders=["orders"], **nothing)
    add("a ledger beside one without manifests", usual, folders=["others"], **nothing)
    add("only a file", {"orders": b"x"}, **nothing)
    add("only segments", without(".manifest"), **nothing)
    add("a link in place of a ledger", usual, links={"others": "orders"}, unchecked=["LINK"])
    add("a link to nowhere", usual, links={"others": "nowhere"}, unchecked=["LINK"])
    add("a link of another name", usual, links={"Others": "orders"})
    add("files beside ledgers", usual | {"notes.txt": b"x", "x.manifest": b"x"})
    add("a folder of another name", usual | {"Others/notes.txt": b"x"})
    almost = {"unchecked": ["ALMOST_NAMED"]}
    add("a folder of another name with a manifest", usual | {f"Others/{run_name(*FIRST)}.manifest": b"x"}, **almost)
    add("a folder of another name with a segment", usual | {f"Others/{run_name(*FIRST)}.{16 * 'a'}.jsonl.zst": b"x"}, **almost)
    add("a folder of another name with what is almost a segment", usual | {"Others/x.jsonl": b"x"}, **almost)
    add("a folder of a temporary name with a manifest", usual | {f".tmp-x/{run_name(*FIRST)}.manifest": b"x"}, **almost)
    for name in (
        f"{run_name(*FIRST)}.MANIFEST", f"{run_name(*FIRST)}.manifest~", f"{run_name(*FIRST)}.manifest.bak", "Manifest",
        f"{run_name(*FIRST)}.{16 * 'A'}.jsonl.zst", f"{run_name(*FIRST)}.{15 * 'a'}.jsonl.zst", "x.jsonl", "x.JSONL.gz", "x.zst",
        "0000000000000000-x", "x000000000000000000-3", "00000000000000000000", f"{0:019}-{3:020}.old", f"{run_name(*FIRST)}",
        " " + f"{run_name(*FIRST)}.manifest",
    ):  # fmt: skip
        add(f"almost named: {name}", with_file(f"orders/{name}", b"x"), **almost)
    for name in (
        "notes.txt", ".tmp-" + f"{run_name(*FIRST)}.manifest", ".tmp-x.jsonl.zst", "000000000000000-x", "x.zst.gz", "x-00000000000000000000",
        "aaaaaaaaaaaaaaaaaaaa-0", "000000000000000aaaaa-0",
    ):  # fmt: skip
        add(f"not almost named: {name}", with_file(f"orders/{name}", b"x"))
    add("almost named: a folder", usual, folders=["orders/manifests"], **almost)
    add("a segment without a manifest", with_file(f"orders/{run_name(12, 15)}.{16 * 'a'}.jsonl.zst", b"x"))
    add("a second segment for a manifest", with_file(f"orders/{run_name(*LAST)}.{16 * 'a'}.jsonl.zst", b"x"))


def manifests(add):
    """Step 1. A spoilt manifest changes no state, and its segment is not read."""
    bad = find("MANIFEST_INVALID", D, *SECOND)
    path = manifest_path(SECOND)
    usual = vault(LEDGER, CUTS)
    text = usual[path].decode()
    for name, data in {
        "empty": b"",
        "nonsense": b"nonsense",
        "not UTF-8": b"\xff" + usual[path],
        "cut": usual[path][:-1],
        "no signature": text.split("\n\n")[0].encode() + b"\n",
        "a line that is no signature": usual[path] + b"nonsense\n",
        "a control character": usual[path].replace(b"segment", b"seg\tent", 1),
    }.items():
        add(f"manifest: {name}", usual | {path: data}, bad)
    foreign = "\u2014 other.example/" + "x" * 66000 + " " + b64(bytes(68)) + "\n"
    room = 65536 - len(usual[path])
    fill = lambda size: ("\u2014 " + "x" * (size - 3 - 1 - 1 - 92 - 1) + " " + b64(bytes(68)) + "\n").encode()
    assert len(fill(room)) == room
    add("manifest: 65,536 bytes", usual | {path: usual[path] + fill(room)})
    add("manifest: 65,537 bytes", usual | {path: usual[path] + fill(room + 1)}, bad)
    add("manifest: 66,000 bytes", usual | {path: usual[path] + foreign.encode()}, bad)
    for name, change in {
        "count": lambda said: said.update(count=3),
        "a member more": lambda said: said.update(more=1),
        "a member less": lambda said: said.pop("keys"),
        "v 2": lambda said: said.update(v=2),
        "another object": lambda said: said.update(object="x"),
        "another server's origin": lambda said: said.update(origin="other.example/orders"),
        "an origin that is none": lambda said: said.update(origin="orders"),
        "ledger and origin of different names": lambda said: said.update(ledger="others"),
        "no previous": lambda said: said.update(previous=None),
        "no first_prev": lambda said: said.update(first_prev=None),
        "a subtree less": lambda said: said.update(subtrees=[]),
        "a subtree more": lambda said: said.update(subtrees=said["subtrees"] * 2),
        "a subtree of 31 bytes": lambda said: said.update(subtrees=[b64(bytes(31))]),
        "keys twice": lambda said: said.update(keys=said["keys"] * 2),
        "keys that descend": lambda said: said.update(keys=sorted([OURS.kid, STRANGER.kid])[::-1]),
        "keys that are none": lambda said: said.update(keys=["x"]),
        "plain.size too small": lambda said: said["plain"].update(size=4 * 90 - 1),
        "plain.size too large": lambda said: said["plain"].update(size=4 * (2 << 20) + 1),
        "packed.size too large": lambda said: said["packed"].update(size=1082130433),
        "packed without size": lambda said: said["packed"].pop("size"),
        "a checkpoint of another size": lambda said: said.update(checkpoint=LEDGER.tip(7)),
        "a checkpoint of another ledger": lambda said: said.update(checkpoint=Ledger(7, name="others").tip()),
        "a checkpoint that is none": lambda said: said.update(checkpoint="nonsense"),
        "last_digest in capitals": lambda said: said.update(last_digest=said["last_digest"].upper()),
        "a number below 0": lambda said: said.update(count=-4),
    }.items():
        add(f"manifest, signed: {name}", of(1, change=change), bad)
    add("manifest, signed: not canonical", usual | {path: respelled(text)}, bad)
    add("manifest, signed: a third line", usual | {path: respelled(text, more="x\n")}, bad)
    add("manifest, signed: another title", usual | {path: respelled(text, title="indelible segment manifest")}, bad)
    for version in ("v2", "v0", "v10", "v" + "9" * 40):
        title = f"indelible segment manifest {version}"
        add(f"manifest: {version[:5]}", usual | {path: respelled(text, title=title)}, unchecked=["VERSION_UNKNOWN"])
        if version == "v2":
            loose = respelled(text, title=title, keys=(STRANGER,), more="other\n")
            add("manifest: v2 of other lines, by a stranger", usual | {path: loose}, unchecked=["VERSION_UNKNOWN"])
    for version in ("v01", "v1 ", "v", "v-1", "vx", "V2"):
        title = f"indelible segment manifest {version}"
        add(f"manifest: {version!r} is no version", usual | {path: respelled(text, title=title)}, bad)
    first = vault(LEDGER, CUTS, {0: {"change": lambda said: said.update(subtrees=[b64(bytes(32))])}})
    add("manifest, signed: record 0's, subtrees of another root", first,
        find("MANIFEST_INVALID", D, *FIRST))
    zero = vault(LEDGER, CUTS, {0: {"change": lambda said: said.update(previous="00" * 32)}})
    add("manifest, signed: record 0's, with previous", zero, find("MANIFEST_INVALID", D, *FIRST))
    add("manifest: a folder", without(path), bad, folders=[path])
    add("manifest: a link", moved(usual, path, "orders/kept"), bad, links={path: "kept"})
    add("manifest: a link to nowhere", without(path), bad, links={path: "nowhere"})
    other = lambda run: with_file(manifest_path(run), usual[path])
    add("manifest: a name whose run descends", other((7, 4)), find("MANIFEST_INVALID", D))
    add("manifest: a name across 65,536", other((65530, 65540)), find("MANIFEST_INVALID", D, 65530, 65540))
    add("manifest: a name beyond 2^53", other((2**53 - 5, 2**53)), find("MANIFEST_INVALID", D, 2**53 - 5, 2**53))
    add("manifest: all spoilt", {path: b"x" if path.endswith(".manifest") else data for path, data in usual.items()},
        *[find("MANIFEST_INVALID", D, *run) for run in (FIRST, SECOND, LAST)], unchecked=["NOTHING_THERE"])


def respelled(text, title=None, more="", keys=(OURS,)):
    """A manifest's text in another spelling, signed."""
    lines = text.split("\n")
    json = lines[1] if title or more else lines[1].replace(":", ": ", 1)
    return note(LEDGER.origin, f"{title or lines[0]}\n{json}\n{more}", keys).encode()


def notes(add):
    """Signatures of manifests (section 6)."""
    part = Part(LEDGER, 4, 7, None)
    line = STRANGER.note_line(LEDGER.origin, "x", bytes(64))
    many = [Key(9).note_line(f"other.example/{n}", "x", bytes(64)) for n in range(100)]
    usual = vault(LEDGER, CUTS)
    path = manifest_path(SECOND)

    def beside(*lines):
        return usual | {path: usual[path] + "".join(lines).encode()}

    bad, wrong = find("MANIFEST_INVALID", D, *SECOND), OURS.note_line(LEDGER.origin, part.text, bytes(64))
    add("manifest: a stranger's line beside", beside(line))
    add("manifest: 100 lines", beside(*many[:99]))
    add("manifest: 101 lines", beside(*many), bad)
    add("manifest: a wrong line under its own name beside the good one", beside(wrong), bad)
    add("manifest: a wrong line under another name", beside(wrong.replace("ledger.example/orders", "ledger.example/others")))


def trust(add):
    """Step 2."""
    unknown, bad = find("KEY_UNKNOWN", D, *SECOND), find("MANIFEST_INVALID", D, *SECOND)
    strange_tip = lambda said: said.update(checkpoint=LEDGER.tip(8, keys=(STRANGER,)))
    wrong_tip = lambda said: said.update(checkpoint=LEDGER.tip(8, lines=[OURS.note_line(LEDGER.origin, "x", bytes(64))]))
    add("a manifest signed by a stranger", of(1, keys=(STRANGER,)), unknown)
    add("a manifest with a wrong signature", rewrite(SECOND, wrong_signature), bad)
    add("a checkpoint signed by a stranger", of(1, change=strange_tip), find("KEY_UNKNOWN", T, *SECOND))
    add("a checkpoint with a wrong line", of(1, change=wrong_tip), find("CHECKPOINT_INVALID", T, *SECOND))
    add("manifest and checkpoint by a stranger", of(1, keys=(STRANGER,), change=strange_tip), unknown)
    add("a manifest by a stranger, its checkpoint with a wrong line", of(1, keys=(STRANGER,), change=wrong_tip),
        unknown, find("CHECKPOINT_INVALID", D, *SECOND))
    strange = vault(Ledger(11, key=STRANGER), CUTS)
    kids = [find("KEY_UNKNOWN", D, 0), *[find("KEY_UNKNOWN", D, *run) for run in (FIRST, SECOND, LAST)]]
    add("a stranger's ledger", strange, *kids)
    add("a stranger's ledger, and his key", strange, keys=[STRANGER.vkey()])
    add("signed under the server's name", of(1, origin="ledger.example"), unknown)
    add("signed by two keys, one of them given", of(1, keys=(STRANGER, OURS)))
    other_tip = lambda said: said.update(checkpoint=checkpoint(LEDGER.origin, 8, LEDGER.root(7)))
    add("a checkpoint of another root", of(1, change=other_tip), find("ROOT_MISMATCH", T, *SECOND))
    add("a manifest by a stranger, a trusted checkpoint of another root", of(1, keys=(STRANGER,), change=other_tip),
        unknown, find("ROOT_MISMATCH", D, *SECOND))


def rewrite(run, change, files=None):
    files = files or vault(LEDGER, CUTS)
    path = manifest_path(run)
    return files | {path: change(files[path].decode()).encode()}


def wrong_signature(text):
    head, _, _ = text.rpartition("\n\n")
    return head + "\n\n" + OURS.note_line(LEDGER.origin, "x", bytes(64))


def places(add):
    """Steps 3 and 4."""
    usual = vault(LEDGER, CUTS)
    others = vault(Ledger(11, name="others"), CUTS)
    bad = lambda run, kind=T: find("MANIFEST_INVALID", kind, *run)
    renamed = {path.replace("orders/", "others/"): data for path, data in usual.items()}
    runs = (FIRST, SECOND, LAST)
    add("a folder of another ledger", renamed, *[find("MANIFEST_INVALID", T, *run, ledger="others") for run in runs],
        unchecked=["NOTHING_THERE"])
    swapped = usual | {manifest_path(SECOND): others[manifest_path(SECOND, "others")]}
    add("a manifest of another ledger", swapped, bad(SECOND))
    add("a stranger's manifest of another ledger", usual | {manifest_path(SECOND):
        vault(Ledger(11, name="others", key=STRANGER), CUTS)[manifest_path(SECOND, "others")]},
        find("KEY_UNKNOWN", D, *SECOND), bad(SECOND, D))
    misnamed = moved(usual, manifest_path(SECOND), manifest_path((4, 6)))
    add("a manifest under another run's name", misnamed, bad((4, 6)), find("SEGMENT_MISSING", D, 7))
    add("a manifest under a later run's name", moved(usual, manifest_path(LAST), manifest_path((12, 15))), bad((12, 15)))
    elsewhere = Ledger(11, server="other.example")
    two = [OURS.vkey(), OURS.vkey("other.example")]
    mixed = usual | {path: data for path, data in vault(elsewhere, CUTS).items() if run_name(*LAST) in path}
    add("a manifest of another origin", without(segment_of(usual, LAST), files=mixed), bad(LAST), keys=two)
    foreign = {path: data for path, data in vault(elsewhere, CUTS).items() if run_name(*FIRST) in path}
    rest = {path: data for path, data in usual.items() if run_name(*FIRST) not in path}
    add("the first manifest settles the origin", foreign | rest, bad(SECOND), bad(LAST), keys=two)
    key = [OURS.vkey()]
    add("an untrusted first manifest does not", foreign | rest, find("KEY_UNKNOWN", D, *FIRST), find("KEY_UNKNOWN", D, *FIRST),
        bad(FIRST, D), keys=key)
    overlap = part_files(Part(LEDGER, 2, 5, sha256(b"x").hex()), "orders")
    add("a trusted manifest that overlaps", usual | overlap, bad((2, 5)))
    again = part_files(Part(LEDGER, 4, 5, Part(LEDGER, 0, 3, None).text_sha256()), "orders")
    add("two trusted manifests from one record", usual | again, bad(SECOND))
    strange = part_files(Part(LEDGER, 4, 5, sha256(b"x").hex(), keys=(STRANGER,)), "orders")
    add("an untrusted manifest before a trusted one", usual | strange, find("KEY_UNKNOWN", D, 4, 5), bad((4, 5), D))
    late = part_files(Part(LEDGER, 10, 11, sha256(b"x").hex(), keys=(STRANGER,)), "orders")
    add("an untrusted manifest behind a trusted one", usual | late, find("KEY_UNKNOWN", D, 10, 11), bad((10, 11), D))
    both = vault(LEDGER, CUTS, {1: {"keys": (STRANGER,)}}) | part_files(Part(LEDGER, 5, 7, sha256(b"x").hex(), keys=(STRANGER,)), "orders")
    add("two untrusted manifests that overlap", both, find("KEY_UNKNOWN", D, *SECOND), find("KEY_UNKNOWN", D, 5, 7), bad((5, 7), D))


def gaps(add):
    """Step 5."""
    usual = vault(LEDGER, CUTS)
    missing = lambda *run: find("SEGMENT_MISSING", D, *run)
    add("manifest and segment gone", without(manifest_path(SECOND), segment_of(usual, SECOND)), missing(*SECOND))
    add("a manifest gone", without(manifest_path(SECOND)), missing(*SECOND))
    add("the first manifest gone", without(manifest_path(FIRST)), missing(*FIRST))
    add("the last manifest gone: cannot be seen", without(manifest_path(LAST)))
    add("the first two manifests gone", without(manifest_path(FIRST), manifest_path(SECOND)), missing(0, 7))
    ones = vault(LEDGER, range(1, 12))
    spoilt = without(*[manifest_path((n, n)) for n in (3, 5, 6)], files=ones) | {manifest_path((4, 4)): b"x"}
    add("a gap with a spoilt manifest in the middle", spoilt, missing(3), missing(5, 6), find("MANIFEST_INVALID", D, 4))
    wide = without(manifest_path(SECOND)) | {manifest_path((5, 6)): b"x"}
    add("a gap around a spoilt manifest", wide, missing(4), missing(7), find("MANIFEST_INVALID", D, 5, 6))
    over = without(manifest_path(SECOND)) | {manifest_path((2, 9)): b"x"}
    add("a gap that a spoilt manifest covers", over, find("MANIFEST_INVALID", D, 2, 9))
    tail = without(manifest_path(SECOND)) | {manifest_path((9, 11)): b"x"}
    add("a spoilt manifest behind a gap covers nothing", tail, missing(*SECOND), find("MANIFEST_INVALID", D, 9, 11))
    edited_last = vault(LEDGER, CUTS, {2: {"change": lambda said: said.update(checkpoint=checkpoint(LEDGER.origin, 12, LEDGER.root(3)))}})
    add("roots are not compared behind a gap", without(manifest_path(SECOND), files=edited_last), missing(*SECOND))
    wrong_prev = vault(LEDGER, CUTS, {2: {"change": lambda said: said.update(previous="00" * 32)}})
    add("neighbours are not compared over a gap", without(manifest_path(SECOND), files=wrong_prev), missing(*SECOND))


def neighbours(add):
    """Step 6."""
    broken = lambda said: said.update(first_prev="00" * 32)
    add("previous of another manifest", of(1, change=lambda said: said.update(previous="00" * 32)), find("MANIFEST_INVALID", T, *SECOND))
    add("first_prev of another record", of(1, change=broken),
        find("CHAIN_BROKEN", T, 4), find("HASH_MISMATCH", T, 4))
    add("first_prev of another record, by a stranger", of(1, change=broken, keys=(STRANGER,)),
        find("KEY_UNKNOWN", D, *SECOND), find("CHAIN_BROKEN", D, 4), find("HASH_MISMATCH", D, 4))
    strange = vault(LEDGER, CUTS, {1: {"keys": (STRANGER,)}, 2: {"change": lambda said: said.update(previous="00" * 32)}})
    add("previous behind an untrusted manifest is not compared", strange, find("KEY_UNKNOWN", D, *SECOND))
    first = vault(LEDGER, CUTS, {0: {"keys": (STRANGER,)}, 1: {"change": broken}})
    add("first_prev behind an untrusted manifest is", first, find("KEY_UNKNOWN", D, *FIRST),
        find("CHAIN_BROKEN", T, 4), find("HASH_MISMATCH", T, 4))


def packed(add):
    """Step 7, a segment whose file is not the one that its manifest names: damage, whatever is found."""
    bad = find("MANIFEST_INVALID", D, *SECOND)
    usual = vault(LEDGER, CUTS)
    path = segment_of(usual, SECOND)
    lost = find("SEGMENT_MISSING", D, *SECOND)
    add("a segment gone", without(path), lost)
    add("all segments gone", without(".zst"), *[find("SEGMENT_MISSING", D, *run) for run in (FIRST, SECOND, LAST)],
        unchecked=["NOTHING_THERE"])
    add("a segment that is a folder", without(path), lost, folders=[path])
    add("a segment that is a link", moved(usual, path, "orders/kept"), lost, links={path: "kept"})

    def damaged(change):
        return of(1, damage=repack(change))

    def cut(count):
        return lambda lines: lines[:count]

    add("damaged: packed anew, lines as they were", of(1, damage=lambda packed, lines: skippable() + packed), bad)
    add("damaged: a record edited", damaged(edited()), bad, find("HASH_MISMATCH", D, 5))
    add("damaged: a line of nonsense", damaged(lambda lines: [*lines[:1], b"x", *lines[2:]]), bad, find("NOT_CANONICAL", D, 5))
    add("damaged: a line dropped", damaged(lambda lines: lines[:1] + lines[2:]), bad, find("SEQ_GAP", D, 5), find("CHAIN_BROKEN", D, 6))
    add("damaged: the last line dropped", damaged(cut(3)), bad, find("SEQ_GAP", D, 7))
    add("damaged: no lines", damaged(cut(0)), bad, find("SEQ_GAP", D, *SECOND))
    add("damaged: an empty file", of(1, damage=lambda packed, lines: b""), bad, find("SEQ_GAP", D, *SECOND))
    add("damaged: a line twice", damaged(lambda lines: lines[:2] + lines[1:]), bad, find("SEQ_GAP", D, 5), find("CHAIN_BROKEN", D, 5))
    add("damaged: another segment's lines", of(1, damage=lambda packed, lines: pack(joined(LEDGER.lines()[8:12]))),
        bad, find("SEQ_GAP", D, 4, 7), find("CHAIN_BROKEN", D, 8), find("TIME_BACKWARDS", D, 8))
    add("damaged: a line more", damaged(lambda lines: lines + [LEDGER.lines()[8]]), bad)
    add("damaged: without last LF", of(1, damage=lambda packed, lines: pack(joined(lines)[:-1])),
        bad, find("NOT_CANONICAL", D, 7), find("SEQ_GAP", D, 7))
    add("damaged: cut inside a block", of(1, damage=lambda packed, lines: packed[:-9]), bad, find("SEQ_GAP", D, *SECOND))
    add("damaged: the last segment's last line dropped", of(2, damage=repack(cut(3))),
        find("MANIFEST_INVALID", D, *LAST), find("TAIL_MISSING", D, 11))
    signed = lambda lines: [*lines[:1], LEDGER.bent(lambda o: o.rows[5].sign(STRANGER)).lines()[5], *lines[2:]]
    add("damaged: signed by a stranger", damaged(signed), bad, find("KEY_UNKNOWN", D, 5))
    bare = lambda lines: [*lines[:1], LEDGER.bent(lambda o: o.rows[5].unsign()).lines()[5], *lines[2:]]
    add("damaged: a signature gone", damaged(bare), bad, find("UNSIGNED", D, 5))
    many = b"x\n" * 1032
    times = [find("NOT_CANONICAL", D, seq) for seq in range(4, 4 + 1032)]
    limits = lambda plain: of(1, damage=lambda packed, lines: pack(plain))
    add("damaged: as many lines as are looked at", limits(many), bad, *times)
    add("damaged: a line more than is looked at", limits(many + b"y\n"), bad, *times)
    swapped = usual | {path: usual[segment_of(usual, LAST)]}
    add("damaged: segments swapped", swapped, bad, find("SEQ_GAP", D, 4, 7), find("CHAIN_BROKEN", D, 8), find("TIME_BACKWARDS", D, 8))
    later = edited(1, b"2026-", b"2153-")
    add("damaged: a later time", damaged(later), bad, find("HASH_MISMATCH", D, 5), find("TIME_BACKWARDS", D, 6))
    commits = vault(PER_COMMIT, CUTS, {0: {"damage": repack(edited(0, b'"commit"', b'"record"'))}})
    add("damaged: other rules", commits, find("MANIFEST_INVALID", D, *FIRST), find("HASH_MISMATCH", D, 0),
        *[find("UNSIGNED", D, *run) for run in ((1, 3), (5, 7), (9, 10))])


def intact(add):
    """Step 7, an intact segment: what is found was signed, so it is tampering."""
    bad = find("MANIFEST_INVALID", T, *SECOND)

    def signed(change, **said):
        return of(1, lines=change, change=lambda members: members.update(said) if said else None)

    add("intact: a record edited", signed(edited()), find("HASH_MISMATCH", T, 5))
    add("intact: a line of nonsense", signed(lambda lines: [*lines[:1], b"x" * 90, *lines[2:]]), find("NOT_CANONICAL", T, 5))
    add("intact: nonsense at the end", signed(lambda lines: [*lines[:3], b"x" * 90]), find("NOT_CANONICAL", T, 7), bad)
    add("intact: a line dropped", signed(lambda lines: lines[:1] + lines[2:]),
        bad, find("SEQ_GAP", T, 5), find("CHAIN_BROKEN", T, 6))
    add("intact: the last line dropped", signed(lambda lines: lines[:3]), bad, find("SEQ_GAP", T, 7))
    add("intact: a line more", signed(lambda lines: lines + [LEDGER.lines()[8]]), bad)
    add("intact: without last LF", signed(lambda lines: joined(lines)[:-1]),
        bad, find("NOT_CANONICAL", T, 7), find("SEQ_GAP", T, 7))
    add("intact: another plain hash", of(1, change=lambda said: said["plain"].update(sha256="00" * 32)), bad)
    add("intact: another plain size", of(1, change=lambda said: said["plain"].update(size=said["plain"]["size"] + 1)), bad)
    add("intact: other keys", signed(None, keys=sorted([OURS.kid, STRANGER.kid])), bad)
    add("intact: no keys", signed(None, keys=[]), bad)
    last = lambda said: said.update(last_digest="00" * 32)
    add("intact: another last_digest", of(1, change=last), bad, find("CHAIN_BROKEN", T, 8))
    add("intact: other subtrees", signed(None, subtrees=[b64(bytes(32))]),
        find("ROOT_MISMATCH", T, *SECOND), find("ROOT_MISMATCH", T, *LAST))
    add("intact: other subtrees, a line out of place", of(1, lines=lambda lines: lines[:2] + lines[1:3],
        change=lambda said: said.update(subtrees=[b64(bytes(32))])),
        find("SEQ_GAP", T, 5), find("CHAIN_BROKEN", T, 5), bad, find("SEQ_GAP", T, 7), find("ROOT_MISMATCH", T, *SECOND), find("ROOT_MISMATCH", T, *LAST))
    strange = lambda lines: [*lines[:1], LEDGER.bent(lambda o: o.rows[5].sign(STRANGER)).lines()[5], *lines[2:]]
    add("intact: signed by a stranger", signed(strange, keys=sorted([OURS.kid, STRANGER.kid])), find("KEY_UNKNOWN", D, 5))
    bare = lambda lines: [*lines[:1], LEDGER.bent(lambda o: o.rows[5].unsign()).lines()[5], *lines[2:]]
    add("intact: a signature gone", signed(bare), find("UNSIGNED", T, 5))

    def wrong(lines):
        other = LEDGER.bent(lambda o: setattr(o.rows[5], "signature", o.rows[6].signature))
        return [*lines[:1], other.lines()[5], *lines[2:]]

    add("intact: a wrong signature", signed(wrong), find("SIG_INVALID", T, 5))
    for name, body, code in (
        ("a record of another ledger", {"ledger": "others"}, "CHAIN_BROKEN"),
        ("time goes backwards", {"time": "2026-11-21T05:14:01.000000Z"}, "TIME_BACKWARDS"),
        ("a second creation", {"system": LEDGER.creation}, "CREATION_INVALID"),
        ("a second creation without members", {"system": {"kind": "ledger_created"}}, "CREATION_INVALID"),
        ("an archived segment of bad form", {"system": archived(more=1)}, "NOT_CANONICAL"),
        ("a record of version 2", {"v": 2}, "NOT_CANONICAL"),
        ("a record says who wrote it where none does", {"by": {"name": "billing"}}, "NOT_CANONICAL"),
        ("numbers_as_text of an exact number", {"event": {"n": "1"}, "numbers_as_text": ["/n"]}, "NOT_CANONICAL"),
    ):
        ledger = Ledger([{}] * 4 + [body] + [{}] * 6)
        add(f"intact: {name}", vault(ledger, CUTS), find(code, T, 5))
        damage = {1: {"damage": lambda packed, lines: skippable() + packed}}
        add(f"damaged: {name}", vault(ledger, CUTS, damage), find(code, D, 5), find("MANIFEST_INVALID", D, *SECOND))
    first = Ledger(11, creation={"origin": "other.example/orders"})
    add("intact: record 0 of another origin", vault(first, CUTS), find("CREATION_INVALID", T, 0))
    event = LEDGER.bent(lambda o: (setattr(o.rows[0], "record", o.record(0, {})), o.resign()))
    add("intact: record 0 is an event", vault(event, CUTS), find("CREATION_INVALID", T, 0))


def frames(add):
    """Step 7, how a segment is packed."""
    bad = find("MANIFEST_INVALID", T, *SECOND)
    for name, how in {
        "many frames": lambda plain: b"".join(pack(plain[at : at + 300]) for at in range(0, len(plain), 300)),
        "skippable and empty frames": lambda plain: skippable() + frame(raw(b"")) + pack(plain) + skippable(b"") + frame(raw(b"")),
    }.items():
        add(f"packed: {name}", of(1, packed=how))
    whole = {
        "garbage behind": lambda plain: pack(plain) + b"garbage",
        "a dictionary in the second frame": lambda plain: pack(plain) + frame(raw(b""), descriptor=0x01, fields=b"\x30\x07"),
        "too large a window in the second frame": lambda plain: pack(plain) + frame(raw(b""), fields=b"\x69"),
        "a wrong checksum": lambda plain: frame(raw(plain), descriptor=0x04) + bytes(4),
        "a cut skippable frame": lambda plain: pack(plain) + skippable()[:-1],
    }
    for name, how in whole.items():
        add(f"packed, signed: {name}", of(1, packed=how), bad)
    none = {
        "not compressed": lambda plain: plain,
        "a dictionary": lambda plain: frame(raw(plain), descriptor=0x01, fields=b"\x30\x07"),
        "too large a window": lambda plain: frame(raw(plain), fields=b"\x69"),
        "cut": lambda plain: pack(plain)[:-1],
    }
    for name, how in none.items():
        add(f"packed, signed: {name}", of(1, packed=how), bad, find("SEQ_GAP", T, *SECOND))
    add("packed, signed: the last one cut", of(2, packed=lambda plain: pack(plain)[:-1]),
        find("MANIFEST_INVALID", T, *LAST), find("TAIL_MISSING", T, *LAST))
    two = lambda plain: pack(plain[:700]) + pack(plain[700:])[:-1]
    add("packed, signed: cut in the second frame", of(1, packed=two), bad, find("SEQ_GAP", T, 5, 7))
    filled = [rle(b"a", 1 << 17)] * 16
    add("packed, signed: a line of 2 MiB and a byte", of(1, packed=lambda plain: frame(*filled, raw(b"\n"), fields=b"\x38")),
        find("NOT_CANONICAL", T, 4), find("SEQ_GAP", T, *SECOND))
    exact = [rle(b"a", 1 << 17)] * 15 + [rle(b"a", (1 << 17) - 1)]
    add("packed, signed: a line of 2 MiB", of(1, packed=lambda plain: frame(*exact, raw(b"\n"), fields=b"\x38")),
        find("NOT_CANONICAL", T, 4), bad, find("SEQ_GAP", T, 5, 7))
    room = 2 * len(joined(LEDGER.lines()[4:8])) + ROOT
    lines = room // (2 << 20)
    line = [*exact, raw(b"\n")]
    add("damaged: more plain bytes than are looked at", of(1, damage=lambda packed, _: frame(*line * (lines + 1), fields=b"\x38")),
        find("MANIFEST_INVALID", D, *SECOND), *[find("NOT_CANONICAL", D, 4 + n) for n in range(lines)])


def ends(add):
    """The end of a ledger in a vault."""
    tail = PER_COMMIT.bent(lambda other: other.rows[11].unsign())
    add("per commit, the last without signature", vault(tail, CUTS), find("UNSIGNED", T, 9, 11))
    crossing = Ledger(11, per="commit", commit=6)
    add("per commit, a run across segments", vault(crossing, CUTS), find("UNSIGNED", T, 1, 5))
    damage = {1: {"damage": lambda packed, lines: skippable() + packed}}
    add("per commit, a run across a damaged segment", vault(crossing, CUTS, damage),
        find("MANIFEST_INVALID", D, *SECOND), find("UNSIGNED", D, 1, 5))
    allowed = Ledger(11, per="commit", commit=5)
    add("per commit, a run across segments that is allowed", vault(allowed, CUTS))
    cut = {2: {"damage": repack(lambda lines: lines[:3])}}
    add("per commit, the last segment's end is missing", vault(PER_COMMIT, CUTS, cut),
        find("MANIFEST_INVALID", D, *LAST), find("TAIL_MISSING", D, 11))
    spoilt = vault(allowed, (4, 8)) | {manifest_path(LAST): b"x"}
    add("per commit, a spoilt manifest behind", spoilt, find("MANIFEST_INVALID", D, *LAST))
    add("per commit, a manifest gone behind", without(manifest_path(LAST), files=vault(allowed, CUTS)), find("UNSIGNED", T, 6, 7))
    missing = without(segment_of(vault(allowed, CUTS), LAST), files=vault(allowed, CUTS))
    add("per commit, the last segment's file is missing", missing, find("SEGMENT_MISSING", D, *LAST))
    gap = Ledger(11, per="commit", commit=11)
    add("per commit, a gap ends a run", without(manifest_path(SECOND), files=vault(gap, CUTS)),
        find("SEGMENT_MISSING", D, *SECOND))


def trees(add):
    """Step 8."""
    rewritten = LEDGER.bent(lambda other: (other.rows[5].replace(b"pay", b"PAY"), other.resign(5)))
    add("history rewritten with the key", vault(rewritten, CUTS))
    old = {path: data for path, data in vault(LEDGER, CUTS).items() if run_name(*LAST) in path}
    new = {path: data for path, data in vault(rewritten, CUTS).items() if run_name(*LAST) not in path}
    add("an old last segment behind a rewritten one", new | old,
        find("MANIFEST_INVALID", T, *LAST), find("CHAIN_BROKEN", T, 8), find("ROOT_MISMATCH", T, *LAST))


def untrusted(add):
    """What lines are worth under a manifest that nobody trusts."""
    unknown = find("KEY_UNKNOWN", D, *SECOND)
    by = {"keys": (STRANGER,)}
    add("untrusted: a record edited", of(1, **by, lines=edited()), unknown, find("HASH_MISMATCH", D, 5))
    add("untrusted: lines out of place lose the tree", of(1, **by, lines=lambda lines: lines[:1] + lines[2:]),
        unknown, find("SEQ_GAP", D, 5), find("CHAIN_BROKEN", D, 6), find("MANIFEST_INVALID", D, *SECOND))
    change = {1: by | {"lines": lambda lines: lines[:1] + lines[2:]},
              2: {"change": lambda said: said.update(checkpoint=checkpoint(LEDGER.origin, 12, LEDGER.root(3)))}}
    add("untrusted: lines out of place, later roots are not compared", vault(LEDGER, CUTS, change),
        unknown, find("SEQ_GAP", D, 5), find("CHAIN_BROKEN", D, 6), find("MANIFEST_INVALID", D, *SECOND))
    whole = {1: by, 2: change[2]}
    add("untrusted: all lines in their places, later roots are compared", vault(LEDGER, CUTS, whole), unknown, find("ROOT_MISMATCH", T, *LAST))
    other = {1: by | {"lines": lambda lines: [*lines[:1], altered(5), *lines[2:]]}}
    add("untrusted: another digest stated", vault(LEDGER, CUTS, other), unknown, find("HASH_MISMATCH", D, 5), find("SIG_INVALID", D, 5),
        find("ROOT_MISMATCH", D, *SECOND), find("ROOT_MISMATCH", D, *LAST))
    last = {1: by | {"lines": lambda lines: [*lines[:3], altered(7)]}}
    add("untrusted: another last digest stated", vault(LEDGER, CUTS, last), unknown, find("HASH_MISMATCH", D, 7), find("SIG_INVALID", D, 7),
        find("MANIFEST_INVALID", D, *SECOND), find("ROOT_MISMATCH", D, *SECOND), find("CHAIN_BROKEN", D, 8), find("ROOT_MISMATCH", D, *LAST))
    rewritten = LEDGER.bent(lambda other: (other.rows[5].replace(b"pay", b"PAY"), other.resign(5)))
    anew = {1: by | {"lines": lambda lines: rewritten.lines()[4:8]}}
    add("untrusted: rewritten with the key, every line sound", vault(LEDGER, CUTS, anew), unknown,
        find("MANIFEST_INVALID", D, *SECOND), find("ROOT_MISMATCH", D, *SECOND), find("CHAIN_BROKEN", T, 8), find("ROOT_MISMATCH", T, *LAST))
    add("untrusted: its segment is gone", without(segment_of(of(1, **by), SECOND), files=of(1, **by)),
        unknown, find("SEGMENT_MISSING", D, *SECOND))


def altered(seq):
    def change(other):
        digest = other.rows[seq].digest
        other.rows[seq].digest = bytes([digest[0] ^ 1]) + digest[1:]

    return LEDGER.bent(change).lines()[seq]


def unsigned(add):
    """Rules that nobody has seen."""
    bare = PER_COMMIT.bent(lambda other: [row.unsign() for row in other.rows[4:]])
    files = vault(bare, CUTS)
    add("per commit, record 0 is missing: no rules", without(manifest_path(FIRST), files=files), find("SEGMENT_MISSING", D, *FIRST))
    add("per commit, all behind is unsigned", files, find("UNSIGNED", T, 1, 11))
