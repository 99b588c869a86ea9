"""Cuts JSON that is nested too deeply to parse, independent of its content.

The API server accepts 10,000 levels, Python's parser fails after a thousand and orjson after 1,024. Without the cut,
one object of one user would end the watch of all objects.
"""

import re
from typing import Any

import orjson

from taskaction.core.json_values import remove_texts

CUT_LEVELS = 200
"""Far more than the allowed levels (``core.constants.NESTING_LIMIT``), so that validation rejects a cut object."""

_SHALLOW_LEVELS = 900
_BLOCK_BYTES = 512
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]+|[\]}]+', re.DOTALL)


def cut_deep_nesting(data: bytes) -> bytes:
    """Return ``data`` unchanged if it can be parsed, otherwise with null for everything below ``CUT_LEVELS`` levels."""
    if _is_shallow(data):
        return data
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return _cut(data)
    return data


def _is_shallow(data: bytes) -> bool:
    """Whether JSON certainly has at most ``_SHALLOW_LEVELS`` levels; much faster than to parse it."""
    if data.count(b"[") + data.count(b"{") <= _SHALLOW_LEVELS:
        return True
    structure = remove_texts(data)
    level = 0
    for at in range(0, len(structure), _BLOCK_BYTES):
        block = structure[at : at + _BLOCK_BYTES]
        opened = block.count(b"[") + block.count(b"{")
        if level + opened > _SHALLOW_LEVELS:
            return False
        level += opened - block.count(b"]") - block.count(b"}")
    return True


def parse_cut(data: bytes) -> Any:
    """Return the value of JSON, cut where it is nested too deeply; raise ``orjson.JSONDecodeError``."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return orjson.loads(_cut(data))


def _cut(data: bytes) -> bytes:
    kept: list[bytes] = []
    level, start = 0, 0
    for token in _TOKEN.finditer(data):
        at, count, sign = token.start(), token.end() - token.start(), data[token.start()]
        if sign in b"[{":
            if level <= CUT_LEVELS < level + count:
                kept.append(data[start : at + CUT_LEVELS - level])
            level += count
        elif sign in b"]}":
            if level > CUT_LEVELS >= level - count:
                kept.append(b"null")
                start = at + level - CUT_LEVELS
            level -= count
    kept.append(data[start:])
    return b"".join(kept)
