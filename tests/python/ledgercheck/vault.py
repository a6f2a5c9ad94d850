"""Section 7.4: a directory vault."""

import hashlib
import os
import stat

from .findings import CouldNotCheck, Problem
from .manifest import MANIFEST_BYTES_MAX, Manifest, parse_name
from .note import open_checkpoint
from .packed import Counted, Frames, Unpackable, lines
from .record import is_ledger
from .replay import Replay
from .tree import Subtrees

MANIFESTS_MAX = 1_000_000


def check(folder, trust, head, findings):
    """Checks each ledger of a vault."""
    ledgers = [name for name in names(folder) if is_ledger(name) and is_real(folder, name, stat.S_ISDIR)]
    if not ledgers:
        raise CouldNotCheck(f"{folder}: no ledger in this vault")
    for ledger in ledgers:
        mine = head if head and head.origin.endswith("/" + ledger) else None
        check_ledger(os.path.join(folder, ledger), ledger, trust, mine, findings)


def names(folder):
    try:
        return sorted(os.listdir(folder))
    except OSError as error:
        raise CouldNotCheck(str(error)) from None


def is_real(folder, name, kind):
    return kind(os.lstat(os.path.join(folder, name)).st_mode)


def check_ledger(folder, ledger, trust, head, findings):
    found = [name for name in names(folder) if parse_name(name) and is_real(folder, name, stat.S_ISREG)]
    if not found:
        raise CouldNotCheck(f"{folder}: no manifest")
    replay, before = None, None
    for name in found:
        manifest = read_manifest(folder, name, ledger, trust, findings)
        if manifest is None:
            if replay:
                replay.whole, replay.sound, before = False, False, None
            continue
        if replay is None:
            keys = trust.keys(manifest.origin)
            replay = Replay(ledger, manifest.origin, keys, findings, head)
        follow(replay, before, manifest, findings)
        Segment(folder, manifest, trust, replay, findings).check()
        before = manifest
    if replay:
        replay.end()


def read_manifest(folder, name, ledger, trust, findings):
    with open(os.path.join(folder, name), "rb") as file:
        data = file.read(MANIFEST_BYTES_MAX + 1)
    try:
        if len(data) > MANIFEST_BYTES_MAX:
            raise Problem("MANIFEST_INVALID", "larger than a manifest can be")
        manifest = Manifest(data, ledger, trust)
        if parse_name(name) != (manifest.first_seq, manifest.last_seq):
            raise Problem("MANIFEST_INVALID", "the manifest speaks of another run than its name")
        return manifest
    except Problem as problem:
        findings.add(problem.code, f"{ledger}/{name}", problem.detail)
        return None


def follow(replay, before, manifest, findings):
    """Whether a manifest continues what came before."""
    where = f"{manifest.ledger}/{manifest.first_seq:020}"
    if manifest.first_seq > replay.next_seq:
        findings.add("SEGMENT_MISSING", where, f"records from {replay.next_seq} on are missing")
        replay.whole, replay.sound, replay.digest = False, True, bytes.fromhex(manifest.first_prev)
        replay.next_seq = manifest.first_seq
        return
    if manifest.first_seq < replay.next_seq:
        findings.add("MANIFEST_INVALID", where, "overlaps with the segment before")
    if before and manifest.previous != before.text_sha256:
        findings.add("MANIFEST_INVALID", where, "does not follow the manifest before")
    if before and manifest.first_prev != before.last_digest:
        findings.add("CHAIN_BROKEN", where, "does not follow the digest before")


class Segment:
    def __init__(self, folder, manifest, trust, replay, findings):
        self.path = os.path.join(folder, manifest.object)
        self.manifest, self.trust, self.replay, self.findings = manifest, trust, replay, findings
        self.where = f"{manifest.ledger}/{manifest.object}"

    def tell(self, code, detail):
        self.findings.add(code, self.where, detail)

    def check(self):
        try:
            if not stat.S_ISREG(os.lstat(self.path).st_mode):
                raise FileNotFoundError
            file = open(self.path, "rb")
        except FileNotFoundError:
            self.tell("SEGMENT_MISSING", "the segment's file is not there")
            self.replay.next_seq = self.manifest.last_seq + 1
            self.replay.digest = bytes.fromhex(self.manifest.last_digest)
            self.replay.whole = False
            return
        with file:
            self.packed(file)
            self.plain(file)
        self.checkpoint()

    def packed(self, file):
        sha, size = hashlib.sha256(), 0
        while data := file.read(1 << 20):
            sha.update(data)
            size += len(data)
        if (sha.hexdigest(), size) != (self.manifest.packed["sha256"], self.manifest.packed["size"]):
            self.tell("MANIFEST_INVALID", "the packed bytes are not those of the manifest")
        file.seek(0)

    def plain(self, file):
        sha, keys, count = hashlib.sha256(), set(), 0
        tree = Subtrees(self.manifest.first_seq)
        stream = Counted(Frames(file), self.manifest.plain["size"], sha.update)
        try:
            for line, whole in lines(stream):
                if not whole:
                    self.tell("NOT_CANONICAL", "a line without end or too long")
                    break
                count += 1
                keys.add(self.replay.line(line))
                tree.append(self.replay.digest or bytes(32))
        except Unpackable as error:
            self.tell("MANIFEST_INVALID", str(error))
        size = self.manifest.plain["size"] - stream.left
        if (sha.hexdigest(), size) != (self.manifest.plain["sha256"], self.manifest.plain["size"]):
            self.tell("MANIFEST_INVALID", "the plain bytes are not those of the manifest")
        elif count != self.manifest.count or tree.hashes() != self.manifest.subtrees:
            self.tell("MANIFEST_INVALID", "the lines are not those of the manifest")
        elif sorted(keys - {None}) != self.manifest.keys:
            self.tell("MANIFEST_INVALID", "the keys are not those of the manifest")

    def checkpoint(self):
        try:
            checkpoint = open_checkpoint(self.manifest.checkpoint, self.manifest.origin, self.trust)
            if checkpoint.size != self.manifest.last_seq + 1:
                raise Problem("CHECKPOINT_INVALID", "a checkpoint of another size")
            if self.replay.whole and checkpoint.root != self.replay.tree.root():
                raise Problem("ROOT_MISMATCH", "the checkpoint has another root")
        except Problem as problem:
            self.tell(problem.code, problem.detail)
