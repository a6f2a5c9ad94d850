"""Section 7.1: the layout of a line."""

import re

from . import canonical
from .algorithms import algorithm_of, read_signature
from .names import are_certificates, is_hex32, is_key_id

# With its line feed.
LINE_BYTES_MAX = 2 << 20

_SIGNED = re.compile(rb'\{"alg":"([^"]{1,40})","digest":"([0-9a-f]{64})","kid":"([^"]{1,240})","record":')
_UNSIGNED = re.compile(rb'\{"digest":"([0-9a-f]{64})","record":')
_CERTIFIED = re.compile(rb'\{(?:"alg":"[^"]*",)?"certificates":\[')
_SIG = b',"sig":"'
_MEMBERS = {"certificates", "digest", "record"}
# An event, the record around it, the line around that.
_DEPTH_MAX = 66


class Line:
    """One line (without its LF), taken apart; ValueError when it has another layout."""

    def __init__(self, data):
        self.kid, self.signature, self.certified = None, None, bool(_CERTIFIED.match(data))
        if self.certified:
            self.read_json(data)
        else:
            self.read(data)
        if len(self.record) < 2 or self.record[:1] != b"{" or self.record[-1:] != b"}":
            raise ValueError("the record of a line is no object")

    def read(self, data):
        signed, end = _SIGNED.match(data), len(data) - 1
        found = signed or _UNSIGNED.match(data)
        if not found or data[-1:] != b"}":
            raise ValueError("not the layout of a line")
        self.digest = bytes.fromhex(found[2 if signed else 1].decode())
        if signed:
            # Base64 has no quotation mark: the last but one begins the signature, whatever the record holds.
            begin = data.rfind(b'"', 0, end - 1) + 1
            end = begin - len(_SIG)
            if data[-2:] != b'"}' or end < found.end() or data[end:begin] != _SIG:
                raise ValueError("not the layout of a signed line")
            self.sign(*(part.decode("latin-1") for part in (signed[1], signed[3], data[begin:-2])))
        self.record = data[found.end() : end]

    def read_json(self, data):
        """What stands in certificates is not known, so the whole is read as JSON."""
        try:
            value = canonical.parse_canonical(data, _DEPTH_MAX)
        except canonical.JsonError as error:
            raise ValueError(str(error)) from None
        if set(value) not in (_MEMBERS, _MEMBERS | {"alg", "kid", "sig"}) or not are_certificates(value["certificates"]):
            raise ValueError("not the members of a line with certificates")
        if not is_hex32(value["digest"]) or not isinstance(value["record"], dict):
            raise ValueError("a member of a line is not in its form")
        self.digest, self.record = bytes.fromhex(value["digest"]), canonical.write(value["record"])
        if "kid" in value:
            self.sign(value["alg"], value["kid"], value["sig"])

    def sign(self, alg, kid, sig):
        if not is_key_id(kid) or alg != algorithm_of(kid):
            raise ValueError("not the id of a key of this alg")
        self.kid, self.signature = kid, read_signature(kid, sig)
        if self.signature is None:
            raise ValueError("not a signature of this alg")
