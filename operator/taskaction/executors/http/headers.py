"""Header fields of a request: what users may set, by RFC 9110 and RFC 9112; pure."""

import re
from collections.abc import Mapping

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_CLIENTS_OWN = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_PROXY_PREFIX = "proxy-"
_CLIENTS_METHODS = frozenset({"CONNECT", "TRACE", "TRACK"})


def check_method(method: str) -> str:
    """Return ``method``; raises ``ValueError`` if it opens a tunnel or returns the request's own headers."""
    if method in _CLIENTS_METHODS:
        raise ValueError(f"method: {method} is not allowed")
    return method


def check_header_name(name: str) -> str:
    """Return ``name``; raises ``ValueError`` if it is not a token, or if only the client may set this header.

    Framing (RFC 9112, section 6) and what belongs to one connection (RFC 9110, section 7.6.1) decide where a request
    ends and who reads it. A server that takes ``_`` for ``-`` must not be misled, either.
    """
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header {name!r}: must not contain a line break, blank or separator; use letters and '-'")
    plain = name.lower().replace("_", "-")
    if plain in _CLIENTS_OWN or plain.startswith(_PROXY_PREFIX):
        raise ValueError(f"header {name!r}: only the client sets it; remove it")
    return name


def check_header_value(value: str) -> str:
    """Return ``value``; raises ``ValueError`` if it has control characters."""
    if _CONTROL.search(value):
        raise ValueError("must not contain a line break or another control character")
    return value


def check_headers(headers: Mapping[str, str]) -> None:
    """Raise ``ValueError``, which names the header, unless the target reads exactly these headers."""
    known: set[str] = set()
    for name, value in headers.items():
        check_header_name(name)
        try:
            check_header_value(value)
        except ValueError as error:
            raise ValueError(f"header {name!r}: {error}") from error
        if name.lower() in known:
            raise ValueError(f"header {name!r}: is given twice, in different spellings; remove one")
        known.add(name.lower())


def merge_headers(*groups: Mapping[str, str]) -> dict[str, str]:
    """Return the headers of all groups; a later group replaces a header whatever the case of its letters."""
    merged: dict[str, tuple[str, str]] = {}
    for group in groups:
        merged |= {name.lower(): (name, value) for name, value in group.items()}
    return dict(merged.values())
