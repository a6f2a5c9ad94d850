"""Section 8.4: an export."""

from . import canonical, frames
from .heads import Heads, leave_all
from .lines import DAMAGED_LINES_MAX, Lines
from .names import is_ledger, is_origin
from .note import open_checkpoint
from .report import DAMAGE, TAMPERING

CLOSING = b'{"checkpoint":'


class NewerVersion(Exception):
    """An export of a later program."""


def check(path, trust, heads, report):
    try:
        with open(path, "rb") as file:
            packed = frames.is_packed(file.read(4))
            file.seek(0)
            source = frames.lines(frames.unpacked(file) if packed else frames.pieces(file))
            read(source, trust, heads, report)
    except OSError as error:
        report.leave("UNREADABLE", None, path, str(error))
        leave_all(report, heads, "the export could not be read")


def read(source, trust, heads, report):
    try:
        ledger, origin = header(next(source))
    except NewerVersion as error:
        report.leave("VERSION_UNKNOWN", None, report.source, f"{error}: a newer verifier is needed")
        return leave_all(report, heads, "the export was not read")
    except (ValueError, StopIteration, frames.Unterminated, frames.LineTooLong, frames.Unpackable):
        report.find("NOT_CANONICAL", DAMAGE, None, None, "no header line of an export")
        return leave_all(report, heads, "the export was not read")
    if not report.is_asked(ledger):
        report.leave("NOT_FOUND", ledger, ledger, "the export is one of another ledger than those asked for")
    return Export(source, ledger, origin, trust, heads, report).check()


def header(line):
    """Ledger and origin."""
    try:
        value = canonical.parse_canonical(line)
    except canonical.JsonError as error:
        raise ValueError(str(error)) from None
    if isinstance(value, dict) and "export" in value and is_above_one(value.get("v")):
        raise NewerVersion(f"version {value['v']}")
    inner = value.get("export") if isinstance(value, dict) else None
    fits = isinstance(inner, dict) and set(value) == {"export", "v"} and value["v"] == 1 and value["v"] is not True
    if not fits or set(inner) != {"ledger", "origin"}:
        raise ValueError("other members")
    if not is_ledger(inner["ledger"]) or not is_origin(inner["origin"], inner["ledger"]):
        raise ValueError("names that are none")
    return inner["ledger"], inner["origin"]


def is_above_one(value):
    return isinstance(value, int) and not isinstance(value, bool) and value > 1


class Export:
    def __init__(self, source, ledger, origin, trust, heads, report):
        self.source, self.ledger, self.origin = source, ledger, origin
        self.trust, self.report = trust, report
        mine = [head for head in heads if head.origin == origin]
        leave_all(report, [head for head in heads if head.origin != origin], "it is one of another ledger")
        self.heads = Heads(report, ledger, mine)
        self.state = Lines(report, ledger, False, self.heads)
        self.state.measure_by(origin, trust.keys(origin))
        # Whether something of the file was not looked at.
        self.stopped = False

    def tell(self, code, kind, message, place=None):
        self.report.find(code, kind, self.ledger, place, message)

    def check(self):
        state = self.state
        closing = self.records()
        state.tell_strangers()
        if closing is not None:
            self.close(closing)
        state.end()
        if not state.count and not self.stopped:
            self.report.leave("NOTHING_THERE", self.ledger, self.ledger, "no record is there")
        self.heads.end(None if self.stopped else state.due)
        self.report.ledgers[self.ledger] = {
            "origin": self.origin,
            "records": state.count,
            "size": state.due,
            "sign_per": state.rules and state.rules[0],
            "principals": state.rules and state.rules[2],
            "known_to": self.heads.known_to,
        }

    def records(self):
        """Looks at the records; gives the closing line. Only the end of the file shows which line is the last."""
        held = None
        try:
            for line in self.source:
                if held is not None and self.look(held):
                    return None
                held = line
        except frames.LineTooLong:
            return self.too_long(held)
        except frames.Unterminated:
            self.cut(held, "the export ends inside a line")
            return None
        except frames.Unpackable as error:
            self.cut(held, str(error))
            return None
        if held is not None and held.startswith(CLOSING):
            return held
        self.cut(held, "the export has no closing line")
        return None

    def look(self, line):
        """One line; whether nothing is looked at behind it."""
        self.state.look(line)
        if self.state.damaged < DAMAGED_LINES_MAX:
            return False
        self.stopped = self.state.end_missing = True
        self.report.leave("TOO_MUCH_DAMAGE", self.ledger, self.ledger, "not all lines were looked at")
        return True

    def cut(self, held, message):
        if held is not None and self.look(held):
            return
        self.state.end_missing = True
        self.tell("TAIL_MISSING", DAMAGE, message)

    def too_long(self, held):
        if held is not None and self.look(held):
            return
        self.stopped = self.state.end_missing = True
        self.tell("NOT_CANONICAL", DAMAGE, "a line is too long", (self.state.due, self.state.due))

    def close(self, line):
        try:
            value = canonical.parse_canonical(line)
        except canonical.JsonError as error:
            return self.tell("NOT_CANONICAL", DAMAGE, f"the closing line: {error}")
        if set(value) != {"checkpoint"} or not isinstance(value["checkpoint"], str):
            return self.tell("NOT_CANONICAL", DAMAGE, "not the closing line of an export")
        checkpoint, code = open_checkpoint(value["checkpoint"], self.origin, self.trust)
        if code:
            return self.tell(code, DAMAGE, "the closing line's checkpoint does not open")
        return self.compare(checkpoint)

    def compare(self, checkpoint):
        state = self.state
        kind = TAMPERING if state.sound else DAMAGE
        if checkpoint.size > state.due:
            state.end_missing = True
            place = (state.due, checkpoint.size - 1)
            self.tell("TAIL_MISSING", DAMAGE, f"{state.due} of {checkpoint.size} records are there", place)
        elif checkpoint.size < state.due:
            place = (checkpoint.size, state.due - 1)
            self.tell("CHECKPOINT_INVALID", kind, "the checkpoint covers fewer records than there are", place)
        elif state.tree is not None and state.tree.root() != checkpoint.root:
            place = (0, checkpoint.size - 1)
            self.tell("ROOT_MISMATCH", kind, "the records have another root than the checkpoint", place)
