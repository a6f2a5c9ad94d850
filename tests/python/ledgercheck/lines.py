"""Section 8.2: the lines of a ledger, in order, and the state that is carried on."""

from . import ed25519
from .keys import spelled
from .line import Line
from .manifest import SEGMENT_RECORDS
from .names import SEQ_MAX
from .record import Contents, Record, record_digest
from .report import DAMAGE, TAMPERING
from .tree import Subtrees

# How far a verifier looks: damaged lines of a segment or export, of a ledger, of all ledgers.
DAMAGED_LINES_MAX = 10_000
DAMAGED_LINES_OF_ALL_MAX = 100_000

# Unknown kinds that are named for a ledger.
KINDS_MAX = 64


class Lost:
    """Stands for a digest of which nothing is known any more."""


LOST = Lost()


class Run:
    """Records in a row without a signature."""

    def __init__(self, first):
        self.first, self.count, self.firm = first, 0, True


class Lines:
    """The state of 8.2. `tree` is None once it is lost; `stated` is None before record 0."""

    def __init__(self, report, ledger, in_vault, heads=None):
        self.report, self.ledger, self.in_vault, self.heads = report, ledger, in_vault, heads
        self.origin, self.trusted, self.intact = None, {}, False
        self.due, self.stated, self.recomputed, self.bad_signature = 0, None, None, False
        self.time, self.rules, self.run = None, None, None
        # What a line said that was not certain makes nothing tampering later.
        self.time_is_certain, self.rules_are_certain = True, True
        # `firm` is the tree that no line went into that was not sound, but for those that a trusted manifest stands for.
        self.tree, self.firm, self.sound = Subtrees(), True, True
        self.count, self.damaged = 0, 0
        # Of this segment: its own tree, lines, key ids.
        self.own, self.own_count, self.kids = Subtrees(), 0, set()
        self.kinds, self.end_missing = set(), False
        # Heads of more records are not compared with these lines: what is behind a manifest's run.
        self.compared_to = SEQ_MAX + 1
        # Lines signed with keys that are not trusted: how many, and (first, last) of each key that is not yet said.
        self.signed_by_strangers, self.strangers = 0, {}
        # What is said of several lines at once damages none of them at that moment.
        self.told_later = 0

    def measure_by(self, origin, trusted):
        self.origin, self.trusted = origin, trusted

    def tell(self, code, kind, place, message):
        self.report.find(code, kind, self.ledger, place, message)

    def look(self, data):
        """One line (without its LF)."""
        self.count += 1
        self.own_count += 1
        before = self.findings_of_lines()
        try:
            line = Line(data)
        except ValueError as error:
            self.no_line(str(error))
        else:
            Step(self, line).take()
        self.damaged += self.findings_of_lines() > before
    def findings_of_lines(self):
        return self.report.total() - self.told_later + self.signed_by_strangers

    def no_line(self, why):
        """Step 1: the layout is not there."""
        kind = TAMPERING if self.intact else DAMAGE
        self.tell("NOT_CANONICAL", kind, (self.due, self.due), why)
        self.end_run()
        self.lose()
        self.due += 1

    def lose(self):
        """Stated digest and tree are lost."""
        self.stated, self.recomputed, self.bad_signature = LOST, None, False
        self.tree, self.own, self.sound = None, None, False

    def continue_run(self, seq, firm):
        """Step 8."""
        if self.run is None or self.run.first + self.run.count != seq:
            self.end_run()
            self.run = Run(seq)
        self.run.count += 1
        self.run.firm = self.run.firm and firm

    def end_run(self, at_the_end=False):
        run, self.run = self.run, None
        if run is None or self.rules is None:
            return
        sign_per, max_unsigned, _ = self.rules
        if sign_per == "record" or run.count > max_unsigned or run.first == 0 or at_the_end:
            kind = TAMPERING if run.firm and self.rules_are_certain else DAMAGE
            self.told_later += 1
            self.tell("UNSIGNED", kind, (run.first, run.first + run.count - 1), "records without a signature")

    def grow(self, digest):
        """Step 7; and a head is compared where the tree reaches its size."""
        if self.own is not None:
            self.own.add(digest)
        if self.tree is None:
            return
        self.tree.add(digest)
        if self.tree.end <= self.compared_to and self.heads.wants(self.tree.end):
            self.heads.compare(self.tree.end, self.tree.root(), TAMPERING if self.sound and self.firm else DAMAGE)

    def meet(self, kid, seq):
        """A line is signed with a key that is not trusted: said once for each key of a segment or export."""
        self.signed_by_strangers += 1
        first, last = self.strangers.get(kid, (seq, seq))
        self.strangers[kid] = (min(first, seq), max(last, seq))

    def tell_strangers(self):
        strangers, self.strangers = self.strangers, {}
        for kid, place in strangers.items():
            self.told_later += 1
            self.tell("KEY_UNKNOWN", DAMAGE, place, f"records are signed with {kid}")

    def end(self):
        """The end of a ledger."""
        in_a_commit = self.in_vault and self.due % SEGMENT_RECORDS == 0
        self.end_run(at_the_end=not (in_a_commit or self.end_missing))
        found = self.report.found(self.ledger)
        if self.count and self.rules is None and not found:
            self.report.leave("RULES_UNKNOWN", self.ledger, self.ledger, "record 0 was not seen")


class Step:
    """One line that has the layout, through the steps 2 to 8."""

    def __init__(self, state, line):
        self.state, self.line = state, line
        try:
            self.record = Record(line.record)
        except ValueError as error:
            self.record, self.why = None, str(error)
        self.seq = state.due if self.record is None else self.record.seq
        self.in_place = self.seq == state.due
        self.follows = state.stated is not LOST and record_digest(line.record, state.stated) == line.digest
        self.sound = self.in_place and self.follows
        certain = state.intact if state.in_vault else self.sound
        self.c = TAMPERING if certain else DAMAGE

    def tell(self, code, message, kind=None, place=None):
        self.state.tell(code, kind or self.c, place or (self.seq, self.seq), message)

    def take(self):
        state = self.state
        state.kids |= {self.line.kid} - {None}
        if self.record is None:
            self.tell("NOT_CANONICAL", self.why)
        else:
            self.place()
            self.contents()
        state.due = self.seq + 1
        state.sound = state.sound and self.sound
        self.digest()
        self.signature()
        state.grow(self.line.digest)
        if self.line.kid is None:
            state.continue_run(self.seq, self.c == TAMPERING)
        else:
            state.end_run()

    def place(self):
        state = self.state
        if self.in_place:
            return
        gap = (state.due, self.seq - 1) if self.seq > state.due else None
        self.tell("SEQ_GAP", f"record {state.due} was due", place=gap)
        state.tree, state.own = None, None

    def contents(self):
        state, record = self.state, self.record
        if record.ledger != state.origin.partition("/")[2]:
            self.tell("CHAIN_BROKEN", "a record of another ledger")
        if state.time is not None and record.time < state.time:
            kind = self.c if state.time_is_certain else DAMAGE
            self.tell("TIME_BACKWARDS", "the record's time is before the last one's", kind)
        state.time, state.time_is_certain = record.time, self.c == TAMPERING
        contents = Contents(record, state.origin, state.trusted, state.rules and state.rules[2])
        if contents.measured:
            kind = self.c if state.rules_are_certain else DAMAGE
            self.tell(contents.code, "it says of who wrote it what record 0 does not", kind)
        elif contents.code:
            self.tell(contents.code, f"a record of kind {record.kind} that cannot be here")
        if contents.unknown_kind and contents.unknown_kind not in state.kinds and len(state.kinds) < KINDS_MAX:
            state.kinds.add(contents.unknown_kind)
            why = f"its kind {contents.unknown_kind} is not known here: a newer verifier is needed"
            state.report.leave("KIND_UNKNOWN", state.ledger, f"record {record.seq}", why)
        if contents.creation and state.rules is None:
            rules = contents.creation
            state.rules = rules["sign_per"], rules["max_unsigned"], rules["principals"]
            state.rules_are_certain = self.c == TAMPERING
            for kid in contents.strangers:
                self.tell("KEY_UNKNOWN", f"{kid} of record 0 is not trusted", DAMAGE)

    def digest(self):
        state, stated = self.state, self.line.digest
        recomputed = None
        if state.stated is not LOST and not self.follows:
            recomputed = record_digest(self.line.record, state.stated)
            earlier = state.recomputed
            reported = earlier is not None and record_digest(self.line.record, earlier) == stated
            if not reported:
                broken = not self.in_place or state.bad_signature
                self.tell("CHAIN_BROKEN" if broken else "HASH_MISMATCH", "the digest is another")
        state.stated, state.recomputed = stated, recomputed

    def signature(self):
        state, line = self.state, self.line
        state.bad_signature = False
        if line.kid is None:
            return
        if not ed25519.verify_record(spelled(line.kid), line.digest, line.signature):
            state.bad_signature = True
            self.tell("SIG_INVALID", "the signature does not fit the digest")
        if line.kid not in state.trusted:
            state.meet(line.kid, self.seq)
