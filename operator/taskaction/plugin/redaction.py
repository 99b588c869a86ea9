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


def redact(text: str, secrets: tuple[str, ...]) -> str:
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


def redact_value(value: Any, secrets: tuple[str, ...]) -> Any:
    """Return a JSON value without any of ``secrets`` in texts or names; values that are not JSON stay unchanged."""
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {redact_value(name, secrets): redact_value(part, secrets) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(part, secrets) for part in value]
    return value


def redact_link(link: Link, secrets: tuple[str, ...]) -> Link:
    """Return a link without any of ``secrets``."""
    changes = {"name": redact(link.name, secrets), "url": redact(link.url, secrets)}
    return link.model_copy(update=changes)


def redact_progress(progress: Progress, secrets: tuple[str, ...]) -> Progress:
    """Return progress without any of ``secrets``."""
    message = progress.message
    return progress if not message else progress.model_copy(update={"message": redact(message, secrets)})


def redact_outcome(outcome: Outcome, secrets: tuple[str, ...]) -> Outcome:
    """Return an outcome without any of ``secrets``; the target's id of the action must stay unchanged."""
    if not secrets:
        return outcome
    message = redact(outcome.message, secrets)
    match outcome:
        case Succeeded() | Failed():
            found: Outcome = replace(outcome, message=message, output=redact_value(outcome.output, secrets))
        case Pending(progress=Progress() as progress):
            found = replace(outcome, message=message, progress=redact_progress(progress, secrets))
        case Pending() | Paused() | Limited():
            found = replace(outcome, message=message)
    if isinstance(found, Succeeded | Pending | Paused) and found.links:
        found = replace(found, links=tuple(redact_link(link, secrets) for link in found.links))
    return found
