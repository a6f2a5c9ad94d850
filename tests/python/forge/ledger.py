"""Ledgers, and the evidence that is made of them."""

import copy

from .make import OURS, SERVER, b64, canonical, checkpoint, leaf, note, pack, path_of, root_of, sha256, subtrees


# What records say of who wrote them, by what record 0 says.
BY = {"name": {"name": "billing"}, "full": {"how": "token", "name": "billing", "tenant": "orders"}}


def time_of(seq):
    minutes = 14 + seq // 60
    return f"2026-11-{21 + minutes // 1200:02}T{5 + minutes % 1200 // 60:02}:{minutes % 60:02}:{seq % 60:02}.000000Z"


class Row:
    """One record with what stands beside it."""

    def __init__(self, record, digest=None, kid=None, signature=None):
        self.record, self.digest, self.kid, self.signature = record, digest, kid, signature

    def sign(self, key=OURS):
        self.kid, self.signature = key.kid, key.sign(self.digest)
        return self

    def unsign(self):
        self.kid = self.signature = None

    def line(self):
        digest, record = self.digest.hex().encode(), self.record
        if self.kid is None:
            return b'{"digest":"' + digest + b'","record":' + record + b"}"
        head = b'{"alg":"ed25519","digest":"' + digest + b'","kid":"' + self.kid.encode() + b'","record":'
        return head + record + b',"sig":"' + b64(self.signature).encode() + b'"}'

    def replace(self, old, new):
        assert old in self.record, (old, self.record)
        self.record = self.record.replace(old, new, 1)


class Ledger:
    """`bodies` says of each record what it holds beside id, ledger, seq, time and v, or replaces any of them."""

    def __init__(self, bodies=5, name="orders", server=SERVER, per="record", commit=1, max_unsigned=4, key=OURS, creation=None,
                 principals="off"):  # fmt: skip
        self.name, self.origin, self.key = name, f"{server}/{name}", key
        self.creation = {
            "keys": [key.kid], "kind": "ledger_created", "max_unsigned": max_unsigned, "numbers": "exact",
            "origin": self.origin, "principals": principals, "sign_per": per,
        } | (creation or {})  # fmt: skip
        bodies = [{}] * bodies if isinstance(bodies, int) else bodies
        self.rows = []
        for seq, body in enumerate([{"system": self.creation}, *bodies]):
            self.rows.append(Row(self.record(seq, body)))
        self.chain()
        for seq, row in enumerate(self.rows):
            if seq % commit == 0 or seq + 1 == len(self.rows):
                row.sign(key)

    def record(self, seq, body):
        base = {"id": f"id-{seq}", "ledger": self.name, "seq": seq, "time": time_of(seq), "v": 1}
        # A record under number 0 may be made from any body.
        body = body if "system" in body or "event" in body or body.get("bare") else {"event": {"action": "pay", "n": seq}} | body
        if "event" in body and self.creation["principals"] in BY:
            body = {"by": BY[self.creation["principals"]]} | body
        return canonical({name: value for name, value in (base | body).items() if name != "bare" and value is not None})

    def chain(self, first=0):
        """States every digest anew, as who changes a record with the key in his hand does."""
        for seq in range(first, len(self.rows)):
            self.rows[seq].digest = sha256(self.rows[seq].record, self.rows[seq - 1].digest if seq else b"")
        return self

    def resign(self, first=0):
        self.chain(first)
        for row in self.rows[first:]:
            if row.kid:
                row.sign(self.key)
        return self

    def bent(self, change):
        """A copy to which something was done."""
        other = copy.copy(self)
        other.rows = [copy.copy(row) for row in self.rows]
        change(other)
        return other

    @property
    def size(self):
        return len(self.rows)

    def leaves(self, size=None):
        return [leaf(row.digest) for row in self.rows[:size]]

    def root(self, size=None):
        return root_of(self.leaves(size))

    def tip(self, size=None, **how):
        size = self.size if size is None else size
        return checkpoint(self.origin, size, self.root(size), **{"keys": (self.key,)} | how)

    def lines(self):
        return [row.line() for row in self.rows]

    def header(self):
        return canonical({"export": {"ledger": self.name, "origin": self.origin}, "v": 1})

    def closing(self, tip=None):
        return canonical({"checkpoint": tip or self.tip()})

    def export(self, lines=None, tip=None, closing=None, header=None):
        """The bytes of an export. `closing` empty leaves it out."""
        closing = self.closing(tip) if closing is None else closing
        whole = [header or self.header(), *(self.lines() if lines is None else lines), *([closing] if closing else [])]
        return b"".join(line + b"\n" for line in whole)

    def receipt(self, seq, size=None, tip=None, **changes):
        row, size = self.rows[seq], size or self.size
        value = {
            "checkpoint": tip or self.tip(size),
            "digest": row.digest.hex(),
            "prev": self.rows[seq - 1].digest.hex() if seq else None,
            "proof": [b64(node) for node in path_of(seq, self.leaves(size))] if seq < size else [],
            "record": row.record,
            "v": 1,
        }
        if row.kid:
            value |= {"alg": "ed25519", "kid": row.kid, "sig": b64(row.signature)}
        else:
            value["creation"] = self.stand_in()
        return receipt_bytes(value | changes)

    def stand_in(self, **changes):
        first = self.rows[0]
        kid, signature = first.kid or self.key.kid, first.signature or bytes(64)
        return {"alg": "ed25519", "kid": kid, "record": first.record, "sig": b64(signature)} | changes


def receipt_bytes(value):
    """Canonical JSON in which records stand byte for byte as they are given. `None` as a text leaves a member out."""
    members = []
    for name in sorted(value):
        member = value[name]
        if member == "absent":
            continue
        if isinstance(member, dict) and isinstance(member.get("record"), bytes):
            member = receipt_bytes(member)
        members.append(canonical(name) + b":" + (member if isinstance(member, bytes) else canonical(member)))
    return b"{" + b",".join(members) + b"}"


def run_name(first, last):
    return f"{first:020}-{last:020}"


class Part:
    """One segment with its manifest.

    `lines` are packed and the manifest says so: the segment is intact. `damage` is done behind the manifest's back.
    """

    def __init__(self, ledger, first, last, previous, lines=None, damage=None, packed=None, change=None, **sign):
        rows = ledger.rows[first : last + 1]
        honest = [row.line() for row in rows]
        self.first, self.last, self.ledger = first, last, ledger
        plain = joined(lines(list(honest)) if lines else honest)
        self.packed = packed(plain) if packed else pack(plain)
        self.said = {
            "checkpoint": ledger.tip(last + 1),
            "count": len(rows),
            "first_prev": ledger.rows[first - 1].digest.hex() if first else None,
            "first_seq": first,
            "keys": sorted({row.kid for row in rows if row.kid}),
            "last_digest": rows[-1].digest.hex(),
            "last_seq": last,
            "ledger": ledger.name,
            "origin": ledger.origin,
            "packed": {"sha256": sha256(self.packed).hex(), "size": len(self.packed)},
            "plain": {"sha256": sha256(plain).hex(), "size": len(plain)},
            "previous": previous,
            "subtrees": [b64(node) for node in subtrees(first, [leaf(row.digest) for row in rows])],
            "v": 1,
        }
        self.said["object"] = f"{run_name(first, last)}.{self.said['packed']['sha256'][:16]}.jsonl.zst"
        if change:
            change(self.said)
        self.name = run_name(first, last) + ".manifest"
        self.text = f"indelible segment manifest v{sign.pop('version', 1)}\n" + canonical(self.said).decode() + "\n"
        origin = sign.pop("origin", self.said["origin"])
        self.note = note(origin, self.text, **{"keys": (ledger.key,)} | sign).encode()
        if damage:
            self.packed = damage(self.packed, honest)

    def text_sha256(self):
        return sha256(self.text.encode()).hex()


def joined(lines):
    return lines if isinstance(lines, bytes) else b"".join(line + b"\n" for line in lines)


def repack(change):
    """Damage: the lines are changed and packed anew."""
    return lambda packed, lines: pack(joined(change(list(lines))))


def vault(ledger, cuts, parts=None, folder=None, **all_parts):
    """Files of a vault by their paths. `cuts` are the first records of all segments but the first."""
    bounds = [0, *cuts, ledger.size]
    files, previous = {}, None
    for index, (first, end) in enumerate(zip(bounds, bounds[1:])):
        part = Part(ledger, first, end - 1, previous, **all_parts | (parts or {}).get(index, {}))
        files |= part_files(part, folder or ledger.name)
        previous = part.text_sha256()
    return files


def part_files(part, folder):
    return {f"{folder}/{part.name}": part.note, f"{folder}/{part.said['object']}": part.packed}
