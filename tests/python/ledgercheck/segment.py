"""Section 8.3 step 7: a manifest's segment."""

import hashlib
import os
import stat

from . import frames
from .lines import DAMAGED_LINES_MAX, Lines
from .manifest import PACKED_BYTES_MAX, PLAIN_BYTES_MAX
from .report import DAMAGE, TAMPERING
from .tree import Subtrees

# A segment is read further than its manifest says, so that what was inserted is named.
PLAIN_ROOM = 64 << 20
LINES_ROOM = 1024


def open_regular(path):
    """The open file, or None when it is missing or no regular file; OSError when the system refuses."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return None
        return open(path, "rb")
    except FileNotFoundError:
        return None


class Segment:
    def __init__(self, manifest, trusted, state: Lines, place, is_last, tell):
        self.manifest, self.trusted, self.state = manifest, trusted, state
        self.run, self.is_last, self.tell_of = place, is_last, tell
        self.sha256, self.plain_size, self.whole = hashlib.sha256(), 0, False
        self.stopped = False

    def tell(self, code, kind, message, place=None):
        self.tell_of(code, kind, message, place or self.run)

    def check(self, folder):
        """Whether all lines were in their places up to the last record, and were looked at."""
        state = self.state
        try:
            file = open_regular(os.path.join(folder, self.manifest.object))
            if file is None:
                self.tell("SEGMENT_MISSING", DAMAGE, "its segment's file is not there")
                return False
            with file:
                as_stated = self.is_packed_as_stated(file)
                state.intact = self.trusted and as_stated
                self.c = TAMPERING if state.intact else DAMAGE
                if not as_stated:
                    self.tell("MANIFEST_INVALID", DAMAGE, "the segment's file is not the one that it names")
                file.seek(0)
                self.read(file)
                state.tell_strangers()
        except OSError as error:
            state.report.leave("UNREADABLE", state.ledger, self.manifest.object, str(error))
            state.end_missing = True
            return False
        self.judge()
        return self.in_places()

    def is_packed_as_stated(self, file):
        sha256, packed = hashlib.sha256(), self.manifest.packed
        if os.fstat(file.fileno()).st_size != packed["size"]:
            return False
        while data := file.read(1 << 20):
            sha256.update(data)
        return sha256.hexdigest() == packed["sha256"]

    def begin(self):
        manifest, state = self.manifest, self.state
        state.due = manifest.first_seq
        state.stated = bytes.fromhex(manifest.first_prev) if manifest.first_prev else None
        state.recomputed, state.bad_signature = None, False
        state.compared_to = manifest.last_seq + 1
        state.own, state.own_count, state.kids = Subtrees(manifest.first_seq), 0, set()

    def read(self, file):
        state, manifest = self.state, self.manifest
        self.begin()
        before = state.damaged
        lines_max = 2 * manifest.count + LINES_ROOM
        try:
            for line in frames.lines(self.plain(frames.unpacked(Bounded(file, PACKED_BYTES_MAX)))):
                if state.own_count == lines_max:
                    raise frames.TooMuch("more lines than are looked at")
                state.look(line)
                if state.damaged - before >= DAMAGED_LINES_MAX:
                    self.stopped = True
                    return
            self.whole = True
        except (frames.Unterminated, frames.LineTooLong) as error:
            if state.own_count == lines_max:
                self.tell("MANIFEST_INVALID", self.c, "more lines than are looked at")
                return
            self.whole = isinstance(error, frames.Unterminated)
            message = "the last line has no line feed" if self.whole else "a line is too long"
            self.tell("NOT_CANONICAL", self.c, message, (state.due, state.due))
        except (frames.Unpackable, frames.TooMuch) as error:
            self.tell("MANIFEST_INVALID", self.c, str(error))

    def plain(self, source):
        """Counts and hashes the plain bytes, and hands on no more than are looked at."""
        room = min(PLAIN_BYTES_MAX, 2 * self.manifest.plain["size"] + PLAIN_ROOM)
        for piece in source:
            self.sha256.update(piece)
            self.plain_size += len(piece)
            if self.plain_size > room:
                yield piece[: len(piece) - (self.plain_size - room)]
                raise frames.TooMuch("more plain bytes than are looked at")
            yield piece

    def judge(self):
        state, manifest = self.state, self.manifest
        if self.stopped:
            state.end_missing = True
            return
        if self.whole and self.differs():
            self.tell("MANIFEST_INVALID", self.c, "manifest and segment differ")
        if state.due <= manifest.last_seq:
            state.end_missing = state.end_missing or self.is_last
            code = "TAIL_MISSING" if self.is_last else "SEQ_GAP"
            self.tell(code, self.c, "the lines end before the last record", (state.due, manifest.last_seq))
        if self.all_in_places() and state.own.hashes() != manifest.subtrees:
            self.tell("ROOT_MISMATCH", self.c, "the lines have other leaves")

    def differs(self):
        state, manifest = self.state, self.manifest
        last = state.stated.hex() if isinstance(state.stated, bytes) else None
        return (
            (self.plain_size, self.sha256.hexdigest()) != (manifest.plain["size"], manifest.plain["sha256"])
            or state.own_count != manifest.count
            or last != manifest.last_digest
            or sorted(state.kids) != manifest.keys
        )

    def in_places(self):
        return self.state.due == self.manifest.last_seq + 1

    def all_in_places(self):
        return self.state.own is not None and self.in_places()


class Bounded:
    """At most so many bytes of a file."""

    def __init__(self, file, left):
        self.file, self.left = file, left

    def read(self, size):
        data = self.file.read(min(size, self.left))
        self.left -= len(data)
        return data
