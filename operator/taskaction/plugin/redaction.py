"""Takes secret texts out of what people will see; which texts are secret is said by whoever has read them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from taskaction.api.task_action import Link, Progress
from taskaction.lifecycle.outcomes import Failed, Limited, Outcome, Paused, Pending, Succeeded

_SHOWN_INSTEAD = "[redacted]"
_SHORTEST_CHARS = 4
"""A shorter value of a Secret is left as it is: it would be found everywhere, and is no secret either."""


def redacted(text: str, secrets: tuple[str, ...]) -> str:
    """Give ``text`` without any of ``secrets``, also as JSON, Python and URLs write them."""
    for secret in filter(None, secrets):
        as_json = {json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
        forms = {secret, repr(secret)[1:-1], quote(secret, safe="")} | as_json
        for form in sorted(forms, key=len, reverse=True):
            text = text.replace(form, _SHOWN_INSTEAD)
    return text


def texts_of(value: object) -> Iterator[str]:
    """Give the texts of a value that was read from a Secret, at whatever depth; numbers and names are none."""
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
    """Give secrets in the order in which they are to be taken out: one may be a part of another."""
    return tuple(sorted(set(secrets), key=lambda secret: (-len(secret), secret)))


def redacted_value(value: Any, secrets: tuple[str, ...]) -> Any:
    """Give a JSON value without any of ``secrets``, neither in texts nor in names; what is no JSON stays as it is."""
    if isinstance(value, str):
        return redacted(value, secrets)
    if isinstance(value, dict):
        return {redacted_value(name, secrets): redacted_value(part, secrets) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_value(part, secrets) for part in value]
    return value


def redacted_link(link: Link, secrets: tuple[str, ...]) -> Link:
    """Give a link that leads to no secret."""
    changes = {"name": redacted(link.name, secrets), "url": redacted(link.url, secrets)}
    return link.model_copy(update=changes)


def redacted_progress(progress: Progress, secrets: tuple[str, ...]) -> Progress:
    """Give progress that tells no secret."""
    message = progress.message
    return progress if not message else progress.model_copy(update={"message": redacted(message, secrets)})


def redacted_outcome(outcome: Outcome, secrets: tuple[str, ...]) -> Outcome:
    """Give what a call came to without any of ``secrets``; what the target calls the run must stay as it is."""
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
