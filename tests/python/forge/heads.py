"""Cases of section 8.6."""

import json

from .cases import BEHIND, EXPORT, RECEIPT, VAULT, D, T, find
from .ledger import Ledger, repack, vault
from .make import OURS, STRANGER, b64, checkpoint, note
from .vaults import LAST, SECOND, manifest_path, segment_of

LEDGER = Ledger(11)
CUTS = (4, 8)
OTHERS = Ledger(3, name="others")
ELSEWHERE = Ledger(11, server="other.example")
NOT_COMPARED = {"unchecked": ["HEAD_NOT_COMPARED"]}


def rewritten_from(seq, ledger=LEDGER):
    return ledger.bent(lambda other: (other.rows[seq].replace(b"pay", b"PAY"), other.resign(seq)))


REWRITTEN = rewritten_from(5)
LONGER = Ledger(14)
LONGER.rows[:12] = LEDGER.rows
LONGER.resign(12)


def add(cases):
    export = lambda name, *rest, **more: cases.add(EXPORT, f"head, {name}", *rest, **more)
    of_vault = lambda name, *rest, **more: cases.add(VAULT, f"head, {name}", *rest, **more)
    receipt = lambda name, *rest, **more: cases.add(RECEIPT, f"head, {name}", *rest, **more)
    forms(export)
    exports(export)
    vaults(of_vault)
    vaults_damaged(of_vault)
    receipts(receipt)


def root(size, kind=T, ledger="orders"):
    return find("ROOT_MISMATCH", kind, 0, size - 1, ledger=ledger)


def behind(end, size, ledger="orders"):
    return find("HEAD_BEHIND", BEHIND, end, size - 1, ledger=ledger)


def forms(add):
    """What a head's file may be."""
    export, tip = LEDGER.export(), LEDGER.tip(6)
    good = {
        "of the middle": tip,
        "of the end": LEDGER.tip(),
        "of one record": LEDGER.tip(1),
        "of size 0": LEDGER.tip(0),
        "CR LF": tip.replace("\n", "\r\n"),
        "without last LF": tip[:-1],
        "empty lines at the end": tip + "\n\n",
        "CR LF and empty lines at the end": (tip + "\n").replace("\n", "\r\n"),
        "a byte order mark": b"\xef\xbb\xbf" + tip.encode(),
        "lines of others": tip + STRANGER.note_line(LEDGER.origin, "x", bytes(64)),
        "a receipt": LEDGER.receipt(3, 6),
        "a receipt with white space": json.dumps(json.loads(LEDGER.receipt(3, 6)), indent=2).encode(),
        "a receipt behind white space": b" \r\n\t" + LEDGER.receipt(3, 6) + b"\n",
        "a receipt with a byte order mark": b"\xef\xbb\xbf" + LEDGER.receipt(3, 6),
        "a receipt of the newest record": LEDGER.receipt(11),
    }
    for name, head in good.items():
        add(name, export, heads=[head])
    unknown, invalid = find("KEY_UNKNOWN", D, ledger=None), find("CHECKPOINT_INVALID", D, ledger=None)
    text = f"{LEDGER.origin}\n6\n{b64(LEDGER.root(6))}\n"
    bad = {
        "nonsense": b"nonsense",
        "empty": b"",
        "white space": b" \n",
        "cut": tip[:-9],
        "a wrong line": note(LEDGER.origin, text, lines=[OURS.note_line(LEDGER.origin, text, bytes(64))]),
        "a manifest": vault(LEDGER, CUTS)[manifest_path(SECOND)],
        "an empty line at the beginning": "\n" + tip,
        "size 0 with another root": checkpoint(LEDGER.origin, 0, LEDGER.root()),
    }
    for name, head in bad.items():
        add(name, export, invalid, heads=[head])
    add("a stranger's", export, unknown, heads=[LEDGER.tip(6, keys=(STRANGER,))])
    add("of a server without a key", export, unknown, heads=[ELSEWHERE.tip()])
    add("a bad one beside a good one", export, invalid, heads=[tip, b"nonsense"])
    add("no file", export, heads=[None], unchecked=["UNREADABLE"])
    wrong = LEDGER.receipt(3, 6).replace(b"pay", b"PAY")
    add("a receipt that is wrong", export, find("HASH_MISMATCH", D, 3), heads=[wrong])
    add("a receipt that is none", export, find("NOT_CANONICAL", D, ledger=None), heads=[b"{}"])
    add("a receipt of version 2", export, heads=[b'{"v":2}'], unchecked=["VERSION_UNKNOWN"])
    unknown_kind = Ledger([{}, {"system": {"kind": "key_revoked"}}, {}])
    add("a receipt of a kind that is not known", unknown_kind.export(), heads=[unknown_kind.receipt(2)], unchecked=["KIND_UNKNOWN"])
    other = LEDGER.bent(lambda o: (setattr(o.rows[3], "record", o.record(3, {"system": {"kind": "key_revoked"}})), o.resign()))
    add("a receipt of a kind that is not known, of another history", export, root(12), heads=[other.receipt(3)])


def exports(add):
    honest, rewritten = LEDGER.export(), REWRITTEN.export()
    add("an early one, rewritten behind it", rewritten, heads=[LEDGER.tip(5)])
    add("the first that shows it", rewritten, root(6), heads=[LEDGER.tip(6)])
    add("of the end, rewritten", rewritten, root(12), heads=[LEDGER.tip()])
    two = [LEDGER.tip(5), LEDGER.tip(8)]
    add("two, in order", rewritten, root(8), heads=two)
    add("two, the other way round", rewritten, root(8), heads=two[::-1])
    add("two of one size", honest, root(8), heads=[LEDGER.tip(8), REWRITTEN.tip(8)])
    add("two of one size, the other way round", honest, root(8), heads=[REWRITTEN.tip(8), LEDGER.tip(8)])
    add("the same twice", honest, heads=[LEDGER.tip(8), LEDGER.tip(8)])
    add("older than the head", honest, behind(12, 15), heads=[LONGER.tip()])
    add("older than one head", honest, behind(12, 15), heads=[LONGER.tip(), LEDGER.tip(3)])
    add("older, and rewritten", rewritten, behind(12, 15), root(8), heads=[LONGER.tip(), LEDGER.tip(8)])
    add("of another ledger", honest, heads=[OTHERS.tip()], **NOT_COMPARED)
    add("of another ledger, size 0", honest, heads=[OTHERS.tip(0)])
    add("of this name on another server", honest, heads=[ELSEWHERE.tip()], keys=[OURS.vkey(), OURS.vkey("other.example")], **NOT_COMPARED)
    add("of another ledger, and a good one", honest, heads=[OTHERS.tip(), LEDGER.tip()], **NOT_COMPARED)

    def bent(change, ledger=LEDGER):
        other = ledger.bent(lambda other: change(other.rows))
        return ledger.export(other.lines())

    edit = lambda seq: lambda rows: rows[seq].replace(b'"id-', b'"ID-')
    double = lambda rows: rows.insert(9, rows[8])
    gap = [find("SEQ_GAP", D, 8), find("CHAIN_BROKEN", D, 8), find("TIME_BACKWARDS", D, 8)][:2]
    add("damaged behind it", bent(edit(8)), find("HASH_MISMATCH", D, 8), heads=[LEDGER.tip(6)])
    add("damaged before it", bent(edit(3)), find("HASH_MISMATCH", D, 3), heads=[LEDGER.tip(6)])
    add("rewritten, damaged behind the mark", bent(edit(8), REWRITTEN), find("HASH_MISMATCH", D, 8), root(6), heads=[LEDGER.tip(6)])
    add("rewritten, damaged before the mark", bent(edit(3), REWRITTEN), find("HASH_MISMATCH", D, 3), root(6, D), heads=[LEDGER.tip(6)])
    add("rewritten, a line twice behind the mark", bent(double, REWRITTEN), *gap, root(6), heads=[LEDGER.tip(6)])
    add("rewritten, a line twice before the mark", bent(double, REWRITTEN), *gap, heads=[LEDGER.tip(10)], **NOT_COMPARED)
    lines = REWRITTEN.lines()
    add("rewritten, nonsense behind the mark", REWRITTEN.export([*lines[:8], b"x", *lines[9:]]),
        find("NOT_CANONICAL", D, 8), root(6), heads=[LEDGER.tip(6)])
    add("nonsense before the mark", LEDGER.export([*LEDGER.lines()[:3], b"x", *LEDGER.lines()[4:]]), find("NOT_CANONICAL", D, 3),
        heads=[LEDGER.tip(6)], **NOT_COMPARED)
    add("the tail cut", LEDGER.export(LEDGER.lines()[:8], closing=b""), find("TAIL_MISSING", D), behind(8, 10), heads=[LEDGER.tip(10)])
    add("the tail cut, the mark is there", LEDGER.export(LEDGER.lines()[:8], closing=b""), find("TAIL_MISSING", D), heads=[LEDGER.tip(8)])
    add("a header that is none", LEDGER.export(header=b"x"), find("NOT_CANONICAL", D, ledger=None), heads=[LEDGER.tip(8)], **NOT_COMPARED)
    newer = LEDGER.export(header=LEDGER.header().replace(b'"v":1', b'"v":2'))
    add("a header of version 2", newer, heads=[LEDGER.tip(8)], unchecked=["HEAD_NOT_COMPARED", "VERSION_UNKNOWN"])
    add("no export", None, heads=[LEDGER.tip(8)], unchecked=["HEAD_NOT_COMPARED", "UNREADABLE"])
    add("of an export without records", LEDGER.export([], LEDGER.tip(0)), behind(0, 3), heads=[LEDGER.tip(3)], unchecked=["NOTHING_THERE"])


def vaults(add):
    honest, rewritten = vault(LEDGER, CUTS), vault(REWRITTEN, CUTS)
    for size in (0, 1, 3, 4, 5, 8, 11, 12):
        add(f"of {size} records", honest, heads=[LEDGER.tip(size)])
    add("a receipt", honest, heads=[LEDGER.receipt(3, 7)])
    add("all of them", honest, heads=[LEDGER.tip(size) for size in (12, 3, 4, 8)])
    for size in (6, 7, 8, 9, 12):
        add(f"rewritten, of {size} records", rewritten, root(size), heads=[LEDGER.tip(size)])
    add("rewritten, before the mark", rewritten, heads=[LEDGER.tip(5)])
    add("older than the head", honest, behind(12, 15), heads=[LONGER.tip()])
    add("older than the head, the other one is good", honest, behind(12, 15), heads=[LEDGER.tip(2), LONGER.tip()])
    cut = {path: data for path, data in honest.items() if "8-" not in path}
    add("the last segment gone", cut, behind(8, 12), heads=[LEDGER.tip()])
    add("an absent ledger", honest, behind(0, 4, "others"), heads=[OTHERS.tip()])
    add("an absent ledger, size 0", honest, heads=[OTHERS.tip(0)])
    add("an absent ledger, asked for", honest, behind(0, 4, "others"), heads=[OTHERS.tip()], ledgers=["others"], unchecked=["NOT_FOUND"])
    add("an absent ledger, not asked for", honest, behind(0, 4, "others"), heads=[OTHERS.tip()], ledgers=["orders"])
    both = honest | vault(OTHERS, (2,))
    add("a ledger that was not asked for", both, heads=[OTHERS.tip()], ledgers=["orders"], **NOT_COMPARED)
    add("one of each of two ledgers", both, heads=[OTHERS.tip(), LEDGER.tip(3)])
    add("one of each of two ledgers, the other way round", both, heads=[LEDGER.tip(3), OTHERS.tip()])
    add("an empty vault", {}, behind(0, 3), heads=[LEDGER.tip(3)], unchecked=["NOTHING_THERE"])
    add("a ledger without manifests", {}, folders=["orders"], heads=[LEDGER.tip(3)], unchecked=["HEAD_NOT_COMPARED", "NOTHING_THERE"])
    add("a ledger that is a link", {}, links={"orders": "x"}, heads=[LEDGER.tip(3)], unchecked=["HEAD_NOT_COMPARED", "LINK"])
    add("a file of the ledger's name", {"orders": b"x"}, behind(0, 3), heads=[LEDGER.tip(3)], unchecked=["NOTHING_THERE"])
    keys = {"keys": [OURS.vkey(), OURS.vkey("other.example")]}
    add("of this name on another server", honest, heads=[ELSEWHERE.tip()], **keys, **NOT_COMPARED)
    add("of this name on another server, and a good one", honest, heads=[ELSEWHERE.tip(), LEDGER.tip(3)], **keys, **NOT_COMPARED)
    two = [ELSEWHERE.tip(3), LEDGER.tip(3)]
    add("of this name on two servers, of one size", honest, heads=two[::-1], **keys, **NOT_COMPARED)
    add("rewritten, and a head of another server", rewritten, root(12), heads=[LEDGER.tip(), ELSEWHERE.tip(3)], **keys, **NOT_COMPARED)
    add("a stranger's", honest, find("KEY_UNKNOWN", D, ledger=None), heads=[LEDGER.tip(keys=(STRANGER,))])


def vaults_damaged(add):
    bad = find("MANIFEST_INVALID", D, *SECOND)

    def of(ledger, index, **part):
        return vault(ledger, CUTS, {index: part})

    edit = repack(lambda lines: [lines[0].replace(b'"id-', b'"ID-'), *lines[1:]])
    drop = repack(lambda lines: [*lines[:2], *lines[3:]])
    hashed, gap = find("HASH_MISMATCH", D, 4), [find("SEQ_GAP", D, 6), find("CHAIN_BROKEN", D, 7)]
    add("damaged before the mark", of(LEDGER, 1, damage=edit), bad, hashed, heads=[LEDGER.tip(6)])
    add("damaged in a segment before", of(LEDGER, 1, damage=edit), bad, hashed, heads=[LEDGER.tip(10)])
    add("rewritten, damaged before the mark", of(REWRITTEN, 1, damage=edit), bad, hashed, root(6, D), heads=[LEDGER.tip(6)])
    add("rewritten, damaged, a manifest's checkpoint shows it", of(REWRITTEN, 1, damage=edit), bad, hashed, root(8), heads=[LEDGER.tip(8)])
    add("rewritten, damaged in a segment before", of(REWRITTEN, 1, damage=edit), bad, hashed, root(10), heads=[LEDGER.tip(10)])
    add("rewritten, a line dropped behind the mark", of(REWRITTEN, 1, damage=drop), bad, *gap, root(6), heads=[LEDGER.tip(6)])
    add("rewritten, a line dropped before the mark", of(REWRITTEN, 1, damage=drop), bad, *gap, heads=[LEDGER.tip(7)], **NOT_COMPARED)
    add("a line dropped, of the segment's end", of(LEDGER, 1, damage=drop), bad, *gap, heads=[LEDGER.tip(8)])
    add("a line dropped, in the next segment", of(LEDGER, 1, damage=drop), bad, *gap, heads=[LEDGER.tip(10)])
    gone = {path: data for path, data in vault(LEDGER, CUTS).items() if path != manifest_path(SECOND)}
    missing = find("SEGMENT_MISSING", D, *SECOND)
    add("inside a gap", gone, missing, heads=[LEDGER.tip(6)], **NOT_COMPARED)
    add("at the beginning of a gap", gone, missing, heads=[LEDGER.tip(4)])
    add("behind a gap", gone, missing, heads=[LEDGER.tip(10)], **NOT_COMPARED)
    add("behind a gap, a manifest's checkpoint has it", gone, missing, heads=[LEDGER.tip(12)])
    gone_rewritten = {path: data for path, data in vault(REWRITTEN, CUTS).items() if path != manifest_path(SECOND)}
    add("behind a gap, a manifest's checkpoint contradicts it", gone_rewritten, missing, root(12), heads=[LEDGER.tip(12)])
    files = vault(LEDGER, CUTS)
    no_segment = {path: data for path, data in files.items() if path != segment_of(files, SECOND)}
    add("a segment's file is gone, in it", no_segment, missing, heads=[LEDGER.tip(6)], **NOT_COMPARED)
    add("a segment's file is gone, behind it", no_segment, missing, heads=[LEDGER.tip(8), LEDGER.tip(10)])
    spoilt = files | {manifest_path(LAST): b"x"}
    invalid = find("MANIFEST_INVALID", D, *LAST)
    add("a spoilt manifest speaks of it", spoilt, invalid, heads=[LEDGER.tip(10)], **NOT_COMPARED)
    add("beyond what a spoilt manifest speaks of", spoilt, invalid, behind(12, 15), heads=[LONGER.tip()])
    newer = files | {manifest_path(LAST): note(LEDGER.origin, "indelible segment manifest v2\n{}\n").encode()}
    add("a manifest of version 2 speaks of it", newer, heads=[LEDGER.tip(10)], unchecked=["HEAD_NOT_COMPARED", "VERSION_UNKNOWN"])
    by = {"keys": (STRANGER,)}
    unknown = find("KEY_UNKNOWN", D, *SECOND)
    add("under an untrusted manifest", of(LEDGER, 1, **by), unknown, heads=[LEDGER.tip(size) for size in (6, 8, 10, 12)])
    add("rewritten, under an untrusted manifest", of(REWRITTEN, 1, **by), unknown, root(6), heads=[LEDGER.tip(6)])
    add("rewritten, at the end of an untrusted manifest", of(REWRITTEN, 1, **by), unknown, root(8), heads=[LEDGER.tip(8)])
    edited = repack(lambda lines: [lines[0].replace(b'"id-', b'"ID-'), *lines[1:]])
    add("rewritten, under an untrusted manifest, damaged before", of(REWRITTEN, 1, **by, damage=edited), unknown, bad, hashed,
        root(6, D), heads=[LEDGER.tip(6)])
    add("rewritten, behind an untrusted manifest with damage", of(REWRITTEN, 1, **by, damage=edited), unknown, bad, hashed,
        root(10, D), heads=[LEDGER.tip(10)])
    extra = repack(lambda lines: [*lines, LEDGER.lines()[8]])
    add("in a line too many", of(LEDGER, 1, damage=extra), bad, heads=[LEDGER.tip(9)])
    first = {path: b"x" if path.endswith(".manifest") else data for path, data in files.items()}
    add("all manifests spoilt", first, find("MANIFEST_INVALID", D, 0, 3), bad, invalid, heads=[LEDGER.tip(3)],
        unchecked=["HEAD_NOT_COMPARED", "NOTHING_THERE"])
    strange = vault(Ledger(11, key=STRANGER), CUTS)
    kids = [find("KEY_UNKNOWN", D, 0), find("KEY_UNKNOWN", D, 0, 3), find("KEY_UNKNOWN", D, *SECOND), find("KEY_UNKNOWN", D, *LAST)]
    add("of a stranger's ledger", strange, *kids, heads=[LEDGER.tip(3)], **NOT_COMPARED)


def receipts(add):
    good = LEDGER.receipt(3, 8)
    add("of its checkpoint", good, heads=[LEDGER.tip(8)])
    add("of its checkpoint, with another root", good, root(8), heads=[REWRITTEN.tip(8)])
    add("a receipt with its checkpoint", good, heads=[LEDGER.receipt(5, 8)])
    add("itself", good, heads=[good])
    add("of another size", good, heads=[LEDGER.tip(7)], **NOT_COMPARED)
    add("of another size, rewritten", good, heads=[REWRITTEN.tip(7)], **NOT_COMPARED)
    add("of another ledger", good, heads=[OTHERS.tip()], **NOT_COMPARED)
    add("of size 0", good, heads=[LEDGER.tip(0)])
    add("two, one of them good", good, heads=[LEDGER.tip(7), LEDGER.tip(8)], **NOT_COMPARED)
    add("two, one of them contradicts", good, root(8), heads=[LEDGER.tip(8), REWRITTEN.tip(8)])
    add("a stranger's", good, find("KEY_UNKNOWN", D, ledger=None), heads=[LEDGER.tip(8, keys=(STRANGER,))])
    add("a stranger's beside a good one", good, find("KEY_UNKNOWN", D, ledger=None), heads=[LEDGER.tip(8), LEDGER.tip(8, keys=(STRANGER,))])
    wrong = LEDGER.receipt(3, 8).replace(b"pay", b"PAY")
    add("with a receipt that is wrong", wrong, find("HASH_MISMATCH", D, 3), heads=[LEDGER.tip(7)])
    add("that does not open, with a receipt that is wrong", wrong, find("HASH_MISMATCH", D, 3), find("CHECKPOINT_INVALID", D, ledger=None),
        heads=["nonsense"])
    add("that does not open, with a receipt that is none", b"nonsense", find("NOT_CANONICAL", D, ledger=None),
        find("CHECKPOINT_INVALID", D, ledger=None), heads=["nonsense"])
    add("of another ledger, asked for", good, heads=[LEDGER.tip(8)], ledgers=["others"], unchecked=["NOT_FOUND"])
