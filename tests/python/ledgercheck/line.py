"""Section 7.1: the layout of a line."""

import re

from .names import unbase64

# With its line feed.
LINE_BYTES_MAX = 2 << 20

_SIGNED = re.compile(rb'\{"alg":"ed25519","digest":"([0-9a-f]{64})","kid":"(ed25519:[0-9a-f]{64})","record":')
_UNSIGNED = re.compile(rb'\{"digest":"([0-9a-f]{64})","record":')
_TAIL = re.compile(rb',"sig":"([A-Za-z0-9+/]{86}==)"\}')
_TAIL_BYTES = 98


class Line:
    """One line (without its LF), taken apart; ValueError when it has another layout."""

    def __init__(self, data):
        self.kid, self.signature = None, None
        signed = _SIGNED.match(data)
        found = signed or _UNSIGNED.match(data)
        if not found:
            raise ValueError("not the layout of a line")
        self.digest = bytes.fromhex(found[1].decode())
        end = len(data) - 1
        if signed:
            # The tail has a fixed length, and nothing in the record can pose as it.
            end = len(data) - _TAIL_BYTES
            tail = _TAIL.fullmatch(data[max(end, 0) :])
            self.kid, self.signature = signed[2].decode(), tail and unbase64(tail[1].decode())
            if self.signature is None:
                raise ValueError("not the layout of a signed line")
        elif data[-1:] != b"}":
            raise ValueError("not the layout of a line")
        self.record = data[found.end() : end]
        if len(self.record) < 2 or self.record[:1] != b"{" or self.record[-1:] != b"}":
            raise ValueError("the record of a line is no object")
