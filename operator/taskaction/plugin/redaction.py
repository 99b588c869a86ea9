"""Redaction: replaces values of Secrets in everything that an executor returns, in linear time."""

import asyncio
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass, replace
from operator import is_
from typing import Any, TypeVar

from ahocorasick_rs import AhoCorasick, Implementation, MatchKind
from pydantic import BaseModel

from taskaction.core.names import truncate
from taskaction.plugin.encodings import Canonical, Compact, base64_forms, encoded_forms, spellings, without_surrogates
from taskaction.plugin.secrets import REDACTED, Secret, has_secret

SHORTEST_BYTES = 8
"""A shorter value is not searched for: it would match texts that hold no Secret."""
LONGEST_TEXT_CHARS = 64 * 1024
"""Longer texts are cut before the search; an output with such a text is refused, see ``cuts``."""

_SHORTEST_CHARS = SHORTEST_BYTES // 4
_CUT_MARKS = ("…", "...")
_SHORTEST_CUT_CHARS = 32
_CUT_TOKEN = re.compile(r"(?:%[0-9A-Fa-f]?|\\(?:u[0-9A-Fa-f]{0,3}|x[0-9A-Fa-f]?)?)$")
_BELOW_SHORT, _ABOVE_SHORT = -1_000_000, 10_000_000
"""Bounds of the whole numbers with fewer than ``SHORTEST_BYTES`` digits, which are not searched for."""
_MOST_RESTARTS = 256
_LISTS = (list, tuple)
_NUMBERS = (int, float)
_CONSTANTS = frozenset({bool, type(None)})
_WITHOUT_TEXT = _CONSTANTS | set(_NUMBERS)
_CHARS_PER_UNIT = 256
_UNITS_AT_ONCE = 500
"""Texts that are searched in a row, about 10 ms; a long text counts as several."""
T = TypeVar("T")


class Redactor:
    """Searcher for a set of secret texts, in each form in which a target can return them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Build the search; the values have ``SHORTEST_BYTES`` or more, which ``SecretLedger`` ensures."""
        plain: set[str] = set()
        canonical: set[str] = set()
        compact: set[str] = set()
        self._texts = {text for text in (without_surrogates(one).strip() for one in secrets) if text}
        for text in self._texts:
            plain |= encoded_forms(text)
            canonical |= {Canonical(form).text for form in spellings(text)}
            compact |= {Compact(form).text for one in spellings(text) for form in base64_forms(one)}
        self._plain = _Search(plain)
        self._canonical = _Search(canonical)
        self._compact = _Search(compact)

    def text(self, text: str) -> str:
        """Return ``text`` without any of the secrets, nor the beginning or end of one where the text was cut."""
        if not self._texts or len(text) < _SHORTEST_CHARS:
            return text
        text = truncate(text, LONGEST_TEXT_CHARS)
        form = Canonical(text)
        spans = [
            *self._plain.spans(without_surrogates(text)),
            *(form.source_span(*span) for span in self._canonical.spans(form.text)),
            *(form.compact.source_span(*span) for span in self._compact.spans(form.compact.text)),
        ]
        return _replace_spans(text, spans) if spans else text

    def value(self, value: Any) -> Any:
        """Return a JSON value without any of the secrets in texts, names and numbers, nor any ``Secret``."""
        return self._replace(value, self.text) if self._texts or has_secret(value) else value

    async def value_in_turns(self, value: Any) -> Any:
        """Return what ``value`` returns, in turns with other callbacks of the event loop."""
        if not self._texts:
            return self.value(value)
        await asyncio.sleep(0)
        shown: dict[str, str] = {}
        units = 0
        for text in _texts_in(value):
            shown[text] = self.text(text)
            units += 1 + len(text) // _CHARS_PER_UNIT
            if units >= _UNITS_AT_ONCE:
                units = 0
                await asyncio.sleep(0)
        await asyncio.sleep(0)
        return self._replace(value, shown.__getitem__)

    def _replace(self, value: Any, show: Callable[[str], str]) -> Any:
        """Return a JSON value with every text as ``show`` returns it, and without other values of Secrets."""
        if isinstance(value, str):
            return show(value)
        if isinstance(value, dict):
            return {self._replace(name, show): self._replace(part, show) for name, part in value.items()}
        if isinstance(value, _LISTS):
            return [part if type(part) in _CONSTANTS else self._replace(part, show) for part in value]
        if isinstance(value, Secret):
            return REDACTED
        if isinstance(value, _NUMBERS) and not isinstance(value, bool) and not _is_short(value):
            return REDACTED if number_text(value) in self._texts else value
        return value

    def cuts(self, value: Any) -> bool:
        """Whether a text of a JSON value is too long to be searched, so that ``value`` would return it shortened."""
        return bool(self._texts) and any(len(text) > LONGEST_TEXT_CHARS for text in _texts_in(value))

    def fields(self, value: T) -> T:
        """Return an outcome, a link or progress without any of the secrets in any of its fields."""
        if isinstance(value, BaseModel):
            changed = self._changed_fields(value, type(value).model_fields)
            return value.model_copy(update=changed) if changed else value
        if is_dataclass(value) and not isinstance(value, type):
            changed = self._changed_fields(value, value.__dataclass_fields__)
            return replace(value, **changed) if changed else value
        return value

    def _changed_fields(self, value: Any, names: Iterable[str]) -> dict[str, Any]:
        """Return the fields that contain a secret, without it."""
        shown = (
            (name, before, self._field(name, before)) for name in names if (before := getattr(value, name)) is not None
        )
        return {name: after for name, before, after in shown if after is not before}

    def _field(self, name: str, value: Any) -> Any:
        if type(value) is str:
            return self.text(value)
        if isinstance(value, BaseModel):
            return self.fields(value)
        if isinstance(value, tuple):  # links, and lines of a log
            shown = tuple(self.fields(one) for one in value)
            return value if all(map(is_, shown, value)) else shown
        # Everything else are words of enumerations, times and numbers of the contract.
        return self.value(value) if name == "output" or isinstance(value, Secret) else value


def _texts_in(value: Any) -> set[str]:
    """Return the distinct texts and names in a JSON value."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        part = waiting.pop()
        if isinstance(part, str):
            found.add(part)
        elif isinstance(part, dict):
            waiting += [*part, *part.values()]
        elif isinstance(part, _LISTS):
            waiting += [one for one in part if type(one) not in _WITHOUT_TEXT]
    return found


def _is_short(value: float) -> bool:
    """Whether a number is whole, and shorter than what is searched for."""
    return _BELOW_SHORT < value < _ABOVE_SHORT and value == value // 1


def number_text(value: float) -> str:
    """Return a number as JSON writes it, a whole one as an integer."""
    return str(int(value)) if value == value // 1 else str(value)


class _Search:
    """Search for patterns of ``SHORTEST_BYTES`` characters or more, which reports overlapping matches as one."""

    def __init__(self, patterns: Iterable[str]) -> None:
        # The canonical form of eight plus signs is one space: such a form would match everywhere.
        self.patterns = sorted(one for one in patterns if len(one.encode("utf-8", "replace")) >= SHORTEST_BYTES)
        self._longest = max(map(len, self.patterns), default=0)
        self._machine = _build_machine(self.patterns, MatchKind.LeftmostLongest)
        self._beginnings = _Beginnings(self.patterns)
        self._ends = _Beginnings(one[::-1] for one in self.patterns)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the parts of ``text`` that belong to a pattern."""
        if not self.patterns:
            return
        restarts = 0
        for _, start, end in self._machine.find_matches_as_indexes(text):
            at, last = start, end
            while (following := self._find_overlap(text, at, last)) is not None:
                restarts += 1
                at, last = following[0], max(last, following[1])
                if restarts > _MOST_RESTARTS:  # only a hostile target returns this; it does not get the time
                    yield start, len(text)
                    return
            yield start, last
        yield from self._cut_spans(text)

    def _find_overlap(self, text: str, at: int, last: int) -> tuple[int, int] | None:
        """Return the next match that begins within the one from ``at`` to ``last``."""
        window = text[at + 1 : last - 1 + self._longest]
        for _, start, end in self._machine.find_matches_as_indexes(window):
            return (at + 1 + start, at + 1 + end) if at + 1 + start < last else None
        return None

    def _cut_spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield the beginning of a pattern at the end of a text that may have been cut, and an end at its start."""
        begins = next((len(mark) for mark in _CUT_MARKS if text.startswith(mark)), 0)
        ends = len(text) - next((len(mark) for mark in _CUT_MARKS if text.endswith(mark)), 0)
        if len(text) < _SHORTEST_CUT_CHARS and begins == 0 and ends == len(text):
            return
        whole = len(_CUT_TOKEN.sub("", text[:ends]))
        for end in {ends, whole}:
            if length := self._beginnings.length_at_end(text[max(0, end - self._longest) : end]):
                yield end - length, ends
        if length := self._ends.length_at_end(text[begins : begins + self._longest][::-1]):
            yield begins, begins + length


class _Beginnings:
    """Beginnings of patterns, of ``SHORTEST_BYTES`` characters or more."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = sorted(patterns)
        self._machine = _build_machine({one[:SHORTEST_BYTES] for one in self._patterns}, MatchKind.Standard)

    def length_at_end(self, text: str) -> int:
        """Return the length of the longest beginning with which ``text`` ends; 0 if there is none."""
        for _, start, _ in self._machine.find_matches_as_indexes(text, overlapping=True):
            rest = text[start:]
            place = bisect_left(self._patterns, rest)
            if place < len(self._patterns) and self._patterns[place].startswith(rest):
                return len(rest)
        return 0


def _build_machine(patterns: Iterable[str], kind: MatchKind) -> AhoCorasick:
    """Return a machine of small size: the default one takes 300 MB for a dozen patterns of 64 KiB."""
    return AhoCorasick(patterns, matchkind=kind, implementation=Implementation.ContiguousNFA, store_patterns=False)


def _replace_spans(text: str, spans: Iterable[tuple[int, int]]) -> str:
    parts: list[str] = []
    at = 0
    for start, end in sorted(spans):
        if start >= at:
            parts += [text[at:start], REDACTED]
        at = max(at, end)
    return "".join([*parts, text[at:]])
