"""Section 1: strict JSON (RFC 8259) and canonical form (RFC 8785).

The reader works on bytes, so that an offset in an error is a byte offset. It builds Python values:
objects are dicts, integers stay int, every other number is a float.
"""

import re
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

SAFE_INTEGER_MAX = 2**53 - 1
# From here on a double is written as an integer that could not be read again,
INTEGER_LIKE_FROM = 2.0**53
# and from here on ES6 writes it with an exponent, and it can be told from an integer.
EXPONENT_FROM = 1e21
# No double has more significant digits than this (the smallest subnormals have 767).
DOUBLE_DIGITS_MAX = 800

EVENT_DEPTH_MAX = 64
RECORD_DEPTH_MAX = 65
DOCUMENT_DEPTH_MAX = 66

_SPACE = re.compile(rb"[ \t\n\r]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
_HEX4 = re.compile(rb"[0-9a-fA-F]{4}")
_SIMPLE = {b'"': '"', b"\\": "\\", b"/": "/", b"b": "\b", b"f": "\f", b"n": "\n", b"r": "\r", b"t": "\t"}
_WORDS = {b"true": True, b"false": False, b"null": None}


class JsonError(Exception):
    def __init__(self, code, offset, reason):
        super().__init__(f"{code}: {reason} at byte {offset}")
        self.code, self.offset, self.reason = code, offset, reason


def parse(data, depth_max=DOCUMENT_DEPTH_MAX, bytes_max=None):
    """The value that `data` spells; JsonError when it is not strict JSON."""
    if bytes_max is not None and len(data) > bytes_max:
        raise JsonError("json_too_large", bytes_max, f"more than {bytes_max} bytes")
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError("json_utf8", error.start, "not UTF-8") from None
    reader = _Reader(data, depth_max)
    value = reader.value(0)
    reader.space()
    if reader.at != len(data):
        raise JsonError("json_trailing", reader.at, "something follows the value")
    return value


def parse_canonical(data, depth_max=DOCUMENT_DEPTH_MAX, bytes_max=None):
    """As `parse`, and refuses what is not already in canonical form."""
    value = parse(data, depth_max, bytes_max)
    written = write(value)
    if written != data:
        limit = min(len(written), len(data))
        offset = next((i for i in range(limit) if written[i] != data[i]), limit)
        raise JsonError("json_not_canonical", offset, "not in canonical form")
    return value


class _Reader:
    def __init__(self, data, depth_max):
        self.data, self.at, self.depth_max = data, 0, depth_max

    def fail(self, code, reason, at=None):
        raise JsonError(code, self.at if at is None else at, reason)

    def space(self):
        self.at = _SPACE.match(self.data, self.at).end()

    def peek(self):
        self.space()
        return self.data[self.at : self.at + 1]

    def value(self, depth):
        first = self.peek()
        if first == b"{":
            return self.object(depth + 1)
        if first == b"[":
            return self.array(depth + 1)
        if first == b'"':
            return self.string()
        if first == b"-" or first.isdigit():
            return self.number()
        for word, value in _WORDS.items():
            if self.data.startswith(word, self.at):
                self.at += len(word)
                return value
        return self.fail("json_syntax", "no JSON value")

    def open(self, depth):
        if depth > self.depth_max:
            self.fail("json_depth", f"deeper than {self.depth_max}")
        self.at += 1

    def array(self, depth):
        self.open(depth)
        items = []
        if self.peek() == b"]":
            self.at += 1
            return items
        while True:
            items.append(self.value(depth))
            if self.separator(b"]"):
                return items

    def object(self, depth):
        self.open(depth)
        members = {}
        if self.peek() == b"}":
            self.at += 1
            return members
        while True:
            if self.peek() != b'"':
                self.fail("json_syntax", "a name must be a string")
            start = self.at
            name = self.string()
            if name in members:
                self.fail("json_duplicate_name", "a name occurs twice", start)
            if self.peek() != b":":
                self.fail("json_syntax", "no colon after a name")
            self.at += 1
            members[name] = self.value(depth)
            if self.separator(b"}"):
                return members

    def separator(self, closing):
        """Steps over a comma or the closing bracket; true at the latter."""
        found = self.peek()
        if found not in (b",", closing) or not found:
            self.fail("json_syntax", "neither comma nor closing bracket")
        self.at += 1
        return found == closing

    def string(self):
        self.at += 1
        parts = []
        while True:
            end = _PLAIN.match(self.data, self.at).end()
            parts.append(self.data[self.at : end].decode("utf-8"))
            self.at = end
            stop = self.data[end : end + 1]
            if stop == b'"':
                self.at += 1
                return "".join(parts)
            if stop != b"\\":
                self.fail("json_syntax", "a control character or the end inside a string")
            parts.append(self.escape())

    def escape(self):
        kind = self.data[self.at + 1 : self.at + 2]
        if kind in _SIMPLE:
            self.at += 2
            return _SIMPLE[kind]
        start = self.at
        unit = self.unit()
        if 0xDC00 <= unit <= 0xDFFF:
            self.fail("json_lone_surrogate", "a low surrogate alone", start)
        if not 0xD800 <= unit <= 0xDBFF:
            return chr(unit)
        if self.data[self.at : self.at + 2] != b"\\u":
            self.fail("json_lone_surrogate", "a high surrogate alone", start)
        low = self.unit()
        if not 0xDC00 <= low <= 0xDFFF:
            self.fail("json_lone_surrogate", "a high surrogate alone", start)
        return chr(0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00))

    def unit(self):
        digits = self.data[self.at + 2 : self.at + 6]
        if self.data[self.at + 1 : self.at + 2] != b"u" or not _HEX4.fullmatch(digits):
            self.fail("json_syntax", "not an escape")
        self.at += 6
        return int(digits, 16)

    def number(self):
        found = _NUMBER.match(self.data, self.at)
        if not found:
            self.fail("json_syntax", "not a number")
        start, self.at = self.at, found.end()
        text = found.group()
        if found.group(1) is None and found.group(2) is None:
            # 2^53 has 16 digits: more cannot fit, and int() must not be made to read a megabyte.
            if len(text) > 17 or abs(int(text)) > SAFE_INTEGER_MAX:
                self.fail("json_number_inexact", "an integer beyond 2^53 - 1", start)
            return int(text)
        number = float(text)
        if not carries(number, text):
            self.fail("json_number_inexact", "a number that a double does not carry", start)
        return number


def carries(number, text):
    """Whether the double says all that the literal, which is not an integer, says."""
    digits = re.split(rb"[eE]", text)[0].replace(b"-", b"").replace(b".", b"").lstrip(b"0").decode()
    if not digits:
        return True
    size = abs(number)
    if size in (0.0, float("inf")) or INTEGER_LIKE_FROM <= size < EXPONENT_FROM:
        return False
    canonical = es6_number(size).partition("e")[0].replace(".", "").lstrip("0")
    return digits == canonical or digits in roundings(size, len(digits))


def roundings(size, count):
    """The digits of a double at `count` significant digits; both neighbours where they are equally near."""
    exact = Decimal(size)
    if count > DOUBLE_DIGITS_MAX:
        return {digits_of(exact, DOUBLE_DIGITS_MAX) + "0" * (count - DOUBLE_DIGITS_MAX)}
    lower = rounded(exact, count, ROUND_FLOOR)
    upper = rounded(exact, count, ROUND_CEILING)
    wide = Context(prec=2 * DOUBLE_DIGITS_MAX + 800)
    if wide.subtract(exact, lower) == wide.subtract(upper, exact):
        return {digits_of(lower, count), digits_of(upper, count)}
    return {digits_of(rounded(exact, count, ROUND_HALF_EVEN), count)}


def rounded(exact, count, how):
    return Context(prec=count, rounding=how).plus(exact)


def digits_of(number, count):
    """Exactly `count` significant digits of a number that has no more."""
    return "".join(map(str, number.as_tuple().digits)).rstrip("0").ljust(count, "0")


def is_inexact_number(text):
    """Whether a string is a number literal that a double does not carry (section 3, numbers_as_text)."""
    data = text.encode("utf-8")
    if not _NUMBER.fullmatch(data):
        return False
    try:
        parse(data)
    except JsonError as error:
        return error.code == "json_number_inexact"
    return False


def write(value):
    """Canonical bytes of a parsed value."""
    out = []
    _write(value, out)
    return "".join(out).encode("utf-8")


def _write(value, out):
    if value is None:
        out.append("null")
    elif value is True:
        out.append("true")
    elif value is False:
        out.append("false")
    elif isinstance(value, int):
        out.append(str(value))
    elif isinstance(value, float):
        out.append(es6_number(value))
    elif isinstance(value, str):
        out.append(quote(value))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            out.append("," if index else "[")
            _write(item, out)
        out.append("]" if value else "[]")
    else:
        # UTF-16 code units as big-endian bytes compare as RFC 8785 section 3.2.3 demands.
        names = sorted(value, key=lambda name: name.encode("utf-16-be"))
        for index, name in enumerate(names):
            out.append(("," if index else "{") + quote(name) + ":")
            _write(value[name], out)
        out.append("}" if value else "{}")


_SHORT = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MUST_ESCAPE = re.compile('["\\\\\x00-\x1f]')


def quote(text):
    return '"' + _MUST_ESCAPE.sub(lambda m: _SHORT.get(m[0]) or f"\\u{ord(m[0]):04x}", text) + '"'


def es6_number(number):
    """Number::toString of ECMAScript. repr() has the same shortest digits, only other layout."""
    if number == 0:
        return "0"
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = whole + fraction
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = point - 1
    tail = f"e{'+' if power > 0 else '-'}{abs(power)}"
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + tail


def depth(value):
    """How deep objects and arrays nest; 1 for a flat one, 0 for a scalar."""
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0
