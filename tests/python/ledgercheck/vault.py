"""Section 8.3: a vault, its ledgers and the names in it."""

import os
import stat

from . import heads as heads_of
from .lines import Lines
from .manifest import is_almost_named, is_segment_name, named_run
from .names import is_ledger
from .place import Places

LEDGERS_MAX = 100_000
MANIFESTS_MAX = 4_194_304


def check(path, trust, heads, report):
    try:
        names = sorted(os.listdir(path))
    except OSError as error:
        report.leave("UNREADABLE", None, path, str(error))
        return heads_of.leave_all(report, heads, "the vault could not be read")
    vault = Vault(path, trust, heads, report)
    for name in names:
        vault.look(name)
    vault.end()


class Vault:
    def __init__(self, path, trust, heads, report):
        self.path, self.trust, self.heads, self.report = path, trust, heads, report
        self.ledgers, self.there, self.damaged = 0, set(), 0

    def look(self, name):
        """One name in the vault."""
        path = os.path.join(self.path, name)
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            return self.report.leave("UNREADABLE", None, name, str(error))
        if not is_ledger(name):
            return self.strange(name, path) if stat.S_ISDIR(mode) else self.report.note(f"{name} is no ledger")
        if not stat.S_ISDIR(mode) and not stat.S_ISLNK(mode):
            return self.report.note(f"{name} is no folder")
        self.there.add(name)
        if not self.report.is_asked(name):
            return None
        if stat.S_ISLNK(mode):
            self.report.leave("LINK", name, name, "links are not followed")
            return self.leave_heads(name, "its folder is a link")
        self.ledgers += 1
        if self.ledgers > LEDGERS_MAX:
            return self.leave_ledger(name)
        return self.ledger(name, path)

    def leave_ledger(self, name):
        if self.ledgers == LEDGERS_MAX + 1:
            self.report.leave("LIMIT", None, self.path, f"more than {LEDGERS_MAX} ledgers")
        self.leave_heads(name, "its ledger was not looked at")

    def strange(self, name, path):
        """A folder of another name."""
        try:
            evidence = any(map(looks_like_evidence, os.listdir(path)))
        except OSError as error:
            return self.report.leave("UNREADABLE", None, name, str(error))
        if evidence:
            return self.report.leave("ALMOST_NAMED", None, name, "it holds segments, but is no name of a ledger")
        return self.report.note(f"{name} is no ledger")

    def ledger(self, ledger, path):
        try:
            names = sorted(os.listdir(path))
        except OSError as error:
            self.report.leave("UNREADABLE", ledger, ledger, str(error))
            return self.leave_heads(ledger, "its folder could not be read")
        manifests = self.manifests(ledger, names)
        state = Lines(self.report, ledger, True)
        places = Places(path, ledger, self.trust, self.report, state, self.damaged)
        places.read(manifests)
        mine = self.heads_of(ledger, places.origin)
        state.heads = mine
        spoilt = places.check()
        self.damaged += state.damaged
        end = max([state.due] + [last + 1 for _, last in spoilt])
        state.end_missing = state.end_missing or end > state.due
        state.end()
        self.nothing_there(ledger, manifests, state, places)
        mine.end(end)
        self.report.ledgers[ledger] = {
            "origin": places.origin,
            "records": state.count,
            "size": state.due,
            "sign_per": state.rules and state.rules[0],
            "principals": state.rules and state.rules[2],
            "known_to": mine.known_to,
        }

    def manifests(self, ledger, names):
        """The names of manifests. All others are sorted out."""
        found = []
        for name in names:
            if named_run(name):
                found.append(name)
            elif name.startswith(".tmp-") or is_segment_name(name):
                continue
            elif is_almost_named(name):
                self.report.leave("ALMOST_NAMED", ledger, name, "almost the name of a manifest or segment")
            else:
                self.report.note(f"{ledger}/{name} is neither manifest nor segment")
        runs = {name.removesuffix(".manifest") for name in found}
        for name in names:
            if is_segment_name(name) and name.partition(".")[0] not in runs:
                self.report.note(f"{ledger}/{name} has no manifest")
        if len(found) > MANIFESTS_MAX:
            self.report.leave("LIMIT", ledger, ledger, f"more than {MANIFESTS_MAX} manifests")
        return found[:MANIFESTS_MAX]

    def nothing_there(self, ledger, manifests, state, places):
        unread = any(one.code == "UNREADABLE" and one.ledger == ledger for one in self.report.unchecked)
        if not manifests:
            self.report.leave("NOTHING_THERE", ledger, ledger, "its folder holds no manifest")
        elif not state.count and not unread and not places.too_much:
            self.report.leave("NOTHING_THERE", ledger, ledger, "no record is there")

    def heads_of(self, ledger, origin):
        """A head belongs to the ledger that has its origin, not only its name."""
        named = [head for head in self.heads if head.ledger == ledger]
        others = [head for head in named if head.origin != origin]
        heads_of.leave_all(self.report, others, "its origin is not the ledger's")
        return heads_of.Heads(self.report, ledger, [head for head in named if head.origin == origin])

    def leave_heads(self, ledger, why):
        heads_of.leave_all(self.report, [head for head in self.heads if head.ledger == ledger], why)

    def end(self):
        """What was asked for, or has a head, and is not there."""
        if not self.there:
            self.report.leave("NOTHING_THERE", None, self.path, "the vault holds no ledger")
        for ledger in sorted(self.report.asked - self.there):
            self.report.leave("NOT_FOUND", ledger, ledger, "it is not in the vault")
        for ledger in sorted({head.ledger for head in self.heads}):
            if ledger not in self.there:
                mine = [head for head in self.heads if head.ledger == ledger]
                heads_of.Heads(self.report, ledger, mine).end(0)
            elif not self.report.is_asked(ledger):
                self.leave_heads(ledger, "its ledger was not asked for")


def looks_like_evidence(name):
    return bool(named_run(name)) or is_segment_name(name) or is_almost_named(name)
