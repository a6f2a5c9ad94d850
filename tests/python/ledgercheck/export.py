"""Section 7.5: an export."""

from . import canonical
from .findings import CouldNotCheck, Problem
from .note import open_checkpoint
from .packed import MAGIC, Counted, Frames, Unpackable, lines
from .record import is_ledger, is_origin
from .replay import Replay

EXPORT_BYTES_MAX = 1 << 50


def check(path, trust, head, findings):
    try:
        file = open(path, "rb")
    except OSError as error:
        raise CouldNotCheck(str(error)) from None
    with file:
        packed = file.read(4) == MAGIC
        file.seek(0)
        stream = Counted(Frames(file) if packed else file, EXPORT_BYTES_MAX, lambda data: None)
        try:
            run(lines(stream), trust, head, findings)
        except Unpackable as error:
            findings.add("TAIL_MISSING", path, str(error))


def run(source, trust, head, findings):
    ledger, origin = header(next(source, (b"", False)))
    replay = Replay(ledger, origin, trust.keys(origin), findings, head)
    closing = None
    for line, whole in source:
        if closing is not None:
            findings.add("NOT_CANONICAL", ledger, "something follows the closing line")
            break
        if whole and line.startswith(b'{"checkpoint":'):
            closing = line
        elif whole:
            replay.line(line)
        else:
            findings.add("NOT_CANONICAL", ledger, "a line without end or too long")
    replay.end()
    if closing is None:
        findings.add("TAIL_MISSING", ledger, "the export has no closing line")
        return
    try:
        close(closing, origin, trust, replay)
    except Problem as problem:
        findings.add(problem.code, ledger, problem.detail)


def header(first):
    line, whole = first
    try:
        value = canonical.parse_canonical(line)
        inner = value["export"]
        good = whole and set(value) == {"export", "v"} and value["v"] == 1 and set(inner) == {"ledger", "origin"}
        if good and is_ledger(inner["ledger"]) and is_origin(inner["origin"], inner["ledger"]):
            return inner["ledger"], inner["origin"]
    except (canonical.JsonError, TypeError, KeyError, IndexError):
        pass
    raise Problem("NOT_CANONICAL", "no header line of an export")


def close(line, origin, trust, replay):
    try:
        value = canonical.parse_canonical(line)
    except canonical.JsonError as error:
        raise Problem("NOT_CANONICAL", str(error)) from None
    if set(value) != {"checkpoint"} or not isinstance(value["checkpoint"], str):
        raise Problem("NOT_CANONICAL", "not the closing line of an export")
    checkpoint = open_checkpoint(value["checkpoint"], origin, trust)
    if checkpoint.size > replay.next_seq:
        raise Problem("TAIL_MISSING", f"{replay.next_seq} of {checkpoint.size} records are there")
    if checkpoint.size < replay.next_seq:
        raise Problem("CHECKPOINT_INVALID", "the checkpoint covers fewer records than there are")
    if replay.whole and checkpoint.root != replay.tree.root():
        raise Problem("ROOT_MISMATCH", "the checkpoint has another root")
