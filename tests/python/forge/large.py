"""Cases too large to be kept: they are made when they are tested."""

from .cases import EXPORT, VAULT, D, T, find
from .ledger import Ledger, repack, vault
from .make import STRANGER, frame, pack, raw, rle
from .vaults import manifest_path, segment_of

DAMAGED_MAX = 10_000
OF_ALL_MAX = 100_000
SEGMENT_RECORDS = 65_536
TOO_MUCH = {"unchecked": ["TOO_MUCH_DAMAGE"]}


def add(cases):
    exports(lambda name, *rest, **more: cases.add(EXPORT, f"large: {name}", *rest, places=False, **more))
    of_vault = lambda name, *rest, **more: cases.add(VAULT, f"large: {name}", *rest, places=False, **more)
    vaults(of_vault)
    many_ledgers(of_vault)
    boundary(of_vault)


def exports(add):
    """How far a verifier looks (8.2)."""
    ledger = Ledger(3)
    signed = Ledger(SEGMENT_RECORDS + 9, per="commit", commit=SEGMENT_RECORDS // 2, max_unsigned=SEGMENT_RECORDS)
    heads = [signed.tip(size) for size in (SEGMENT_RECORDS, signed.size, SEGMENT_RECORDS + 1)]
    add("65,546 records", pack(signed.export()), heads=heads)
    nonsense = find("NOT_CANONICAL", D)
    few, enough = [b"x"] * (DAMAGED_MAX - 1), [b"x"] * DAMAGED_MAX
    gap, broken = find("SEQ_GAP", D), find("CHAIN_BROKEN", D)
    fewer = find("CHECKPOINT_INVALID", D)
    add("9,999 lines of nonsense behind the records", ledger.export([*ledger.lines(), *few]), nonsense, fewer)
    add("10,000 lines of nonsense", ledger.export([*ledger.lines(), *enough]), nonsense, **TOO_MUCH)
    add("10,001 lines of nonsense", ledger.export([*ledger.lines(), *enough, b"x"]), nonsense, **TOO_MUCH)
    add("9,999 lines of nonsense, and a gap", ledger.export([*few, ledger.lines()[3], *ledger.lines()[2:]]), nonsense, gap, **TOO_MUCH)
    add("10,000 lines of nonsense hide a gap", ledger.export([*enough, ledger.lines()[3], *ledger.lines()[2:]]), nonsense, **TOO_MUCH)
    add("10,000 lines of nonsense, cut", ledger.export([*ledger.lines(), *enough], closing=b""), nonsense, **TOO_MUCH)
    add("9,999 lines of nonsense, cut", ledger.export([*ledger.lines(), *few], closing=b""), nonsense, find("TAIL_MISSING", D))
    heads = {"heads": [ledger.tip(2)]}
    add("a head before 10,000 lines of nonsense", ledger.export([*ledger.lines(), *enough]), nonsense, **TOO_MUCH, **heads)
    late = {"heads": [Ledger(20000).tip()], "unchecked": ["HEAD_NOT_COMPARED", "TOO_MUCH_DAMAGE"]}
    add("a head behind 10,000 lines of nonsense", ledger.export([*ledger.lines(), *enough]), nonsense, **late)
    twice = [ledger.lines()[2]] * (DAMAGED_MAX + 5)
    add("10,000 times the same record", ledger.export([*ledger.lines(), *twice]), gap, broken, find("TIME_BACKWARDS", D), **TOO_MUCH)


def vaults(add):
    ledger = Ledger(SMALL := 9_003, per="commit", commit=9_003, max_unsigned=65_536)
    cuts = (4_500, 9_000)
    lines = [b"x"] * DAMAGED_MAX
    bad, nonsense = find("MANIFEST_INVALID", D), find("NOT_CANONICAL", D)
    fill = lambda count: {"damage": repack(lambda _: lines[:count])}
    add("a segment with 9,999 lines of nonsense", vault(ledger, cuts, {0: fill(9_999)}), bad, nonsense)
    add("a segment with 10,000 lines of nonsense", vault(ledger, cuts, {0: fill(10_000)}), bad, nonsense, **TOO_MUCH)
    later = {0: fill(9_999), 1: {"damage": repack(lambda _: [b"x"])}, 2: {"damage": repack(lambda _: [b"x"])}}
    add("10,000 damaged lines in two segments, the third is not looked at", vault(ledger, cuts, later), bad, nonsense,
        find("SEQ_GAP", D), **TOO_MUCH)
    strange = {0: fill(10_000), 2: {"keys": (STRANGER,)}}
    add("manifests are looked at behind too much damage", vault(ledger, cuts, strange), bad, nonsense, find("KEY_UNKNOWN", D), **TOO_MUCH)
    files = vault(ledger, cuts, {0: fill(10_000)})
    gone = {path: data for path, data in files.items() if path != segment_of(files, (9_000, SMALL))}
    add("a segment's file that is gone is not missed behind too much damage", gone, bad, nonsense, **TOO_MUCH)
    heads = {"heads": [ledger.tip(9_000), ledger.tip(10)], "unchecked": ["HEAD_NOT_COMPARED", "TOO_MUCH_DAMAGE"]}
    add("heads behind too much damage", files, bad, nonsense, **heads)


def many_ledgers(add):
    """All ledgers together have too much damage."""
    files, names = {}, [f"l{number:02}" for number in range(12)]
    findings, unchecked = [], ["TOO_MUCH_DAMAGE"]
    for number, name in enumerate(names):
        ledger = Ledger(4_499, name=name, per="commit", commit=4_499, max_unsigned=65_536)
        damage = {0: {"damage": repack(lambda _: [b"x"] * 9_999)}} if number < 11 else {0: {"damage": repack(lambda _: [b"x"])}}
        files |= vault(ledger, (), damage)
        if number < 11:
            findings += [find("MANIFEST_INVALID", D, ledger=name), find("NOT_CANONICAL", D, ledger=name)]
    # Ten ledgers have 99,990 damaged lines; the eleventh takes them over 100,000, and the twelfth is not looked at.
    add("twelve ledgers", files, *findings, unchecked=unchecked)


def boundary(add):
    """Segments end on multiples of 65,536; a run goes on across."""
    commit = Ledger(SEGMENT_RECORDS + 9, per="commit", commit=SEGMENT_RECORDS + 9, max_unsigned=SEGMENT_RECORDS)
    # Record 0 and the last one are signed: a run of 65,544.
    add("a run across 65,536 that is too long", vault(commit, (SEGMENT_RECORDS,)), find("UNSIGNED", T))
    signed = commit.bent(lambda other: other.rows[SEGMENT_RECORDS - 5].sign())
    whole = vault(signed, (SEGMENT_RECORDS,))
    add("a run across 65,536", whole)
    first = {path: data for path, data in whole.items() if manifest_path((SEGMENT_RECORDS, SEGMENT_RECORDS + 9)) != path}
    add("a vault may end unsigned on 65,536", first)
    add("a head behind 65,536", first, ["HEAD_BEHIND", "behind", "orders", 0, 0], heads=[signed.tip()])
    crossing = vault(signed, (SEGMENT_RECORDS - 10,))
    last = find("MANIFEST_INVALID", D)
    add("a manifest across 65,536", crossing, last)
    one = Ledger(600)
    huge = vault(one, (), {0: {"change": lambda said: said["plain"].update(size=(1 << 30) + 1)}})
    add("plain.size over 1 GiB", huge, last, unchecked=["NOTHING_THERE"])
    exact = vault(one, (), {0: {"change": lambda said: said["plain"].update(size=1 << 30)}})
    add("plain.size of 1 GiB", exact, find("MANIFEST_INVALID", T))
    long = [rle(b"a", 1 << 17)] * 15 + [rle(b"a", (1 << 17) - 1), raw(b"\n")]
    add("1 GiB of plain bytes", vault(one, (), {0: {"damage": lambda packed, _: frame(*long * 520, fields=b"\x38"),
        "change": lambda said: said["plain"].update(size=1 << 30)}}), find("MANIFEST_INVALID", D), find("NOT_CANONICAL", D), find("TAIL_MISSING", D))
