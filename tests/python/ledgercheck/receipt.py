"""Section 6: a receipt, checked alone."""

from . import canonical, ed25519
from .findings import CouldNotCheck, Problem
from .names import is_hex32, is_integer, is_key_id
from .note import open_checkpoint, unbase64
from .record import Record
from .tree import inclusion_root, leaf_hash

RECEIPT_BYTES_MAX = 2 << 20
PROOF_MAX = 63

_MEMBERS = {"checkpoint", "digest", "prev", "proof", "record", "v"}
_SIGNATURE = {"alg", "kid", "sig"}


def check(path, trust, head, findings):
    try:
        with open(path, "rb") as file:
            data = file.read(RECEIPT_BYTES_MAX + 1)
    except OSError as error:
        raise CouldNotCheck(str(error)) from None
    if len(data) > RECEIPT_BYTES_MAX:
        raise Problem("NOT_CANONICAL", "larger than a receipt can be")
    # A file may end in a line feed that an editor or `echo` added.
    Receipt(data[:-1] if data.endswith(b"\n") else data).check(trust, head, findings)


class Receipt:
    def __init__(self, data):
        try:
            value = canonical.parse_canonical(data)
            self.read(value)
        except (canonical.JsonError, ValueError) as error:
            raise Problem("NOT_CANONICAL", str(error)) from None

    def read(self, value):
        if not isinstance(value, dict) or set(value) not in (_MEMBERS, _MEMBERS | _SIGNATURE):
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
        self.record = Record(canonical.write(value["record"]))
        self.checkpoint, self.digest = value["checkpoint"], bytes.fromhex(value["digest"])
        self.prev = None if value["prev"] is None else bytes.fromhex(value["prev"])
        self.proof = [unbase64(part) for part in proof]
        if any(part is None or len(part) != 32 for part in self.proof):
            raise ValueError("a proof's hash is not in its form")
        self.kid = value.get("kid")
        self.signature = unbase64(value["sig"]) if isinstance(value.get("sig"), str) else None
        if "alg" in value:
            good = value["alg"] == "ed25519" and is_key_id(self.kid) and self.signature is not None
            if not good or len(self.signature) != 64:
                raise ValueError("a receipt's signature is not in its form")

    def check(self, trust, head, findings):
        """Problem with the first thing that is wrong, in the order of section 7.6."""
        if (self.prev is None) != (self.record.seq == 0):
            raise Problem("CHAIN_BROKEN", "prev is null for record 0 and only there")
        if self.record.digest(self.prev) != self.digest:
            raise Problem("HASH_MISMATCH", "the digest is not that of the record")
        origin = self.checkpoint.split("\n")[0]
        checkpoint = open_checkpoint(self.checkpoint, origin, trust)
        if origin.partition("/")[2] != self.record.ledger:
            raise Problem("CHECKPOINT_INVALID", "a checkpoint of another ledger")
        self.check_signature(trust.keys(origin))
        if self.record.seq >= checkpoint.size:
            raise Problem("CHECKPOINT_INVALID", "the checkpoint does not reach the record")
        root = inclusion_root(self.record.seq, checkpoint.size, leaf_hash(self.digest), self.proof)
        if root != checkpoint.root:
            raise Problem("ROOT_MISMATCH", "the proof does not lead to the checkpoint's root")
        if head:
            compare_head(head, checkpoint, findings)

    def check_signature(self, keys):
        if self.kid is None:
            return
        if self.kid not in keys:
            raise Problem("KEY_UNKNOWN", f"signed with {self.kid}")
        if not ed25519.verify_record(keys[self.kid], self.digest, self.signature):
            raise Problem("SIG_INVALID", "the signature is not that of the digest")


def compare_head(head, checkpoint, findings):
    """Only heads of one size can be compared without more of the ledger."""
    if (head.origin, head.size) != (checkpoint.origin, checkpoint.size):
        findings.could_not_check("the expected head is one of another ledger or size")
    elif head.root != checkpoint.root:
        raise Problem("ROOT_MISMATCH", "the expected head has another root")
