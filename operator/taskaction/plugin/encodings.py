"""Forms in which a target can return a text that it was sent, and one canonical form for all of them; pure.

Whatever a client or target does to a text character by character, ``Canonical`` undoes: percent-encoding in any mixture
and case, form encoding, escapes of JSON and Python, also twice, entities of HTML, and folded white space. It keeps the
place of each character in the source, and takes time linear in its length. Base64 depends on the place in what is
encoded, so ``base64_forms`` has its three forms; ``Compact`` finds them in both alphabets, however lines are wrapped.
"""

import base64
import html
import json
import re
from array import array
from collections.abc import Callable, Iterator
from urllib.parse import quote, quote_plus

_LAYERS = 6
"""Maximum number of encodings on top of each other."""
_TOKEN = re.compile(
    r"(?:%[0-9A-Fa-f]{2})+"
    r"|(?:\\u[0-9A-Fa-f]{4})+"
    r"|\\U[0-9A-Fa-f]{8}"
    r"|\\x[0-9A-Fa-f]{2}"
    r"|\\[nrtbf\"'/\\]"
    r"|&(?:amp|lt|gt|quot|apos|#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6});"
)
_FOLDED = re.compile(r"[\s+]{2,}|[^\S ]|\+")
_COMPACT: dict[int, str | None] = dict.fromkeys(map(ord, "+- \t\n\r\v\f"), None) | {ord("_"): "/"}
_SURROGATE = re.compile("[\ud800-\udfff]")
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_OFFSETS = 3
_LAST_CODE_POINT = 0x10FFFF
_LAST_OF_ONE_UNIT = 0xFFFF

Decoder = Callable[[str], Iterator[tuple[str, int]]]
"""Decoder of a token into characters, each with its offset in the token."""


class Canonical:
    """Canonical form of a text; ``source_span`` returns where a part of it came from.

    Attributes:
        text: the canonical form.
        compact: the form in which base64 is searched for.
    """

    def __init__(self, source: str) -> None:
        self.text = without_surrogates(source)
        self._starts: array[int] | None = None
        for _ in range(_LAYERS):
            before = self.text
            self._replace(_TOKEN, _decode_token)
            if self.text == before:
                break
        self.compact = Compact(self.text, self._starts)
        self._replace(_FOLDED, _fold)

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the part of the source from which a part of the canonical form came."""
        return (start, end) if self._starts is None else (self._starts[start], self._starts[end])

    def _replace(self, pattern: re.Pattern[str], decode: Decoder) -> None:
        """Replace what ``pattern`` matches, and keep the source of each character."""
        if pattern.search(self.text) is None:
            return
        text, starts, at = self.text, self._starts, 0
        if starts is None:
            starts = array("q", range(len(text) + 1))
        parts: list[str] = []
        places: array[int] = array("q")
        for match in pattern.finditer(text):
            parts.append(text[at : match.start()])
            places.extend(starts[at : match.start()])
            for character, offset in decode(match[0]):
                parts.append(character)
                places.append(starts[match.start() + offset])
            at = match.end()
        parts.append(text[at:])
        places.extend(starts[at:])
        self.text, self._starts = "".join(parts), places


class Compact:
    """Text without white space and in one alphabet of base64; ``source_span`` returns where a part of it came from.

    Lines of base64 are wrapped at any width. The alphabets differ in ``+/`` and ``-_``, and a form turns a plus sign
    into a space, so this form has no plus sign at all.

    Attributes:
        text: the compact form.
    """

    def __init__(self, decoded: str, starts: "array[int] | None" = None) -> None:
        """Create the form of a text without escapes; ``starts`` are the places of its characters in the source."""
        self.text = decoded.translate(_COMPACT)
        self._decoded = decoded
        self._starts = starts
        self._kept: array[int] | None = None

    def source_span(self, start: int, end: int) -> tuple[int, int]:
        """Return the part of the source from which a part of the compact form came."""
        if self._kept is None:  # only a text that holds a secret needs the places
            self._kept = array(
                "q", (at for at, one in enumerate(self._decoded) if _COMPACT.get(ord(one), one) is not None)
            )
        first, last = self._kept[start], self._kept[end - 1] + 1
        return (first, last) if self._starts is None else (self._starts[first], self._starts[last])


def spellings(text: str) -> set[str]:
    """Return ``text``, and its UTF-8 read as Latin-1: HTTP has no charset for headers."""
    return {text, text.encode().decode("latin-1")}


def encoded_forms(text: str) -> set[str]:
    """Return the forms of ``text`` that clients commonly produce, each as a whole."""
    found: set[str] = set()
    for one in spellings(text):
        found |= {one, quote(one, safe=""), quote_plus(one), repr(one)[1:-1]}
        found |= {json.dumps(one, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    return found


def base64_forms(text: str) -> set[str]:
    """Return what base64 of anything that contains ``text`` contains: one form for each place in a group of 3 bytes."""
    content = text.encode()
    found: set[str] = set()
    for offset in range(_OFFSETS):
        padded = b"\0" * offset + content
        first = (offset * 8 + 5) // 6  # the first character that depends on nothing before the text
        last = len(padded) * 8 // 6  # and the last one that depends on nothing after it
        found.add(base64.b64encode(padded).decode()[first:last])
    return found


def without_surrogates(text: str) -> str:
    """Return ``text`` as valid Unicode of the same length."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _decode_token(token: str) -> Iterator[tuple[str, int]]:
    kind = token[:2]
    if kind[0] == "%":
        offset = 0
        for character in bytes.fromhex(token.replace("%", "")).decode(errors="surrogateescape"):
            yield without_surrogates(character), offset
            offset += 3 * len(character.encode(errors="surrogateescape"))
    elif kind == "\\u":
        units = bytes.fromhex(token.replace("\\u", "")).decode("utf-16-be", "surrogatepass")
        offset = 0
        for character in units:
            yield without_surrogates(character), offset
            offset += 6 * (1 + (ord(character) > _LAST_OF_ONE_UNIT))
    elif kind == "\\U":
        code = int(f"0x{token[2:]}", 0)
        yield (without_surrogates(chr(code)) if code <= _LAST_CODE_POINT else "\ufffd"), 0
    elif kind == "\\x":
        yield chr(int(f"0x{token[2:]}", 0)), 0
    elif kind[0] == "\\":
        yield _SIMPLE.get(kind[1], kind[1]), 0
    else:
        for character in without_surrogates(html.unescape(token)):
            yield character, 0


def _fold(_: str) -> Iterator[tuple[str, int]]:
    """Yield one space: a form writes a space as a plus sign, and a folded header a line break."""
    yield " ", 0
