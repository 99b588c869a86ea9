"""Parameters of requests as typed values; each error names the parameter and what it may be. Pure."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from taskaction.api.enums import ParentKind, Phase, ProviderKind
from taskaction.core.durations import parse_duration
from taskaction.history.filters import ObjectFilter
from taskaction.history.pages import PagePosition
from taskaction.history.records import to_milliseconds
from taskaction.history.scopes import ALL_KINDS
from taskaction.services.history.errors import invalid

MAX_NAMESPACES = 100
DEFAULT_LIMIT, MAX_LIMIT = 100, 500
_MAX_CHARS = 317
"""Length of the longest label with its prefix; no other value is longer."""
_MESSAGE_CHARS = (3, 200)
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DEFAULT_RANGE, _MAX_RANGE = timedelta(hours=24), timedelta(days=31)
_MILLISECOND = timedelta(milliseconds=1)

_FILTERS = frozenset({
    "namespace", "kind", "phase", "reason", "executor", "provider", "providerKind", "name", "labelSelector", "parent",
    "root", "since", "until", "minDuration", "maxDuration", "message",
})  # fmt: skip
_PLACES = frozenset({"namespace", "kind", "executor", "provider", "providerKind", "since", "until"})
LIST, DELETE = _FILTERS | {"limit", "pageToken"}, _FILTERS | {"all", "dryRun"}
STATISTICS, PROVIDERS, OBJECT = _PLACES, frozenset({"namespace", "since", "until"}), frozenset[str]()
"""Parameters of each request."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class QueryParameters:
    """Parameters of one request: all values by name."""

    values: Mapping[str, Sequence[str]]

    @classmethod
    def parse(cls, pairs: Sequence[tuple[str, str]], known: frozenset[str]) -> "QueryParameters":
        """Return the parameters; raise ``RequestError`` for one that is unknown, or has characters of no name."""
        found: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in known:
                raise invalid(_shown(name), f"unknown parameter; use {', '.join(sorted(known)) or 'none'}")
            if len(value) > _MAX_CHARS or not value.isprintable():
                raise invalid(name, f"invalid value; use at most {_MAX_CHARS} printable characters")
            found.setdefault(name, []).append(value)
        return cls(found)

    @property
    def namespaces(self) -> Sequence[str]:
        """Namespaces of the request; none is all."""
        found = self.values.get("namespace", ())
        if len(found) > MAX_NAMESPACES:
            raise invalid("namespace", f"more than {MAX_NAMESPACES} namespaces; send several requests")
        for name in found:
            if not _NAMESPACE.fullmatch(name):
                raise invalid("namespace", f"invalid name {name!r}; use the name of a namespace")
        return found

    @property
    def kinds(self) -> frozenset[str]:
        """Kinds of objects that the request is about."""
        kind = self._choice("kind", ParentKind)
        return ALL_KINDS if kind is None else frozenset({kind})

    @property
    def limit(self) -> int:
        """Maximum number of rows of a page."""
        text = self._one("limit")
        if text is None:
            return DEFAULT_LIMIT
        if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
            raise invalid("limit", f"invalid number {text!r}; use 1 to {MAX_LIMIT}")
        return int(text)

    @property
    def after(self) -> PagePosition | None:
        """Position after which the page begins."""
        return self._parsed("pageToken", PagePosition.parse)

    def is_true(self, name: str) -> bool:
        """Whether a switch is on."""
        text = self._one(name)
        if text not in {None, "true", "false"}:
            raise invalid(name, f"invalid value {text!r}; use true or false")
        return text == "true"

    def filter(self) -> ObjectFilter:
        """Return the filter of rows."""
        return ObjectFilter(
            kind=self._choice("kind", ParentKind),
            phases=tuple(self._phase(text) for text in self.values.get("phase", ())),
            reason=self._one("reason"),
            executor=self._one("executor"),
            provider=self._one("provider"),
            provider_kind=self._choice("providerKind", ProviderKind),
            name=self._one("name"),
            labels=self._parsed("labelSelector", _labels) or {},
            parent=self._one("parent"),
            root=self._one("root"),
            since=self._parsed("since", _time),
            until=self._parsed("until", _time),
            min_duration=self._parsed("minDuration", _duration),
            max_duration=self._parsed("maxDuration", _duration),
            message=self._parsed("message", _message),
        )

    def ranged_filter(self, now: datetime) -> ObjectFilter:
        """Return the filter of statistics, which always has a range of time: by default the last 24 hours."""
        until = self._parsed("until", _time)
        end = until if until is not None else to_milliseconds(now)
        since = self._parsed("since", _time)
        start = since if since is not None else end - _DEFAULT_RANGE // _MILLISECOND
        if start >= end or end - start > _MAX_RANGE // _MILLISECOND:
            raise invalid("since", f"must be before `until`, by at most {_MAX_RANGE.days} days")
        return ObjectFilter(
            kind=self._choice("kind", ParentKind),
            executor=self._one("executor"),
            provider=self._one("provider"),
            provider_kind=self._choice("providerKind", ProviderKind),
            since=start,
            until=end,
        )

    def _one(self, name: str) -> str | None:
        found = self.values.get(name, ())
        if len(found) > 1:
            raise invalid(name, "given more than once; send it once")
        return found[0] if found else None

    def _parsed(self, name: str, parse: Callable[[str], T]) -> T | None:
        text = self._one(name)
        if text is None:
            return None
        try:
            return parse(text)
        except (ValueError, OverflowError) as error:
            raise invalid(name, str(error)) from None

    def _choice(self, name: str, choices: type[ParentKind] | type[ProviderKind]) -> str | None:
        text = self._one(name)
        if text is not None and text not in list(choices):
            raise invalid(name, f"invalid value {text!r}; use {' or '.join(choices)}")
        return text

    @staticmethod
    def _phase(text: str) -> str:
        if text not in list(Phase):
            raise invalid("phase", f"invalid value {text!r}; use one of {', '.join(Phase)}")
        return text


def check_name(field: str, value: str) -> str:
    """Return a part of a path; raise ``RequestError`` if it has characters of no name."""
    if not value.isprintable() or not value or len(value) > _MAX_CHARS:
        raise invalid(field, "invalid value; use a name of Kubernetes")
    return value


def _time(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return to_milliseconds(moment)
    except (ValueError, OverflowError):
        pass
    raise ValueError(f"invalid time {text!r}; use e.g. 2026-12-01T03:30:00Z")


def _duration(text: str) -> int:
    return parse_duration(text) // _MILLISECOND


def _message(text: str) -> str:
    shortest, longest = _MESSAGE_CHARS
    if not shortest <= len(text) <= longest:
        raise ValueError(f"must have {shortest} to {longest} characters")
    return text


def _labels(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    for part in text.split(","):
        name, sign, value = (word.strip() for word in part.partition("="))
        value = value.removeprefix("=").strip()
        if not sign or not name or name.endswith("!") or '"' in name or found.get(name, value) != value:
            raise ValueError(f"invalid selector {text!r}; use equality only, such as team=a,tier=web")
        found[name] = value
    return found


def _shown(text: str) -> str:
    return text[:64] if text.isprintable() else "parameters"
