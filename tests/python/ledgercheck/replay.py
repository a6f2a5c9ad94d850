"""Section 7.6, records: one ledger's lines from record 0 on, with chain, time, signatures and tree.

Everything is measured against what the lines state: a digest is recomputed from the stated digest of
the line before, so that one changed record is one finding and not one for every record after it.
"""

from . import ed25519
from .manifest import SEGMENT_RECORDS
from .record import Line, Record, check_system
from .tree import Subtrees, leaf_hash, sha256


class Link:
    """The line before, as far as the next digest depends on it."""

    def __init__(self, stated=None, recomputed=None, signature_bad=False):
        self.stated, self.recomputed, self.signature_bad = stated, recomputed, signature_bad
        self.known = True


def unknown_link():
    link = Link()
    link.known = False
    return link


class Stretch:
    """The leaves of consecutive lines."""

    def __init__(self, begin):
        self.range, self.aligned, self.lines, self.keys = Subtrees(begin), True, 0, set()
        self.marks = []


class Replay:
    """What is known of a ledger after the lines so far."""

    def __init__(self, ledger, origin, findings, head=None):
        self.ledger, self.origin, self.findings, self.head = ledger, origin, findings, head
        self.next_seq, self.link, self.time, self.creation = 0, Link(), "", None
        self.records, self.run, self.head_compared = 0, None, False
        # The tree of everything so far; None once it cannot be known any more.
        self.tree = Subtrees()
        self.keys, self.stretch, self.named = {}, None, ledger

    def tell(self, code, detail, seq):
        self.findings.add(code, f"{self.ledger} record {seq}", detail)

    def begin(self, begin, keys, named):
        """The next lines are leaves from `begin` on and should be of the ledger `named`."""
        self.keys, self.stretch, self.named = keys, Stretch(begin), named

    # One line.

    def line(self, data):
        self.stretch.lines += 1
        try:
            line = Line(data)
        except ValueError as error:
            self.tell("NOT_CANONICAL", str(error), self.next_seq)
            self.next_seq += 1
            self.link, self.stretch.aligned = unknown_link(), False
            return
        self.records += 1
        try:
            record = Record(line.record)
        except ValueError as error:
            self.tell("NOT_CANONICAL", str(error), self.next_seq)
            record = None
        seq = record.seq if record else self.next_seq
        jumped = seq != self.next_seq
        if jumped:
            self.tell("SEQ_GAP", f"{seq} stands where {self.next_seq} is due", seq)
            self.stretch.aligned = False
        if record:
            self.contents(record)
        recomputed = self.chain(line, seq, jumped)
        bad = self.signed(line, seq)
        self.link = Link(line.digest, recomputed, bad)
        self.leaf(line.digest)
        self.next_seq = seq + 1

    def contents(self, record):
        if record.ledger != self.named:
            self.tell("CHAIN_BROKEN", f"a record of {record.ledger}", record.seq)
        if record.time < self.time:
            self.tell("TIME_BACKWARDS", f"{record.time} follows {self.time}", record.seq)
        self.time = record.time
        try:
            kind = check_system(record.system) if record.system is not None else None
        except ValueError as error:
            self.tell("NOT_CANONICAL" if record.seq else "CREATION_INVALID", str(error), record.seq)
            return
        if (kind == "ledger_created") != (record.seq == 0):
            self.tell("CREATION_INVALID", "record 0 and only record 0 creates a ledger", record.seq)
        elif record.seq == 0:
            self.created(record.system)

    def created(self, creation):
        self.creation = creation
        origin = creation["origin"]
        if self.origin not in (None, origin) or not origin.endswith("/" + self.ledger):
            self.tell("CREATION_INVALID", f"created as {origin}", 0)

    def chain(self, line, seq, jumped):
        """The digest that the record's bytes lead to, where that is another than stated."""
        if not self.link.known:
            return None
        recomputed = sha256(line.record, self.link.stated or b"")
        if recomputed == line.digest:
            return None
        before = self.link
        if before.recomputed and sha256(line.record, before.recomputed) == line.digest:
            return recomputed  # Only the stated digest before was changed, which is told already.
        if jumped or before.signature_bad:
            self.tell("CHAIN_BROKEN", "the record does not follow the one before it", seq)
        else:
            self.tell("HASH_MISMATCH", "the digest is not that of the record", seq)
        return recomputed

    def signed(self, line, seq):
        """Whether the signature is bad."""
        if line.kid is None:
            if self.run and sum(self.run) == seq:
                self.run = (self.run[0], self.run[1] + 1)
            else:
                self.close_run()
                self.run = (seq, 1)
            return False
        self.stretch.keys.add(line.kid)
        public = self.keys.get(line.kid)
        if public is None:
            self.tell("KEY_UNKNOWN", f"signed with {line.kid}", seq)
        elif not ed25519.verify_record(public, line.digest, line.signature):
            self.tell("SIG_INVALID", "the signature is not that of the digest", seq)
            return True
        return False

    def close_run(self):
        """Judges a run of records without a signature of their own."""
        if self.run and self.creation:
            first, count = self.run
            if self.creation["sign_per"] == "record" or count > self.creation["max_unsigned"]:
                self.tell("UNSIGNED", f"{count} records without the signature that is due", first)
        self.run = None

    def leaf(self, digest):
        self.stretch.range.append(1, leaf_hash(digest))
        if self.head and self.stretch.range.end == self.head.size:
            self.stretch.marks.append(self.stretch.range.joined(Subtrees(self.head.size)))

    # Several lines.

    def join(self, vouched=None):
        """The stretch is over. `vouched` are the leaves that a trusted manifest states for it."""
        own = self.stretch
        whole = own.aligned and (vouched is None or vouched.end == own.range.end)
        if whole and self.tree:
            for mark in own.marks:
                self.compare_head(self.tree.joined(mark))
        if vouched is not None:
            if whole and vouched.hashes() != own.range.hashes():
                self.tell("ROOT_MISMATCH", "the digests do not lead to the manifest's subtrees", vouched.begin)
            self.grow(vouched)
        elif own.aligned:
            self.grow(own.range)
        else:
            self.tree = None

    def compare_head(self, tree):
        if tree:
            self.head_compared = True
            if tree.root() != self.head.root:
                self.tell("ROOT_MISMATCH", "the expected head has another root", self.head.size - 1)

    def grow(self, part):
        self.tree = self.tree and self.tree.joined(part)

    def skip_to(self, seq):
        """Records up to `seq` were not seen."""
        self.next_seq, self.link, self.tree = seq, unknown_link(), None
        self.close_run()

    def compare_root(self, checkpoint):
        if self.tree and self.tree.end == checkpoint.size and self.tree.root() != checkpoint.root:
            self.tell("ROOT_MISMATCH", "the checkpoint has another root", checkpoint.size - 1)

    def end(self, trust, in_vault):
        """The last record has been seen."""
        self.last_signature(in_vault)
        if self.creation:
            trusted = trust.keys(self.creation["origin"])
            for kid in self.creation["keys"]:
                if kid not in trusted:
                    self.tell("KEY_UNKNOWN", f"record 0 names {kid}", 0)
        elif self.records and not self.findings.codes:
            self.findings.could_not_check(f"{self.ledger}: record 0 was not seen")
        if not self.head:
            self.findings.note(f"{self.ledger}: no expected head was given; a cut tail cannot be seen")
        elif self.head.size > self.next_seq:
            code = "TAIL_MISSING" if in_vault else "HEAD_BEHIND"
            self.tell(code, f"the expected head has {self.head.size} records", self.next_seq)
        elif self.head.size and not self.head_compared:
            self.findings.could_not_check(f"{self.ledger}: the expected head could not be compared")

    def last_signature(self, in_vault):
        if not self.run:
            return
        first, count = self.run
        self.close_run()
        if not self.creation or self.creation["sign_per"] == "record" or first + count != self.next_seq:
            return
        # A segment's border may lie inside of a commit, whose signature comes with the next segment.
        on_border = in_vault and self.next_seq % SEGMENT_RECORDS == 0
        if not on_border and count <= self.creation["max_unsigned"]:
            self.tell("UNSIGNED", "the last record has no signature", self.next_seq - 1)
