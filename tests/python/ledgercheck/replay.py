"""Sections 3 to 5 in order: one ledger's lines from record 0 on, with chain, time and signatures."""

from . import ed25519
from .record import SEQ_MAX, Line, Record
from .tree import Subtrees


class Replay:
    """What is known of a ledger after the lines so far. `origin` is the one that the auditor trusts."""

    def __init__(self, ledger, origin, keys, findings, head=None):
        self.ledger, self.origin, self.keys, self.findings, self.head = ledger, origin, keys, findings, head
        self.next_seq, self.digest, self.time = 0, None, ""
        self.creation = None
        self.unsigned, self.unsigned_told = 0, False
        # Whether the line before gave no reason for doubt: then a wrong digest is this line's own.
        self.sound = True
        self.tree = Subtrees()
        # False once a record is missing: roots can no longer be compared.
        self.whole = True

    def tell(self, code, detail, seq=None):
        self.findings.add(code, f"{self.ledger} record {self.next_seq if seq is None else seq}", detail)

    def line(self, data):
        """Takes one line (without LF). Gives the key id that signed it, or None."""
        try:
            line = Line(data)
            record = Record(line.record)
            if record.ledger != self.ledger:
                raise ValueError(f"a record of {record.ledger}")
        except ValueError as error:
            self.tell("NOT_CANONICAL", str(error))
            self.broken_line()
            return None
        self.place(record)
        self.chain(line, record)
        self.sound = True
        self.meaning(record)
        self.signed(line, record)
        self.time = max(self.time, record.time)
        self.grow(line.digest, record.seq)
        return line.kid

    def broken_line(self):
        self.next_seq += 1
        self.digest, self.whole, self.sound = None, False, False

    def place(self, record):
        if record.seq != self.next_seq:
            self.tell("SEQ_GAP", f"{record.seq} stands where {self.next_seq} is due")
            self.whole, self.sound = False, False

    def chain(self, line, record):
        if record.digest(self.digest) == line.digest:
            return
        if self.sound:
            self.tell("HASH_MISMATCH", "the digest is not that of the record", record.seq)
        else:
            self.tell("CHAIN_BROKEN", "the digest does not follow from the one before", record.seq)

    def meaning(self, record):
        if record.time < self.time:
            self.tell("NOT_CANONICAL", "time goes backwards", record.seq)
        created = record.system is not None and record.system["kind"] == "ledger_created"
        if created != (record.seq == 0):
            self.tell("NOT_CANONICAL", "record 0 and only record 0 creates a ledger", record.seq)
        elif created:
            self.creation = record.system
            if record.system["origin"] != self.origin:
                self.tell("NOT_CANONICAL", f"created as {record.system['origin']}", 0)

    def signed(self, line, record):
        if line.kid is None:
            self.unsigned += 1
            per_record = self.creation is not None and self.creation["sign_per"] == "record"
            limit = self.creation["max_unsigned"] if self.creation else SEQ_MAX
            if per_record or (self.unsigned > limit and not self.unsigned_told):
                self.tell("UNSIGNED", "no signature where one is due", record.seq)
                self.unsigned_told, self.sound = True, False
            return
        self.unsigned, self.unsigned_told = 0, False
        public = self.keys.get(line.kid)
        if public is None:
            self.tell("KEY_UNKNOWN", f"signed with {line.kid}", record.seq)
        elif not ed25519.verify_record(public, line.digest, line.signature):
            self.tell("SIG_INVALID", "the signature is not that of the digest", record.seq)
            self.sound = False

    def grow(self, digest, seq):
        self.digest, self.next_seq = digest, seq + 1
        self.tree.append(digest)
        if self.head and self.whole and self.next_seq == self.head.size and self.tree.root() != self.head.root:
            self.findings.add("ROOT_MISMATCH", self.ledger, f"the expected head of {self.head.size} has another root")

    def end(self):
        """The last record has been seen."""
        if self.unsigned and not self.unsigned_told:
            self.tell("UNSIGNED", "the last record has no signature", self.next_seq - 1)
        if self.head and self.next_seq < self.head.size:
            self.findings.add("TAIL_MISSING", self.ledger, f"{self.next_seq} of {self.head.size} records are there")
        if not self.head:
            self.findings.note(f"{self.ledger}: no expected head was given; a cut tail cannot be seen")
