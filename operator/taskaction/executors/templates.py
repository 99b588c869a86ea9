"""``{{ name }}`` templates over plain values; no code is evaluated, and an unknown name is an error that names it."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError

_FIELD = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")
RESULT_LIMIT = 256 * 1024
"""The longest text that a template may become, in characters."""


def values_of(run: Run) -> dict[str, Any]:
    """Give what templates may name. Inline parameters are the request itself, so they are no values."""
    return {
        "parameters": run.parameters if run.config else {},
        "action": {"name": run.name, "namespace": run.namespace, "uid": run.uid, "labels": dict(run.labels)},
        "attempt": run.attempt,
        "idempotencyKey": run.idempotency_key,
        "externalId": run.external_id or "",
    }


def closed(template: str) -> str:
    """Give ``template`` back; raises ``ValueError`` where it opens a field that is none."""
    opened = _FIELD.sub("", template).find("{{")
    if opened >= 0:
        raise ValueError("has '{{' without a name and '}}' after it: write for example {{ action.name }}")
    return template


def rendered(template: Any, values: Mapping[str, Any]) -> Any:
    """Give ``template`` with its fields filled in, at any depth.

    A text that is one field and nothing else becomes the value itself, with its JSON type.

    Raises:
        InvalidParametersError: a field is unknown, or the result is too long.
    """
    if isinstance(template, str):
        whole = _FIELD.fullmatch(template.strip())
        return _value(whole[1], values) if whole else rendered_text(template, values)
    if isinstance(template, Mapping):
        return {rendered_text(str(name), values): rendered(part, values) for name, part in template.items()}
    if isinstance(template, list | tuple):
        return [rendered(part, values) for part in template]
    return template


def rendered_text(template: str, values: Mapping[str, Any], form: Callable[[str], str] = str) -> str:
    """Give ``template`` as text; ``form`` shapes each value, for example for its place in a URL."""
    text = _FIELD.sub(lambda match: form(_text(_value(match[1], values))), template)
    if len(text) > RESULT_LIMIT:
        raise InvalidParametersError(f"a template became longer than {RESULT_LIMIT} characters")
    return text


def rendered_url(template: str, values: Mapping[str, Any]) -> str:
    """Give a URL; values cannot change its structure, unless the template is nothing but one value."""
    whole = _FIELD.fullmatch(template.strip())
    if whole:
        return _text(_value(whole[1], values))
    url = rendered_text(template, values, lambda value: quote(value, safe=""))
    if _dots(url) > _dots(template):  # which no quoting keeps from being resolved
        raise InvalidParametersError("url: a value became the path segment '.' or '..'")
    return url


def _dots(url: str) -> int:
    return sum(segment in {".", ".."} for segment in re.split("[/?#]", url))


def _value(path: str, values: Mapping[str, Any]) -> Any:
    value: Any = values
    for name in path.split("."):
        if isinstance(value, Mapping) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            raise InvalidParametersError(f"the template names {path!r}, which has no value")
    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
