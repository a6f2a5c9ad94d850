"""Sections 7.2 to 7.4: a directory vault."""

import hashlib
import os
import stat

from .findings import CouldNotCheck, Problem
from .manifest import MANIFEST_BYTES_MAX, PACKED_BYTES_MAX, PLAIN_BYTES_MAX, Manifest, parse_name
from .names import is_ledger
from .note import open_checkpoint
from .packed import Counted, Frames, LineTooLong, TooLarge, Unpackable, Unterminated, lines
from .replay import Link, Replay

# A segment is looked at up to so many plain bytes and lines beyond twice what its manifest says.
PLAIN_ROOM = 64 << 20
LINES_ROOM = 1024
# Key ids that no key of the auditor has are remembered of one segment up to this number.
STRANGERS_MAX = 64


def check(folder, trust, head, findings):
    """Checks each ledger of a vault."""
    ledgers = []
    for name in names(folder):
        if is_ledger(name) and kind_of(folder, name) == "folder":
            ledgers.append(name)
        elif is_ledger(name) and kind_of(folder, name) == "other":
            findings.could_not_check(f"{name} is no folder, and links are not followed")
        else:
            strange_folder(folder, name, findings)
    if head and head.origin.partition("/")[2] not in ledgers and head.size:
        findings.add("TAIL_MISSING", head.origin, "nothing is here of the ledger of the expected head")
    if not ledgers and not findings.codes:
        findings.could_not_check("no ledger lies in this vault")
    for ledger in ledgers:
        mine = head if head and head.origin.endswith("/" + ledger) else None
        check_ledger(os.path.join(folder, ledger), ledger, trust, mine, findings)


def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise CouldNotCheck(str(error)) from None


def kind_of(folder, name):
    mode = os.lstat(os.path.join(folder, name)).st_mode
    return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else "other"


def looks_like_evidence(name):
    """A name that is not a manifest's or segment's, but was probably meant as one."""
    name = name.lower()
    first = name.partition("-")[0]
    digits = sum(c.isascii() and c.isdigit() for c in first)
    return digits >= 16 or "manifest" in name or ".jsonl" in name or name.endswith(".zst")


def strange_folder(folder, name, findings):
    if kind_of(folder, name) == "folder" and any(map(looks_like_evidence, names(os.path.join(folder, name)))):
        findings.could_not_check(f"{name} holds segments, but is not the name of a ledger")


def check_ledger(folder, ledger, trust, head, findings):
    found = []
    for name in names(folder):
        what = parse_name(name)
        if what is None and not name.startswith(".tmp-") and looks_like_evidence(name):
            findings.could_not_check(f"{ledger}/{name} is almost the name of a manifest or segment")
        elif what and what[0] == "manifest":
            found.append(name)
    if not found:
        findings.could_not_check(f"{ledger} has no manifest")
    replay = Replay(ledger, head.origin if head else None, findings, head)
    before = None
    for name in found:
        before = Segment(folder, name, trust, replay, findings, name == found[-1]).check(before)
    replay.end(trust, in_vault=True)


class Segment:
    """One manifest with its segment, in the order of their sequence numbers."""

    def __init__(self, folder, name, trust, replay, findings, is_last):
        self.folder, self.name, self.trust = folder, name, trust
        self.replay, self.findings, self.is_last = replay, findings, is_last
        self.first, self.last = parse_name(name)[1:]
        self.manifest, self.trusted, self.checkpoint = None, False, None

    def tell(self, code, detail):
        self.findings.add(code, f"{self.replay.ledger}/{self.name}", detail)

    def check(self, before):
        """Hash of the manifest's text, for the next one; None where it is not to be relied on."""
        replay = self.replay
        self.read_manifest()
        if self.first > replay.next_seq:
            self.tell("SEGMENT_MISSING", f"no manifest speaks of records from {replay.next_seq} on")
            replay.skip_to(self.first)
            before = None
        elif self.first < replay.next_seq:
            self.tell("MANIFEST_INVALID", "another manifest already speaks of these records")
            if self.manifest:
                self.replay = Replay(replay.ledger, replay.origin, self.findings)
                self.check_object()
            return before
        if self.manifest is None:
            replay.skip_to(self.last + 1)
            return None
        self.follow(before)
        vouched = self.manifest.range() if self.trusted else None
        if self.check_object():
            replay.join(vouched)
        elif vouched:
            replay.close_run()
            replay.grow(vouched)
            replay.next_seq = vouched.end
        if self.trusted:
            replay.next_seq = vouched.end
            replay.link = Link(bytes.fromhex(self.manifest.last_digest))
        if replay.next_seq != self.last + 1:
            replay.skip_to(self.last + 1)
        if self.checkpoint:
            replay.compare_root(self.checkpoint)
        return self.manifest.text_sha256 if self.trusted else None

    def read_manifest(self):
        try:
            if kind_of(self.folder, self.name) != "file":
                raise ValueError("it is no regular file")
            with open(os.path.join(self.folder, self.name), "rb") as file:
                self.manifest = Manifest(file.read(MANIFEST_BYTES_MAX + 1))
        except ValueError as error:
            return self.tell("MANIFEST_INVALID", str(error))
        manifest = self.manifest
        self.trusted = True
        try:
            manifest.note.check(manifest.origin, self.trust, "MANIFEST_INVALID")
        except Problem as problem:
            self.distrust(problem.code, problem.detail)
        if manifest.ledger != self.replay.ledger:
            self.distrust("MANIFEST_INVALID", "it is of another ledger than its folder")
        if (manifest.first_seq, manifest.last_seq) != (self.first, self.last):
            self.distrust("MANIFEST_INVALID", "it speaks of another run than its name")
        try:
            self.checkpoint = open_checkpoint(manifest.checkpoint, manifest.origin, self.trust)
        except Problem as problem:
            self.tell(problem.code, problem.detail)

    def distrust(self, code, detail):
        self.tell(code, detail)
        self.trusted = False

    def follow(self, before):
        """Holds the manifest against what came before it."""
        replay, manifest = self.replay, self.manifest
        if replay.origin is None and self.trusted:
            replay.origin = manifest.origin
        elif replay.origin not in (None, manifest.origin):
            self.distrust("MANIFEST_INVALID", f"its origin is not {replay.origin}")
        if before and self.trusted and manifest.previous != before:
            self.tell("MANIFEST_INVALID", "it does not follow the manifest before it")
        stated = replay.link.stated if replay.link.known else None
        if stated and manifest.first_prev and manifest.first_prev != stated.hex():
            self.tell("CHAIN_BROKEN", "it does not follow the digest before it")

    def check_object(self):
        """Whether there was a segment to look at."""
        path = os.path.join(self.folder, self.manifest.object)
        try:
            if kind_of(self.folder, self.manifest.object) != "file":
                raise FileNotFoundError
        except FileNotFoundError:
            self.tell("SEGMENT_MISSING", "its segment's file is not there")
            return False
        with open(path, "rb") as file:
            wrong = self.packed(file) | self.plain(file)
        if wrong:
            self.tell("MANIFEST_INVALID", "manifest and segment differ in " + ", ".join(sorted(wrong)))
        return True

    def packed(self, file):
        sha, stated = hashlib.sha256(), self.manifest.packed
        if os.fstat(file.fileno()).st_size != stated["size"]:
            return {"packed"}
        while data := file.read(1 << 20):
            sha.update(data)
        file.seek(0)
        return set() if sha.hexdigest() == stated["sha256"] else {"packed"}

    def plain(self, file):
        """Replays the lines. Gives what differs from the manifest, where they could be read to the end."""
        manifest, replay, sha = self.manifest, self.replay, hashlib.sha256()
        manifest_seq = manifest.first_seq
        replay.begin(manifest_seq, self.trust.keys(manifest.origin), manifest.ledger)
        replay.next_seq, replay.link = manifest_seq, Link()
        replay.link.stated = manifest.first_prev and bytes.fromhex(manifest.first_prev)
        stated = manifest.plain["size"]
        size_max = min(2 * stated + PLAIN_ROOM, PLAIN_BYTES_MAX)
        stream = Counted(Frames(file, PACKED_BYTES_MAX), size_max, sha.update)
        try:
            for line in lines(stream):
                if replay.stretch.lines == 2 * manifest.count + LINES_ROOM:
                    raise TooLarge("more lines than are looked at")
                replay.line(line)
            if replay.next_seq <= self.last:
                code = "TAIL_MISSING" if self.is_last else "SEQ_GAP"
                self.tell(code, "the segment ends before the last record of its manifest")
        except Unterminated as error:
            self.tell("NOT_CANONICAL", "the last line has no line feed")
            replay.line(error.line)
        except LineTooLong:
            self.tell("NOT_CANONICAL", "a line is too long")
            return {"plain"} if size_max - stream.left > stated else set()
        except (TooLarge, Unpackable) as error:
            self.tell("MANIFEST_INVALID", str(error))
            return set()
        return self.compare(sha.hexdigest(), size_max - stream.left)

    def compare(self, sha256, size):
        manifest, replay = self.manifest, self.replay
        trusted = self.trust.keys(manifest.origin)
        strangers = len([kid for kid in replay.stretch.keys if kid not in trusted])
        last = replay.link.stated if replay.link.known else None
        same = {
            "plain": (sha256, size) == (manifest.plain["sha256"], manifest.plain["size"]),
            "count": replay.stretch.lines == manifest.count,
            "last_digest": last is not None and last.hex() == manifest.last_digest,
            "keys": strangers <= STRANGERS_MAX and sorted(replay.stretch.keys) == manifest.keys,
        }
        return {name for name, good in same.items() if not good}
