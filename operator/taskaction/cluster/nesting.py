"""Cuts JSON that is nested deeper than anything here can read; knows nothing of what it says.

The API server takes 10,000 levels, Python's reader gives up after a thousand and orjson after 1,024. Without this, one
object of one user would end the watch of all.
"""

import re

import orjson

CUT_LEVELS = 200
"""Far more than the levels that are allowed (``core.constants.NESTING_LIMIT``), so that a cut object is refused."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def bounded(data: bytes) -> bytes:
    """Give ``data`` as it is where it can be read, else with null for everything below ``CUT_LEVELS`` levels."""
    if data.count(b"[") + data.count(b"{") <= CUT_LEVELS:
        return data
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return _cut(data)
    return data


def _cut(data: bytes) -> bytes:
    kept: list[bytes] = []
    level, start = 0, 0
    for token in _TOKEN.finditer(data):
        sign = token[0]
        if sign in {b"[", b"{"}:
            level += 1
            if level == CUT_LEVELS + 1:
                kept.append(data[start : token.start()])
        elif sign in {b"]", b"}"}:
            if level == CUT_LEVELS + 1:
                kept.append(b"null")
                start = token.end()
            level -= 1
    kept.append(data[start:])
    return b"".join(kept)
