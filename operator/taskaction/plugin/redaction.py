"""Redaction of secret texts from everything that people see; the reader of a Secret decides what is secret."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from taskaction.api.task_action import Link, Progress
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded

_SHOWN_INSTEAD = "[redacted]"
_SHORTEST_CHARS = 4
"""A shorter value of a Secret is not redacted: it would match everywhere, and protects nothing."""


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """Return ``text`` without any of ``secrets``, including their forms in JSON, Python and URLs."""
    for secret in filter(None, secrets):
        as_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
        forms = {secret, repr(secret)[1:-1], quote(secret, safe="")} | as_json
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, _SHOWN_INSTEAD)
    return text


def texts_of(value: object) -> Iterator[str]:
    """Yield the texts of a value from a Secret, at any depth; numbers and names do not count."""
    below = [value]
    while below:
        part = below.pop()
        if isinstance(part, str):
            if len(part) >= _SHORTEST_CHARS:
                yield part
        elif isinstance(part, Mapping):
            below.extend(part.values())
        elif isinstance(part, list):
            below.extend(part)


def longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return secrets in the order of their redaction: one may be part of another."""
    return tuple(sorted(set(secrets), key=lambda secret: (-len(secret), secret)))


def redacted_value(value: Any, secrets: tuple[str, ...]) -> Any:
    """Return a JSON value without any of ``secrets`` in texts or names; values that are not JSON stay unchanged."""
    if isinstance(value, str):
        return redacted(value, secrets)
    if isinstance(value, dict):
        return {redacted_value(name, secrets): redacted_value(part, secrets) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_value(part, secrets) for part in value]
    return value


def redacted_link(link: Link, secrets: tuple[str, ...]) -> Link:
    """Return a link without any of ``secrets``."""
    changes = {"name": redacted(link.name, secrets), "url": redacted(link.url, secrets)}
    return link.model_copy(update=changes)


def redacted_progress(progress: Progress, secrets: tuple[str, ...]) -> Progress:
    """Return progress without any of ``secrets``."""
    message = progress.message
    return progress if not message else progress.model_copy(update={"message": redacted(message, secrets)})


def redacted_outcome(outcome: Outcome, secrets: tuple[str, ...]) -> Outcome:
    """Return an outcome without any of ``secrets``; the target's id of the action must stay unchanged."""
    if not secrets:
        return outcome
    message = redacted(outcome.message, secrets)
    match outcome:
        case Succeeded() | Failed():
            found: Outcome = replace(outcome, message=message, output=redacted_value(outcome.output, secrets))
        case Pending(progress=Progress() as progress):
            found = replace(outcome, message=message, progress=redacted_progress(progress, secrets))
        case Pending() | Paused() | Limited():
            found = replace(outcome, message=message)
    if isinstance(found, Succeeded | Pending | Paused) and found.links:
        found = replace(found, links=tuple(redacted_link(link, secrets) for link in found.links))
    return found
