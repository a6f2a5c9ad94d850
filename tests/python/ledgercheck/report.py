"""Section 8.1: findings, things not checked, the verdict and the exit code."""

from typing import NamedTuple, Optional

TAMPERING, DAMAGE, BEHIND = "tampering", "damage", "behind"
GOOD = "good"
EXIT_CODES = {GOOD: 0, "tampered": 1, "damaged": 1, "behind": 2, "unchecked": 2}
EXIT_WRONG_USE = 64
# What is listed of each; all are counted.
LISTED_MAX = 2000


class Finding(NamedTuple):
    code: str
    kind: str
    ledger: Optional[str]
    first: Optional[int]
    last: Optional[int]
    message: str


class Unchecked(NamedTuple):
    code: str
    ledger: Optional[str]
    what: str
    why: str


class Report:
    def __init__(self, source, ledgers=()):
        self.source = source
        self.asked = set(ledgers)
        self.findings, self.unchecked, self.notes, self.ledgers = [], [], [], {}
        self.proven = None
        self._listed, self._counts, self._codes = set(), {}, {}

    def is_asked(self, ledger):
        return not self.asked or ledger in self.asked

    def find(self, code, kind, ledger, place, message):
        """A finding. `place` is the first and the last record that it is about, or None."""
        first, last = place or (None, None)
        self._counts[ledger, kind] = self._counts.get((ledger, kind), 0) + 1
        self._codes[code] = self._codes.get(code, 0) + 1
        key = (code, kind, ledger, first, last)
        if key not in self._listed and len(self.findings) < LISTED_MAX:
            self._listed.add(key)
            self.findings.append(Finding(*key, message))

    def leave(self, code, ledger, what, why):
        """Something that is not checked."""
        self.unchecked.append(Unchecked(code, ledger, what, why))

    def note(self, text):
        self.notes.append(text)

    def found(self, ledger):
        """How many findings a ledger has."""
        return sum(count for (of, _), count in self._counts.items() if of == ledger)

    def total(self):
        return sum(self._counts.values())

    def verdict(self, ledger=None):
        """The verdict of everything, or of one ledger."""
        kinds = {kind for of, kind in self._counts if ledger in (None, of)}
        for kind, verdict in ((TAMPERING, "tampered"), (DAMAGE, "damaged"), (BEHIND, "behind")):
            if kind in kinds:
                return verdict
        left = [one for one in self.unchecked if ledger in (None, one.ledger)]
        return "unchecked" if left else GOOD

    def exit_code(self):
        return EXIT_CODES[self.verdict()]

    def to_json(self):
        report = {
            "v": 1,
            "source": self.source,
            "verdict": self.verdict(),
            "exit_code": self.exit_code(),
            "findings": [finding_json(finding) for finding in self.findings],
            "findings_by_code": self._codes,
            "findings_total": self.total(),
            "unchecked": [one._asdict() for one in self.unchecked],
            "unchecked_total": len(self.unchecked),
            "notes": self.notes,
        }
        if self.proven:
            report["proven"] = self.proven
        elif not self.source.startswith("receipt"):
            report["ledgers"] = [self.ledger_json(name, facts) for name, facts in self.ledgers.items()]
        return report

    def ledger_json(self, name, facts):
        return {"name": name, "verdict": self.verdict(name), "findings": self.found(name), **facts}


def finding_json(finding):
    written = {"code": finding.code, "class": finding.kind, "ledger": finding.ledger, "message": finding.message}
    if finding.first is not None:
        written |= {"first_seq": finding.first, "last_seq": finding.last}
    return written
