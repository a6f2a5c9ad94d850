"""Section 8.5: a receipt, checked alone."""

from . import canonical, ed25519
from .heads import leave_all
from .keys import spelled
from .names import is_hex32, is_integer, is_key_id, unbase64
from .note import BYTE_ORDER_MARK, Checkpoint, open_checkpoint
from .record import Contents, Record, record_digest
from .report import DAMAGE, TAMPERING
from .tree import inclusion_root, leaf_hash

RECEIPT_BYTES_MAX = 2 << 20
# A JSON library may write six bytes for one.
FILE_BYTES_MAX = 6 * RECEIPT_BYTES_MAX
PROOF_MAX = 63

_MEMBERS = {"checkpoint", "digest", "prev", "proof", "record", "v"}
_SIGNATURE = {"alg", "kid", "sig"}


class Wrong(Exception):
    """The first thing that is wrong."""

    def __init__(self, code, kind, message):
        super().__init__(message)
        self.code, self.kind = code, kind


class NewerVersion(Exception):
    """A receipt of a later program."""


def looks_like_one(data):
    return data.removeprefix(BYTE_ORDER_MARK).lstrip(b" \t\r\n").startswith(b"{")


def check(path, trust, heads, report):
    try:
        with open(path, "rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        report.leave("UNREADABLE", None, path, str(error))
        return leave_all(report, heads, "the receipt could not be read")
    receipt = Receipt(trust)
    if not judge(receipt, data, report):
        return None
    if receipt.contents.unknown_kind:
        why = f"its kind {receipt.contents.unknown_kind} is not known here: a newer verifier is needed"
        report.leave("KIND_UNKNOWN", receipt.ledger, f"record {receipt.record.seq}", why)
    if not report.is_asked(receipt.ledger):
        report.leave("NOT_FOUND", receipt.ledger, receipt.ledger, "the receipt is of another ledger than those asked for")
    compare_heads(receipt, heads, report)
    report.proven = receipt.proven()
    return None


def judge(receipt, data, report):
    """Whether a receipt is good; says what is not."""
    try:
        receipt.read(data)
        receipt.check()
        return True
    except Wrong as wrong:
        report.find(wrong.code, wrong.kind, receipt.ledger, receipt.place(), str(wrong))
    except NewerVersion as error:
        report.leave("VERSION_UNKNOWN", None, "receipt", f"{error}: a newer verifier is needed")
    return False


def as_head(data, trust, report):
    """The checkpoint of a good receipt."""
    receipt = Receipt(trust)
    return receipt.checkpoint if judge(receipt, data, report) else None


def compare_heads(receipt, heads, report):
    mine = receipt.checkpoint
    for head in heads:
        if head.size == 0:
            continue
        if (head.origin, head.size) != (mine.origin, mine.size):
            leave_all(report, [head], "it is of another ledger or size than the receipt's checkpoint")
        elif head.root != mine.root:
            place = (0, head.size - 1)
            report.find("ROOT_MISMATCH", TAMPERING, receipt.ledger, place, "the head has another root")
        else:
            report.note(f"a head vouches for {mine.origin} up to record {mine.size - 1}; nothing is known behind")


class Receipt:
    def __init__(self, trust):
        self.trust, self.ledger, self.record, self.checkpoint = trust, None, None, None

    def place(self):
        return self.record and (self.record.seq, self.record.seq)

    def read(self, data):
        """Step 1."""
        try:
            data = data.removeprefix(BYTE_ORDER_MARK)
            written = canonical.write(canonical.parse(data, bytes_max=FILE_BYTES_MAX))
            # The result is read anew: 1.0 has become an integer.
            value = canonical.parse_canonical(written, bytes_max=RECEIPT_BYTES_MAX)
            if isinstance(value, dict) and is_integer(value.get("v"), 2):
                raise NewerVersion(f"version {value['v']}")
            self.members(value)
        except (canonical.JsonError, ValueError) as error:
            raise Wrong("NOT_CANONICAL", DAMAGE, str(error)) from None
        self.ledger = self.record.ledger

    def members(self, value):
        if not isinstance(value, dict) or set(value) not in (_MEMBERS | {"creation"}, _MEMBERS | _SIGNATURE):
            raise ValueError("not the members of a receipt")
        proof = value["proof"]
        fits = (
            isinstance(value["checkpoint"], str),
            is_hex32(value["digest"]),
            value["prev"] is None or is_hex32(value["prev"]),
            isinstance(proof, list) and len(proof) <= PROOF_MAX and all(isinstance(p, str) for p in proof),
            is_integer(value["v"], 1, 1),
        )
        if not all(fits):
            raise ValueError("a member of a receipt is not in its form")
        self.note, self.digest = value["checkpoint"], bytes.fromhex(value["digest"])
        self.prev = None if value["prev"] is None else bytes.fromhex(value["prev"])
        self.proof = [unbase64(part) for part in proof]
        if any(part is None or len(part) != 32 for part in self.proof):
            raise ValueError("a proof's hash is not in its form")
        self.signed = signature_of(value) if "alg" in value else None
        self.creation = None if self.signed else creation_of(value["creation"])
        self.record = Record(canonical.write(value["record"]))

    def check(self):
        record = self.record
        if (self.prev is None) != (record.seq == 0):
            raise Wrong("CHAIN_BROKEN", DAMAGE, "prev is null for record 0 and only there")
        if record.digest(self.prev) != self.digest:
            raise Wrong("HASH_MISMATCH", DAMAGE, "the digest is not that of the record")
        self.open()
        self.contents = self.judge_contents(record)
        if self.signed:
            self.judge_signature(self.signed, self.digest)
        else:
            self.judge_creation()
        self.prove()

    def open(self):
        """Step 4."""
        try:
            origin = Checkpoint(self.note).origin
        except ValueError:
            origin = None
        self.checkpoint, code = open_checkpoint(self.note, origin, self.trust)
        if code:
            raise Wrong(code, DAMAGE, "the checkpoint does not open")
        if self.checkpoint.ledger != self.record.ledger:
            raise Wrong("CHECKPOINT_INVALID", TAMPERING, "a checkpoint of another ledger")
        self.trusted = self.trust.keys(origin)

    def judge_contents(self, record):
        """Step 5."""
        contents = Contents(record, self.checkpoint.origin, self.trusted)
        if contents.code:
            raise Wrong(contents.code, TAMPERING, f"a record of kind {record.kind} that cannot be here")
        if contents.strangers:
            raise Wrong("KEY_UNKNOWN", DAMAGE, f"{contents.strangers[0]} of record 0 is not trusted")
        return contents

    def judge_signature(self, signed, digest):
        """Step 6."""
        kid, signature = signed
        if not ed25519.verify_record(spelled(kid), digest, signature):
            raise Wrong("SIG_INVALID", TAMPERING, "the signature does not fit the digest")
        if kid not in self.trusted:
            raise Wrong("KEY_UNKNOWN", DAMAGE, f"signed with {kid}")

    def judge_creation(self):
        """Step 7."""
        data, signed = self.creation
        try:
            creation = Record(data)
        except ValueError as error:
            raise Wrong("NOT_CANONICAL", DAMAGE, f"the creation: {error}") from None
        if creation.seq != 0:
            raise Wrong("CREATION_INVALID", TAMPERING, "the creation is not record 0")
        contents = self.judge_contents(creation)
        self.judge_signature(signed, record_digest(data, None))
        if contents.creation["sign_per"] == "record" or self.record.seq == 0:
            raise Wrong("UNSIGNED", TAMPERING, "a record that must carry a signature has none")
        if Contents(self.record, self.checkpoint.origin, self.trusted, contents.creation["principals"]).code:
            raise Wrong("NOT_CANONICAL", TAMPERING, "it says of who wrote it what record 0 does not")

    def prove(self):
        """Step 8."""
        seq, size = self.record.seq, self.checkpoint.size
        if seq >= size:
            raise Wrong("CHECKPOINT_INVALID", TAMPERING, "the checkpoint does not reach the record")
        if inclusion_root(seq, size, leaf_hash(self.digest), self.proof) != self.checkpoint.root:
            raise Wrong("ROOT_MISMATCH", TAMPERING, "the proof does not lead to the checkpoint's root")

    def proven(self):
        return {
            "origin": self.checkpoint.origin,
            "seq": self.record.seq,
            "time": self.record.time,
            "digest": self.digest.hex(),
            "record": self.record.data.decode(),
            "tree_size": self.checkpoint.size,
            "signed_by": self.signed and self.signed[0],
        }


def signature_of(value):
    """(kid, signature); ValueError when they have not their form."""
    signature = unbase64(value["sig"]) if isinstance(value["sig"], str) else None
    if value["alg"] != "ed25519" or not is_key_id(value["kid"]) or signature is None or len(signature) != 64:
        raise ValueError("a signature is not in its form")
    return value["kid"], signature


def creation_of(value):
    """(bytes of the record, (kid, signature))"""
    if not isinstance(value, dict) or set(value) != _SIGNATURE | {"record"} or not isinstance(value["record"], dict):
        raise ValueError("the creation is not in its form")
    return canonical.write(value["record"]), signature_of(value)
