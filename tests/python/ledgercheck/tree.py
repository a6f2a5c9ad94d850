"""Section 6: the Merkle tree of RFC 6962 over digests."""

import hashlib


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def leaf_hash(digest):
    return sha256(b"\x00", digest)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


def cover(begin, end):
    """Sizes of the largest perfect subtrees that cover leaves `begin` to `end`, from left to right."""
    while begin < end:
        size = begin & -begin if begin else 1 << 62
        while size > end - begin:
            size >>= 1
        yield size
        begin += size


class Subtrees:
    """The largest perfect subtrees that cover leaves `begin` to `end`, with their hashes."""

    def __init__(self, begin=0, parts=()):
        self.begin = self.end = begin
        self.parts = []  # (size, hash)
        for size, part in parts:
            self.append(size, part)

    def append(self, size, part):
        """Appends a perfect subtree of `size` leaves."""
        self.parts.append((size, part))
        start = self.end
        self.end += size
        # Two neighbours of one size are one subtree only where the left one is a left child.
        while len(self.parts) > 1 and self.parts[-1][0] == self.parts[-2][0]:
            size, right = self.parts[-1]
            if (start - size) % (2 * size):
                break
            start -= size
            self.parts[-2:] = [(2 * size, node_hash(self.parts[-2][1], right))]

    def joined(self, other):
        """Both runs as one, or None when the other does not begin where this one ends."""
        if other.begin != self.end:
            return None
        whole = self.copy()
        for size, part in other.parts:
            whole.append(size, part)
        return whole

    def copy(self):
        other = Subtrees(self.begin)
        other.end, other.parts = self.end, list(self.parts)
        return other

    def add(self, digest):
        """Appends the leaf of a record's digest."""
        self.append(1, leaf_hash(digest))

    def hashes(self):
        return [part for _, part in self.parts]

    def root(self):
        """Root of the tree of `end` leaves; only for a run that begins with leaf 0."""
        if not self.parts:
            return sha256()
        result = self.parts[-1][1]
        for _, left in reversed(self.parts[:-1]):
            result = node_hash(left, result)
        return result


def inclusion_root(index, size, leaf, proof):
    """Root that `proof` leads to (RFC 9162 section 2.1.3.2), or None when its shape is wrong."""
    if index >= size:
        return None
    fn, sn, root = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            root = node_hash(sibling, root)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            root = node_hash(root, sibling)
        fn, sn = fn >> 1, sn >> 1
    return root if sn == 0 else None
