"""Cases of section 5: every algorithm of records, what only a newer program can judge, and certificates."""

from .algorithms import ECDSA, ECDSA_OTHER, HMAC, HMAC_OTHER, NEWER, RSA, RSA_OTHER
from .cases import EXPORT, RECEIPT, VAULT, D, T, find
from .ledger import Ledger, vault
from .make import OURS, STRANGER, b64, sha256

PAIRS = {"ecdsa-p256": (ECDSA, ECDSA_OTHER), "rsa-sha256": (RSA, RSA_OTHER), "hmac-sha256": (HMAC, HMAC_OTHER)}
CERTIFICATES = b'"certificates":[{"anything":["]",{"at":"all"}]},1]'


def add(cases):
    for alg, (key, other) in PAIRS.items():
        Algorithm(cases, alg, key, other).add()
    newer(cases)
    certificates(cases)
    documents(cases)


def flipped(data, at=20):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


class Algorithm:
    """A ledger whose records are signed with one of the other algorithms, and its notes with Ed25519."""

    def __init__(self, cases, alg, key, other):
        self.cases, self.alg, self.key, self.other = cases, alg, key, other
        self.ledger = Ledger(key=key, note_key=OURS)
        self.per_commit = Ledger(9, per="commit", commit=3, key=key, note_key=OURS)
        # Where the id spells the key, a signature is checked under it without being given it.
        self.spelled = alg == "ecdsa-p256"

    def given(self, *keys, name=None, notes=True):
        names = {} if name is None else {"name": name}
        public = [key.vkey(**names) for key in keys if key.alg != "hmac-sha256"]
        return {
            "keys": public + ([OURS.vkey()] if notes else []),
            "secrets": [key.secret(**names) for key in keys if key.alg == "hmac-sha256"],
        }

    def tell(self, kind, name, evidence, *findings, given=None, **more):
        given = self.given(self.key) if given is None else given
        self.cases.add(kind, f"{self.alg}, {name}", evidence, *findings, **given, **more)

    def with_signature(self, signature, kid=None):
        def change(other):
            other.rows[3].signature = signature
            other.rows[3].kid = kid or other.rows[3].kid

        return self.ledger.bent(change)

    def add(self):
        self.good()
        self.bad()
        self.strangers()
        self.notes()

    def everywhere(self, name, ledger, *findings, **more):
        """The same record in an export, an intact segment and a receipt."""
        self.tell(EXPORT, name, ledger.export(), *findings, **more)
        self.tell(VAULT, name, vault(ledger, [2]), *findings, **more)
        self.tell(RECEIPT, name, ledger.receipt(3), *findings[:1], **more)

    def good(self):
        self.everywhere("good", self.ledger)
        self.tell(EXPORT, "per commit", self.per_commit.export())
        self.tell(VAULT, "per commit", vault(self.per_commit, [4]))
        for seq in (0, 1, 3):
            self.tell(RECEIPT, f"per commit, record {seq}", self.per_commit.receipt(seq))

        def turn(other):
            other.rows[4].sign(OURS)
            other.rows[5].sign(self.other)

        turned = self.ledger.bent(turn)
        self.everywhere("three keys", turned, given=self.given(self.key, self.other))

    def bad(self):
        digest = self.ledger.rows[3].digest
        good = self.ledger.rows[3].signature
        bad = {
            "a flipped signature": flipped(good),
            "the signature of another key": self.other.sign(digest),
            "the signature of another record": self.ledger.rows[4].signature,
            "the digest hashed again": self.key.sign(sha256(digest)),
        }
        if self.alg == "ecdsa-p256":
            bad |= {"s in the upper half": ECDSA.sign(digest, high=True), "r is zero": bytes(32) + good[32:], "zeros": bytes(64)}
        if self.alg == "rsa-sha256":
            bad |= {
                "the digest hashed again by the signer": RSA.sign(digest, hashed_again=True),
                "a byte too long": b"\x00" + good,
                "as long as a number may be": b"\xff" * 256,
            }
        for name, signature in bad.items():
            self.everywhere(name, self.with_signature(signature), find("SIG_INVALID", T, 3))
        for name, signature in {"cut": good[:-1], "too long": good + bytes(1024), "none": b""}.items():
            self.tell(EXPORT, f"a signature {name}", self.cut_line(signature), find("NOT_CANONICAL", D, 3))

    def cut_line(self, signature):
        lines = self.ledger.lines()
        lines[3] = lines[3].replace(b64(self.ledger.rows[3].signature).encode(), b64(signature).encode())
        return self.ledger.export(lines)

    def strangers(self):
        other = self.ledger.bent(lambda other: other.rows[3].sign(self.other))
        self.everywhere("a record of another key", other, find("KEY_UNKNOWN", D, 3))
        broken = self.with_signature(flipped(self.other.sign(self.ledger.rows[3].digest)), self.other.kid)
        unknown = find("KEY_UNKNOWN", D, 3)
        both = [find("SIG_INVALID", T, 3), unknown] if self.spelled else [unknown]
        self.everywhere("a bad signature of another key", broken, *both)
        elsewhere = self.given(self.other, name="elsewhere.example")
        elsewhere = {name: elsewhere[name] + self.given(self.key, notes=False)[name] for name in ("keys", "secrets")}
        self.everywhere("a bad signature of a key for another origin", broken, find("SIG_INVALID", T, 3), unknown, given=elsewhere)
        missing = find("KEY_UNKNOWN", D, 0), find("KEY_UNKNOWN", D, 0, 5)
        self.tell(EXPORT, "the record key is not given", self.ledger.export(), *missing, given=self.given())
        self.tell(RECEIPT, "the record key is not given", self.ledger.receipt(3), unknown, given=self.given())
        named = self.given(self.key, name="ledger.example/others")
        self.tell(EXPORT, "the record key is for another ledger", self.ledger.export(), *missing, given=named)

    def notes(self):
        nothing = self.given(self.key, notes=False)
        closing = find("KEY_UNKNOWN", D)
        self.tell(EXPORT, "the note key is not given", self.ledger.export(), closing, given=nothing)
        self.tell(RECEIPT, "the note key is not given", self.ledger.receipt(3), find("KEY_UNKNOWN", D, 3), given=nothing)
        own = self.ledger.tip(keys=(self.key,))
        self.tell(EXPORT, "a checkpoint signed with the record key", self.ledger.export(tip=own), closing)
        self.tell(RECEIPT, "a checkpoint signed with the record key", self.ledger.receipt(3, tip=own), find("KEY_UNKNOWN", D, 3))
        both = self.ledger.tip(keys=(self.key, OURS))
        self.tell(EXPORT, "a checkpoint signed with the record key too", self.ledger.export(tip=both))
        manifest = vault(self.ledger, [], parts={0: {"keys": (self.key,)}})
        self.tell(VAULT, "a manifest signed with the record key", manifest, find("KEY_UNKNOWN", D, 0, 5))


def newer(cases):
    """An algorithm that the page does not have: everything but the signature is checked."""
    unchecked = {"unchecked": ["VERSION_UNKNOWN"]}
    ledger = Ledger()
    one = ledger.bent(lambda other: other.rows[3].sign(NEWER))
    everyone = Ledger(key=NEWER, note_key=OURS)
    for name, made in {"one record": one, "all records": everyone}.items():
        cases.add(EXPORT, f"newer algorithm, {name}", made.export(), **unchecked)
        cases.add(VAULT, f"newer algorithm, {name}", vault(made, [2]), **unchecked)
        cases.add(RECEIPT, f"newer algorithm, {name}", made.receipt(3), **unchecked)
    named = Ledger(creation={"keys": [OURS.kid, NEWER.kid]})
    cases.add(EXPORT, "newer algorithm, named by record 0", named.export(), **unchecked)
    cases.add(RECEIPT, "newer algorithm, named by record 0", named.receipt(0), **unchecked)
    cases.add(RECEIPT, "newer algorithm, named by another record", named.receipt(3))
    both = Ledger(creation={"keys": [NEWER.kid, OURS.kid, STRANGER.kid]})
    cases.add(EXPORT, "newer algorithm, named beside a stranger", both.export(), find("KEY_UNKNOWN", D, 0), **unchecked)
    cases.add(RECEIPT, "newer algorithm, named beside a stranger", both.receipt(0), find("KEY_UNKNOWN", D, 0))
    per_commit = Ledger(9, per="commit", commit=3)
    per_commit.rows[6].sign(NEWER)
    cases.add(EXPORT, "newer algorithm, ends a run", per_commit.export(), **unchecked)
    # It hides nothing that is seen without the signature.
    lines = one.lines()
    lines[3] = lines[3].replace(b"pay", b"PAY")
    cases.add(EXPORT, "newer algorithm, a changed record", ledger.export(lines), find("HASH_MISMATCH", D, 3), **unchecked)

    def rewrite(other):
        other.rows[3].replace(b"pay", b"PAY")
        other.chain(3)
        for row in other.rows[3:]:
            row.sign(NEWER)

    rewritten = ledger.bent(rewrite)
    whole = ledger.export(rewritten.lines())
    cases.add(EXPORT, "newer algorithm, a rewritten ledger", whole, find("ROOT_MISMATCH", T, 0, 5), **unchecked)
    kid = NEWER.kid.encode()
    for name, bad in {
        "a kid without digits": kid[: kid.index(b":") + 1],
        "a kid of 201 digits": kid[: kid.index(b":") + 1] + b"0" * 201,
        "a kid of another algorithm": b"ml-dsa-65" + kid[kid.index(b":") :],
        "a kid in capitals": kid.replace(b"0", b"A"),
    }.items():
        lines = one.lines()
        lines[3] = lines[3].replace(b'"kid":"' + kid, b'"kid":"' + bad)
        cases.add(EXPORT, f"newer algorithm, {name}", ledger.export(lines), find("NOT_CANONICAL", D, 3))
    lines = one.lines()
    lines[3] = lines[3].replace(b"ml-dsa-44", b"x" * 33)
    cases.add(EXPORT, "newer algorithm, a name of 33 characters", ledger.export(lines), find("NOT_CANONICAL", D, 3))


def certified(line, what=CERTIFICATES):
    """A line with certificates."""
    if line.startswith(b'{"alg"'):
        return line.replace(b',"digest"', b"," + what + b',"digest"', 1)
    return line.replace(b'{"digest"', b"{" + what + b',"digest"', 1)


def certificates(cases):
    unchecked = {"unchecked": ["VERSION_UNKNOWN"]}
    ledger, per_commit = Ledger(), Ledger(9, per="commit", commit=3)

    def put(made, *places, what=CERTIFICATES):
        return lambda lines: [certified(line, what) if place in places else line for place, line in enumerate(lines)]

    def tell(name, made, change, *findings, **more):
        cases.add(EXPORT, f"certificates, {name}", ledger.export(change(made.lines()), tip=made.tip()), *findings, **more)

    tell("in one line", ledger, put(ledger, 3), **unchecked)
    tell("in all lines", ledger, put(ledger, *range(6)), **unchecked)
    stranger = ledger.bent(lambda other: other.rows[3].sign(STRANGER))
    tell("for a key that is not given", stranger, put(stranger, 3), **unchecked)
    bad = ledger.bent(lambda other: setattr(other.rows[3], "signature", bytes(64)))
    tell("with a bad signature", bad, put(bad, 3), **unchecked)
    unsigned = per_commit.lines()
    unsigned[1] = certified(unsigned[1])
    cases.add(EXPORT, "certificates, in a line without a signature", per_commit.export(unsigned), **unchecked)
    changed = ledger.bent(lambda other: other.rows[3].replace(b"pay", b"PAY"))
    lines = put(changed, 3)(changed.lines())
    cases.add(EXPORT, "certificates, a changed record", ledger.export(lines), find("HASH_MISMATCH", D, 3), **unchecked)
    for name, what in {
        "none": b'"certificates":[]',
        "an object": b'"certificates":{}',
        "a text": b'"certificates":"x"',
        "not canonical": b'"certificates":[ 1]',
        "cut": b'"certificates":[1',
        "and more": CERTIFICATES + b',"certified":1',
    }.items():
        tell(f"that are {name}", ledger, put(ledger, 3, what=what), find("NOT_CANONICAL", D, 3))
    intact = vault(ledger, [2], parts={1: {"lines": put(ledger, 1)}})
    cases.add(VAULT, "certificates, in a line of an intact segment", intact, **unchecked)
    strange = vault(stranger, [2], parts={1: {"lines": put(stranger, 1)}})
    cases.add(VAULT, "certificates, for a key that is not given", strange, **unchecked)


def documents(cases):
    """Certificates of manifests and receipts, and receipts that are heads."""
    unchecked = {"unchecked": ["VERSION_UNKNOWN"]}
    ledger, per_commit = Ledger(), Ledger(9, per="commit", commit=3)
    some = [{"anything": [{"at": ["all"]}]}]

    def certify(said):
        said["certificates"] = some

    last = vault(ledger, [2], parts={1: {"change": certify}})
    cases.add(VAULT, "certificates, in the last manifest", last, **unchecked)
    only = vault(ledger, [], parts={0: {"change": certify}})
    cases.add(VAULT, "certificates, in the only manifest", only, unchecked=["VERSION_UNKNOWN", "NOTHING_THERE"])
    empty = vault(ledger, [2], parts={1: {"change": lambda said: said.update(certificates=[])}})
    cases.add(VAULT, "certificates, in a manifest, none", empty, find("MANIFEST_INVALID", D, 2, 5))
    deep = vault(ledger, [2], parts={1: {"change": lambda said: said.update(other=some)}})
    cases.add(VAULT, "a manifest with another member that is deep", deep, find("MANIFEST_INVALID", D, 2, 5))

    receipt = ledger.receipt(3, certificates=some)
    cases.add(RECEIPT, "certificates", receipt, **unchecked)
    cases.add(RECEIPT, "certificates, and a changed record", receipt.replace(b"pay", b"PAY"), **unchecked)
    creation = per_commit.receipt(1, creation=per_commit.stand_in(certificates=some))
    cases.add(RECEIPT, "certificates, in the creation", creation, **unchecked)
    beside = per_commit.receipt(1, certificates=some)
    cases.add(RECEIPT, "certificates, beside the creation", beside, **unchecked)
    for name, value in {"none": [], "an object": {}, "null": None}.items():
        bad = ledger.receipt(3, certificates=value)
        cases.add(RECEIPT, f"certificates, {name}", bad, find("NOT_CANONICAL", D, ledger=None))
    other = per_commit.receipt(1, creation=per_commit.stand_in(alg=NEWER.alg, kid=NEWER.kid))
    cases.add(RECEIPT, "newer algorithm, in the creation", other, **unchecked)
    for name, change in {"alg": {"alg": NEWER.alg}, "kid": {"kid": NEWER.kid}}.items():
        cases.add(RECEIPT, f"newer algorithm, as {name} alone", ledger.receipt(3, **change), find("NOT_CANONICAL", D, ledger=None))
    known = ledger.receipt(3, alg="hmac-sha256")
    cases.add(RECEIPT, "a known algorithm that is not that of the kid", known, find("NOT_CANONICAL", D, ledger=None))
    cases.add(EXPORT, "a head that is a receipt with certificates", ledger.export(), heads=[receipt], **unchecked)
