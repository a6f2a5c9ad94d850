"""Section 8.6: heads, and what they vouch for."""

from .note import NOTE_BYTES_MAX, Checkpoint, mend, open_checkpoint
from .report import BEHIND, DAMAGE, TAMPERING

NOT_COMPARED = "HEAD_NOT_COMPARED"


class Heads:
    """The heads of one ledger (or of none). Each is judged by itself."""

    def __init__(self, report, ledger, heads):
        self.report, self.ledger = report, ledger
        self.open = {}
        for head in heads:
            # A head of size 0 says nothing.
            if head.size:
                self.open.setdefault(head.size, {})[head.root] = head
        self.known_to, self.vouched = None, set()

    def wants(self, size):
        return size in self.open

    def compare(self, size, root, kind):
        """The ledger's tree of this size has this root."""
        for expected in self.open.pop(size, ()):
            if expected == root:
                self.known_to = max(size, self.known_to or 0)
            else:
                self.contradicts(size, kind)

    def stated(self, size, root):
        """A trusted checkpoint of this size has this root."""
        roots = self.open.get(size, {})
        for expected in list(roots):
            if expected == root:
                # Compared, even where the tree never reaches this size.
                self.vouched.add(size)
                self.known_to = max(size, self.known_to or 0)
            else:
                del roots[expected]
                self.contradicts(size, TAMPERING)

    def contradicts(self, size, kind):
        self.report.find("ROOT_MISMATCH", kind, self.ledger, (0, size - 1), f"the head of {size} records has another root")

    def end(self, end):
        """The ledger has no more than `end` records, or nobody knows (None)."""
        for size in sorted(size for size in self.open if self.open[size] and size not in self.vouched):
            if end is None or size <= end:
                self.leave(size, "it could not be compared")
            else:
                message = f"the ledger ends before this head: {size - end} records are not in it yet"
                self.report.find("HEAD_BEHIND", BEHIND, self.ledger, (end, size - 1), message)
        self.open = {}
        self.tell_how_far()

    def leave(self, size, why):
        for _ in self.open.get(size, ()):
            self.report.leave(NOT_COMPARED, self.ledger, f"head of {size} records", why)

    def tell_how_far(self):
        if self.known_to is None:
            self.report.note(f"{self.ledger}: no head vouches for it; nothing is known of records that may have been behind")
        else:
            self.report.note(f"{self.ledger}: a head vouches for it up to record {self.known_to - 1}; nothing is known behind")


def leave_all(report, heads, why):
    for head in heads:
        if head.size:
            report.leave(NOT_COMPARED, head.ledger, f"head of {head.size} records of {head.origin}", why)


def read_heads(paths, trust, report):
    """The heads that open; the others are findings."""
    found = [read_head(path, trust, report) for path in paths]
    return [head for head in found if head]


def read_head(path, trust, report):
    from . import receipt

    try:
        with open(path, "rb") as file:
            data = file.read(receipt.FILE_BYTES_MAX + 1)
    except OSError as error:
        return report.leave("UNREADABLE", None, path, str(error))
    if receipt.looks_like_one(data):
        return receipt.as_head(data, trust, report)
    data = mend(data)
    origin = None
    if len(data) <= NOTE_BYTES_MAX:
        try:
            origin = Checkpoint(data).origin
        except ValueError:
            pass
    head, code = open_checkpoint(data, origin, trust)
    if code:
        report.find(code, DAMAGE, None, None, f"the head {path} does not open")
    return head
