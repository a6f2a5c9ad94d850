"""Section 8.3 steps 1 to 6 and 8: a ledger's manifests, in the order of their names."""

import os

from .lines import DAMAGED_LINES_MAX, DAMAGED_LINES_OF_ALL_MAX, LOST
from .manifest import MANIFEST_BYTES_MAX, Manifest, OtherVersion, is_run, named_run
from .note import GOOD, UNKNOWN
from .report import DAMAGE, TAMPERING
from .segment import Segment, open_regular


class Candidate:
    """A manifest's file, and what the steps 1 to 3 make of it."""

    def __init__(self, name):
        self.name, self.named = name, named_run(name)
        self.manifest, self.trust, self.spoilt, self.tip_is_trusted = None, None, False, False
        # Steps 1 to 3 judge all manifests before step 4 puts the first into its place.
        self.said = []

    @property
    def trusted(self):
        return self.trust == GOOD and not self.spoilt

    def spoil(self, kind, message, code="MANIFEST_INVALID"):
        self.said.append((code, kind, message))
        self.spoilt = True

    def read(self, folder, report, ledger):
        """Step 1."""
        if not is_run(*self.named):
            return self.spoil(DAMAGE, "a name that is no run")
        try:
            file = open_regular(os.path.join(folder, self.name))
            if file is None:
                return self.spoil(DAMAGE, "it is no regular file")
            with file:
                self.manifest = Manifest(file.read(MANIFEST_BYTES_MAX + 1))
        except OtherVersion as error:
            self.spoilt = True
            report.leave("VERSION_UNKNOWN", ledger, self.name, f"{error}: a newer verifier is needed")
        except OSError as error:
            self.spoilt = True
            report.leave("UNREADABLE", ledger, self.name, str(error))
        except ValueError as error:
            self.spoil(DAMAGE, str(error))

    def believe(self, trust):
        """Step 2."""
        manifest = self.manifest
        self.trust = manifest.note.judge(manifest.origin, trust)
        if self.trust == UNKNOWN:
            self.said.append(("KEY_UNKNOWN", DAMAGE, "no trusted key signed it"))
        elif self.trust != GOOD:
            self.said.append(("MANIFEST_INVALID", DAMAGE, "a trusted key's signature does not fit"))
        kind = TAMPERING if self.trust == GOOD else DAMAGE
        tip = manifest.tip.note.judge(manifest.origin, trust)
        self.tip_is_trusted = tip == GOOD
        if tip == UNKNOWN:
            self.said.append(("KEY_UNKNOWN", kind, "no trusted key signed its checkpoint"))
        elif tip != GOOD:
            self.said.append(("CHECKPOINT_INVALID", kind, "its checkpoint does not open"))

    def is_of(self, ledger):
        """The first two of step 3."""
        return self.manifest.ledger == ledger and (self.manifest.first_seq, self.manifest.last_seq) == self.named

    def belongs(self, ledger, origin):
        """Step 3."""
        manifest, kind = self.manifest, TAMPERING if self.trust == GOOD else DAMAGE
        if manifest.ledger != ledger:
            self.spoil(kind, "it is of another ledger than its folder")
        if (manifest.first_seq, manifest.last_seq) != self.named:
            self.spoil(kind, "it speaks of another run than its name")
        if not self.spoilt and origin not in (None, manifest.origin):
            self.spoil(kind, f"its origin is not {origin}")


class Places:
    """The manifests of one ledger's folder, each put into its place."""

    def __init__(self, folder, ledger, trust, report, state, damage_of_all):
        self.folder, self.ledger, self.trust = folder, ledger, trust
        self.report, self.state, self.damage_of_all = report, state, damage_of_all
        self.previous_text, self.origin = LOST, None
        self.too_much = False

    def read(self, names):
        """Steps 1 and 2, and which origin the ledger has."""
        self.candidates = [Candidate(name) for name in sorted(names)]
        for candidate in self.candidates:
            candidate.read(self.folder, self.report, self.ledger)
            if candidate.manifest:
                candidate.believe(self.trust)
        first = (c for c in self.candidates if c.trusted and c.is_of(self.ledger))
        self.origin = next((c.manifest.origin for c in first), None)

    def check(self):
        """All other steps. The names of spoilt manifests."""
        for candidate in self.candidates:
            if candidate.manifest:
                candidate.belongs(self.ledger, self.origin)
        self.spoken_of = [c.named for c in self.candidates if c.trusted]
        for index, candidate in enumerate(self.candidates):
            for code, kind, message in candidate.said:
                self.tell(candidate, code, kind, message)
            if not candidate.spoilt:
                self.put(candidate, self.candidates[:index], index + 1 == len(self.candidates))
        return [c.named for c in self.candidates if c.spoilt and is_in_order(*c.named)]

    def tell(self, candidate, code, kind, message, place=None):
        first, last = candidate.named
        place = place or ((first, last) if first <= last else None)
        self.report.find(code, kind, self.ledger, place, f"{candidate.name}: {message}")

    def put(self, candidate, before, is_last):
        """Steps 4 to 8."""
        kind = TAMPERING if candidate.trusted else DAMAGE
        first, last = candidate.named
        overlaps = first < self.state.due
        if not candidate.trusted:
            overlaps = overlaps or any(a <= last and first <= b for a, b in self.spoken_of)
        if overlaps:
            self.tell(candidate, "MANIFEST_INVALID", kind, "another manifest already speaks of these records")
            candidate.spoilt = True
            return
        self.gap(candidate, before)
        self.neighbour(candidate, kind)
        if candidate.tip_is_trusted and candidate.trusted:
            self.state.heads.stated(last + 1, candidate.manifest.tip.root)
        self.stand_for(candidate, kind, *self.segment(candidate, is_last))

    def gap(self, candidate, before):
        """Step 5."""
        state, first = self.state, candidate.named[0]
        if first == state.due:
            return
        for place in holes(state.due, first, [c.named for c in before if c.spoilt and is_in_order(*c.named)]):
            self.tell(candidate, "SEGMENT_MISSING", DAMAGE, "no manifest speaks of these records", place)
        state.end_run()
        state.lose()
        self.previous_text = LOST
        state.due = first

    def neighbour(self, candidate, kind):
        """Step 6."""
        manifest, stated = candidate.manifest, self.state.stated
        if candidate.trusted and self.previous_text not in (LOST, manifest.previous):
            self.tell(candidate, "MANIFEST_INVALID", TAMPERING, "it does not follow the manifest before it")
        before = manifest.first_prev and bytes.fromhex(manifest.first_prev)
        if stated is not LOST and stated != before:
            kind = kind if self.state.sound else DAMAGE
            place = (manifest.first_seq, manifest.first_seq)
            self.tell(candidate, "CHAIN_BROKEN", kind, "it does not follow the digest before it", place)

    def segment(self, candidate, is_last):
        """Step 7. The tree before, and whether the lines were looked at and in their places to the end."""
        state, manifest = self.state, candidate.manifest
        tree = state.tree and state.tree.copy()
        if state.damaged >= DAMAGED_LINES_MAX or self.damage_of_all + state.damaged >= DAMAGED_LINES_OF_ALL_MAX:
            self.leave_rest()
            return tree, False
        origin = self.origin or manifest.origin
        state.measure_by(origin, self.trust)
        segment = Segment(
            manifest, candidate.trusted, state, candidate.named, is_last,
            lambda code, kind, message, place: self.tell(candidate, code, kind, message, place),
        )  # fmt: skip
        complete = segment.check(self.folder)
        if segment.stopped:
            self.leave_rest()
        return tree, complete

    def leave_rest(self):
        self.state.end_missing = True
        if not self.too_much:
            self.too_much = True
            self.report.leave("TOO_MUCH_DAMAGE", self.ledger, self.ledger, "not all lines were looked at")

    def stand_for(self, candidate, kind, tree, complete):
        """Step 8."""
        state, manifest = self.state, candidate.manifest
        if not complete:
            state.end_run()
        state.due = manifest.last_seq + 1
        state.recomputed, state.bad_signature = None, False
        if candidate.trusted:
            state.tree = tree and tree.joined(manifest.range())
            state.stated = bytes.fromhex(manifest.last_digest)
            state.sound = True
        elif not complete or state.own is None:
            state.lose()
        else:
            state.firm = state.firm and state.sound
        self.previous_text = manifest.text_sha256 if candidate.trusted else LOST
        if state.tree is None:
            return
        root, kind = state.tree.root(), kind if state.firm else DAMAGE
        if candidate.tip_is_trusted and root != manifest.tip.root:
            self.tell(candidate, "ROOT_MISMATCH", kind, "its checkpoint has another root")
        state.heads.compare(state.tree.end, root, kind)


def is_in_order(first, last):
    return first <= last


def holes(first, end, spoken_of):
    """Runs of `first` to `end` - 1 that none of the spoken runs has."""
    for a, b in sorted(spoken_of):
        if b < first or a >= end:
            continue
        if a > first:
            yield first, a - 1
        first = max(first, b + 1)
    if first < end:
        yield first, end - 1
