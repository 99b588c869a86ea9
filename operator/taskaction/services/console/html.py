"""Rendering of pages: templates that escape what they insert, and the words and addresses that they use."""

import hashlib
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from jinja2 import ChainableUndefined, Environment, FileSystemLoader
from markupsafe import Markup

from taskaction.api.bodies import parse_time
from taskaction.core.clock import Clock

_HERE = Path(__file__).parent
_STATIC = _HERE / "static"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_DIRECTIONS = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that reorder the text around them, with which a name can look like another."""
_VISIBLE = (
    {code: chr(0x2400 + code) for code in range(0x20) if chr(code) not in "\t\n"}
    | {0x7F: "\u2421"}
    | {code: f"\\u{code:04x}" for code in (*range(0x80, 0xA0), *_DIRECTIONS)}
)
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


class Pages:
    """Templates, and the files that pages load."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.files = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in _STATIC.iterdir()}
        digest = hashlib.sha256(b"".join(content for _, (content, _) in sorted(self.files.items())))
        self.version = digest.hexdigest()[:12]
        self._environment = Environment(
            loader=FileSystemLoader(_HERE / "templates"),
            autoescape=True,
            undefined=ChainableUndefined,  # objects lack the fields that they do not set
            finalize=show_controls,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._environment.filters |= {
            "web_url": web_url,
            "span": format_span,
            "age": self._age,
            "duration_of": self._duration_of,
            "query": lambda pairs: urlencode(pairs, doseq=True),
        }

    def render(self, template: str, values: Mapping[str, Any]) -> str:
        """Return a page."""
        return self._environment.get_template(template).render(values, version=self.version)

    def _age(self, text: str) -> str:
        then = parse_time(text or None)
        return "" if then is None else format_span((self._clock.now() - then).total_seconds())

    def _duration_of(self, row: Any) -> str:
        started, finished = parse_time(row.started or None), parse_time(row.finished or None)
        if started is None:
            return ""
        return format_span(((finished or self._clock.now()) - started).total_seconds())


def show_controls(value: Any) -> Any:
    """Return a value as pages insert it: in a text, control characters and those that reorder it are visible."""
    if value is None:
        return ""
    return value.translate(_VISIBLE) if isinstance(value, str) and not isinstance(value, Markup) else value


def web_url(text: str) -> str:
    """Return a URL that a link may lead to; empty for any other, such as one that is a script."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in {"https", "http"} and parts.netloc else ""


def format_span(seconds: float) -> str:
    """Return a duration in its two largest units, such as 3m20s."""
    seconds = max(0.0, seconds)
    if seconds < 1:
        return f"{seconds * 1000:.0f}ms"
    whole = int(timedelta(seconds=seconds).total_seconds())
    for unit, name, part, small in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "m"), (_MINUTE, "m", 1, "s")):
        if whole >= unit:
            rest = whole % unit // part
            return f"{whole // unit}{name}{rest}{small}" if rest else f"{whole // unit}{name}"
    return f"{whole}s"
