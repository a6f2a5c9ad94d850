"""Evidence changed at random, with and without the key. Nobody knows what is right: both verifiers must say the same."""

import random

from . import exports, heads, vaults
from .cases import EXPORT, RECEIPT, VAULT
from .ledger import Ledger, vault
from .make import OTHERS, OURS, STRANGER, b64, checkpoint, frame, pack, raw, skippable

KEYS = (OURS.vkey(),), (OURS.vkey(), OTHERS.vkey()), (STRANGER.vkey(), OURS.vkey()), (STRANGER.vkey(),)


def add(cases, seed, count):
    chance = random.Random(seed)
    for number in range(count):
        mutant = Mutant(chance)
        kind = chance.choice((VAULT, VAULT, EXPORT, EXPORT, RECEIPT))
        evidence, tips = getattr(mutant, kind)()
        keys = KEYS[0] if chance.random() < 0.8 else chance.choice(KEYS)
        cases.add(kind, f"mutant {number} of seed {seed}", evidence, keys=keys, heads=tips, expected=False)


class Mutant:
    def __init__(self, chance):
        self.chance = chance
        per = chance.choice(("record", "commit"))
        bodies = [self.body() for _ in range(chance.randrange(1, 14))]
        commit = chance.randrange(2, 6) if per == "commit" else 1
        self.honest = Ledger(bodies, per=per, commit=commit, max_unsigned=chance.choice((0, 2, 4, 5)) if per == "commit" else 4,
            principals=chance.choice(("off", "off", "name", "full")))  # fmt: skip
        self.ledger = self.honest

    def often(self, probability):
        return self.chance.random() < probability

    def body(self):
        if self.often(0.9):
            return {}
        return self.chance.choice((
            {"system": {"kind": "key_revoked"}}, {"system": {"informative": True, "kind": "weather"}}, {"system": exports.archived()},
            {"event": {"n": "18446744073709551616"}, "numbers_as_text": ["/n"]}, {"event": {"n": "1"}, "numbers_as_text": ["/n"]},
            {"by": None, "event": {}}, {"by": {"name": "a"}, "event": {}}, {"by": {"name": ""}, "event": {}},
            {"ledger": "others"}, {"v": 2}, {"time": "2026-11-21T05:13:00.000000Z"}, {"system": {"kind": "ledger_created"}},
        ))  # fmt: skip

    def rows(self, other):
        """Changes records; the digests and signatures after it as the chance has it."""
        chance, rows = self.chance, other.rows
        seq = chance.randrange(len(rows))
        what = chance.randrange(7)
        if what == 0:
            rows[seq].record = self.bytes(rows[seq].record)
        elif what == 1:
            rows[seq].record = other.record(seq, self.body() or {"event": {"other": seq}})
        elif what == 2:
            rows[seq].digest = self.bytes(rows[seq].digest)[:32].ljust(32, b"\0")
        elif what == 3:
            rows[seq].unsign()
        elif what == 4:
            rows[seq].sign(chance.choice((OURS, OTHERS, STRANGER)))
        elif what == 5 and rows[seq].kid:
            rows[seq].signature = self.bytes(rows[seq].signature)[:64].ljust(64, b"\0")
        else:
            rows[seq].record = rows[seq].record.replace(b"pay", b"PAY")
        if self.often(0.4):
            other.resign(seq) if self.often(0.6) else other.chain(seq)

    def lines(self, lines):
        """Changes lines without looking into them."""
        chance, lines = self.chance, list(lines)
        for _ in range(chance.choice((0, 1, 1, 1, 2))):
            at = chance.randrange(len(lines)) if lines else 0
            what = chance.randrange(6)
            if not lines or what == 0:
                lines.insert(at, chance.choice((b"", b"x", b"{}", *self.honest.lines())))
            elif what == 1:
                lines.pop(at)
            elif what == 2:
                lines.insert(at, lines[at])
            elif what == 3:
                lines.insert(chance.randrange(len(lines)), lines.pop(at))
            elif what == 4:
                lines[at] = self.bytes(lines[at])
            else:
                del lines[at:]
        return lines

    def bytes(self, data):
        chance, data = self.chance, bytearray(data)
        at = chance.randrange(len(data)) if data else 0
        what = chance.randrange(8)
        if not data or what == 0:
            data[at:at] = bytes([chance.randrange(256)])
        elif what == 1:
            del data[at : at + chance.choice((1, 1, 2, 9))]
        elif what == 2:
            data[at] ^= 1 << chance.randrange(8)
        elif what == 3:
            data[at] = chance.choice(b'0123456789abcdef"{}[],:\\ \n+/=-')
        elif what == 4:
            digits = [place for place, byte in enumerate(data) if byte in b"0123456789"]
            data[chance.choice(digits or [at])] = chance.choice(b"0123456789")
        elif what == 5:
            del data[at:]
        elif what == 6:
            data += bytes(chance.randrange(256) for _ in range(chance.choice((1, 4, 30))))
        else:
            data[at:at] = data[at : at + chance.choice((1, 8, 100))]
        return bytes(data)

    def change(self):
        if self.often(0.5):
            self.ledger = self.ledger.bent(self.rows)

    def tips(self):
        """Heads: of the honest ledger, of the changed one, of others."""
        chance, found = self.chance, []
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            ledger = chance.choice((self.honest, self.honest, self.ledger, heads.OTHERS, heads.ELSEWHERE))
            tip = ledger.tip(chance.randrange(ledger.size + 1)).encode()
            if self.often(0.1) and ledger.size > 2:
                tip = ledger.receipt(chance.randrange(ledger.size))
            found.append(self.bytes(tip) if self.often(0.1) else tip)
        return found

    def export(self):
        self.change()
        lines = self.lines(self.ledger.lines()) if self.often(0.5) else self.ledger.lines()
        tip = self.chance.choice((self.honest, self.ledger)).tip()
        data = self.ledger.export(lines, tip=tip)
        if self.often(0.3):
            half = self.chance.randrange(len(data))
            data = self.chance.choice((pack(data), pack(data, 300), pack(data[:half]) + skippable() + pack(data[half:])))
        return self.bytes(data) if self.often(0.3) else data, self.tips()

    def receipt(self):
        self.change()
        ledger = self.ledger
        size = self.chance.randrange(1, ledger.size + 1)
        data = ledger.receipt(self.chance.randrange(size), size, tip=self.honest.tip(size) if self.often(0.2) else None)
        return self.bytes(data) if self.often(0.6) else data, self.tips()

    def vault(self):
        self.change()
        chance, ledger = self.chance, self.ledger
        cuts = sorted(chance.sample(range(1, ledger.size), chance.randrange(min(4, ledger.size))))
        parts = {index: self.part() for index in range(len(cuts) + 1) if self.often(0.35)}
        files = vault(ledger, cuts, parts)
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            files = self.files(files)
        return files, self.tips()

    def part(self):
        """How one segment and its manifest are made in another way."""
        chance, part = self.chance, {}
        if self.often(0.3):
            part["lines"] = self.lines
        if self.often(0.3):
            part["damage"] = chance.choice((
                lambda packed, lines: pack(b"".join(line + b"\n" for line in self.lines(lines))),
                lambda packed, lines: self.bytes(packed),
                lambda packed, lines: skippable() + packed,
            ))  # fmt: skip
        if self.often(0.2):
            part["packed"] = lambda plain: frame(*[raw(plain[at : at + 400]) for at in range(0, len(plain), 400)] or [raw(b"")])
        if self.often(0.3):
            part["keys"] = chance.choice(((STRANGER,), (STRANGER, OURS), (OTHERS,), ()))
        if self.often(0.4):
            part["change"] = self.said
        return part

    def said(self, said):
        chance = self.chance
        change = chance.choice((
            lambda: said.update(previous=said["previous"] and "00" * 32),
            lambda: said.update(first_prev=said["first_prev"] and "00" * 32),
            lambda: said.update(last_digest="00" * 32),
            lambda: said.update(keys=sorted({*said["keys"], STRANGER.kid})),
            lambda: said.update(subtrees=[b64(bytes(32)), *said["subtrees"][1:]]),
            lambda: said.update(checkpoint=checkpoint(said["origin"], said["last_seq"] + 1, bytes(32))),
            lambda: said.update(checkpoint=self.honest.tip(said["last_seq"] + 1, keys=(STRANGER,))),
            lambda: said["plain"].update(sha256="00" * 32),
            lambda: said.update(origin="other.example/orders"),
            lambda: said.update(count=said["count"] + 1),
        ))  # fmt: skip
        change()

    def files(self, files):
        chance, files = self.chance, dict(files)
        path, other = chance.choice(sorted(files)), chance.choice(sorted(files))
        what = chance.randrange(6)
        if what == 0 and len(files) > 1:
            del files[path]
        elif what == 1:
            files[path] = files[other]
        elif what == 2:
            files[path], files[other] = files[other], files[path]
        elif what == 3:
            files[path.replace("orders", chance.choice(("others", "Orders")), 1)] = files.pop(path)
        elif what == 4 and path.endswith(".manifest"):
            first, last = chance.randrange(14), chance.randrange(14)
            files[vaults.manifest_path((first, last))] = files.pop(path)
        else:
            files[path] = self.bytes(files[path])
        return files
