"""Cuts JSON that is nested too deeply to parse, independent of its content.

The API server accepts 10,000 levels, Python's parser fails after a thousand and orjson after 1,024. Without the cut,
one object of one user would end the watch of all objects.
"""

import re

import orjson

CUT_LEVELS = 200
"""Far more than the allowed levels (``core.constants.NESTING_LIMIT``), so that validation rejects a cut object."""

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def cut_deep_nesting(data: bytes) -> bytes:
    """Return ``data`` unchanged if it can be parsed, otherwise with null for everything below ``CUT_LEVELS`` levels."""
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
