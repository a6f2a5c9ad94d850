"""Section 7.5: an export."""

from . import canonical
from .findings import CouldNotCheck, Problem
from .names import is_ledger, is_origin
from .note import open_checkpoint
from .packed import MAGIC, Counted, Frames, LineTooLong, Unpackable, Unterminated, lines
from .replay import Replay

# Lines are read one at a time: an export may be as long as it likes.
EXPORT_BYTES_MAX = 1 << 62
CLOSING = b'{"checkpoint":'


def check(path, trust, head, findings):
    try:
        file = open(path, "rb")
    except OSError as error:
        raise CouldNotCheck(str(error)) from None
    with file:
        packed = file.read(4) == MAGIC
        file.seek(0)
        stream = Counted(Frames(file) if packed else file, EXPORT_BYTES_MAX, lambda data: None)
        Export(lines(stream), trust, head, findings).check()


class Export:
    def __init__(self, source, trust, head, findings):
        self.source, self.trust, self.head, self.findings = source, trust, head, findings
        self.replay = None

    def check(self):
        ledger, origin = self.header()
        mine = self.head if self.head and self.head.origin == origin else None
        if self.head and not mine:
            self.findings.could_not_check(f"the expected head is one of {self.head.origin}")
        self.replay = Replay(ledger, origin, self.findings, mine)
        self.replay.begin(0, self.trust.keys(origin), ledger)
        closing = self.records()
        self.replay.join()
        if closing is not None:
            try:
                self.close(closing, origin)
            except Problem as problem:
                self.findings.add(problem.code, ledger, problem.detail)
        self.replay.end(self.trust, in_vault=False)

    def header(self):
        try:
            value = canonical.parse_canonical(next(self.source))
            inner = value["export"]
            good = set(value) == {"export", "v"} and value["v"] == 1 and set(inner) == {"ledger", "origin"}
            if good and is_ledger(inner["ledger"]) and is_origin(inner["origin"], inner["ledger"]):
                return inner["ledger"], inner["origin"]
        except (canonical.JsonError, TypeError, KeyError, StopIteration, Unterminated, LineTooLong, Unpackable):
            pass
        raise Problem("NOT_CANONICAL", "no header line of an export")

    def records(self):
        """Replays the records. Only the end shows which line is the closing one; None without one."""
        held = None
        try:
            for line in self.source:
                if held is not None:
                    self.replay.line(held)
                held = line
            if held is not None and held.startswith(CLOSING):
                return held
            self.findings.add("TAIL_MISSING", self.replay.ledger, "the export has no closing line")
        except Unterminated:
            self.findings.add("TAIL_MISSING", self.replay.ledger, "the export ends inside a line")
        except Unpackable as error:
            self.findings.add("TAIL_MISSING", self.replay.ledger, str(error))
        except LineTooLong:
            self.findings.add("NOT_CANONICAL", self.replay.ledger, "a line is too long")
        if held is not None:
            self.replay.line(held)
        return None

    def close(self, line, origin):
        try:
            value = canonical.parse_canonical(line)
        except canonical.JsonError as error:
            raise Problem("NOT_CANONICAL", str(error)) from None
        if set(value) != {"checkpoint"} or not isinstance(value["checkpoint"], str):
            raise Problem("NOT_CANONICAL", "not the closing line of an export")
        checkpoint = open_checkpoint(value["checkpoint"], origin, self.trust)
        if checkpoint.size > self.replay.next_seq:
            raise Problem("TAIL_MISSING", f"{self.replay.next_seq} of {checkpoint.size} records are there")
        if checkpoint.size < self.replay.next_seq:
            raise Problem("CHECKPOINT_INVALID", "the checkpoint covers fewer records than there are")
        self.replay.compare_root(checkpoint)
