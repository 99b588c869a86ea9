"""Derived names and stable hashes: the same facts produce the same name in every process."""

import hashlib
import re
from datetime import datetime

_CHILD_CHARS = 52
_MARK_CHARS = 6
_PLACE_CHARS = 24
_NAME_CHARS = 63


def stable_hash(text: str) -> int:
    """Return a 64-bit number that is the same in every process and release (unlike ``hash``)."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def shard_of(key: str, shards: int) -> int:
    """Return the shard, 0 to ``shards`` - 1, that owns ``key``."""
    return stable_hash(key) % shards


def digest(data: bytes) -> str:
    """Return a short hexadecimal fingerprint of ``data``: 128 bits, for comparison, not for security."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def child_name(name: str, uid: str, attempt: int) -> str:
    """Return the name of the object that an attempt creates: deterministic, within the 63 characters of a DNS label.

    It leaves room for a suffix, since Jobs name their pods after themselves.
    """
    mark = f"{digest(uid.encode())[:_MARK_CHARS]}-{attempt}"
    return f"{name[: _CHILD_CHARS - len(mark) - 1].replace('.', '-').rstrip('-')}-{mark}"


def visit_name(name: str, uid: str, visit: str) -> str:
    """Return the name of the action that a visit of a run starts: deterministic, within 63 characters."""
    place = visit.replace(".", "-")
    if len(place) > _PLACE_CHARS:
        place = digest(visit.encode())[:_PLACE_CHARS]
    mark = f"{digest(uid.encode())[:_MARK_CHARS]}-{place}"
    return f"{name[: _NAME_CHARS - len(mark) - 1].replace('.', '-').rstrip('-')}-{mark}"


def scheduled_name(name: str, time: datetime) -> str:
    """Return the name of the object that a schedule makes for a nominal time: the name and the time in Unix seconds.

    It depends on nothing else, so no time gets two objects. It has at most 63 characters: a long name is truncated, and
    its hash distinguishes it.
    """
    mark = f"{time.timestamp():.0f}"
    if len(name) + len(mark) + 1 > _NAME_CHARS:
        mark = f"{digest(name.encode())[:_MARK_CHARS]}-{mark}"
    return f"{name[: _NAME_CHARS - len(mark) - 1].rstrip('.-')}-{mark}"


def dns_label(text: str) -> str:
    """Return ``text`` as a Kubernetes name: ``My_Action`` becomes ``my-action``; empty if no character is valid.

    The caller checks the length: a DNS label has at most 63 characters.
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def truncate(text: str, limit: int) -> str:
    """Return ``text`` with at most ``limit`` characters; an ellipsis marks a cut."""
    return text if len(text) <= limit else text[: limit - 1] + "…"
