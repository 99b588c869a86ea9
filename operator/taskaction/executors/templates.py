"""``{{ name }}`` templates over plain values; nothing is evaluated, and an unknown name is an error that names it."""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from taskaction.core.urls import check_url
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError
from taskaction.plugin.secrets import Secret, has_secret, reveal

_FIELD = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_.-]*)\s*\}\}")
_LISTS = (list, tuple)
RESULT_LIMIT = 256 * 1024
"""The maximum length of a rendered template, in characters."""


def values_of(run: Run) -> dict[str, Any]:
    """Return the values that templates may use. Inline parameters are the request itself, so they are not values."""
    return {
        "parameters": run.parameters if run.config else {},
        "action": {"name": run.name, "namespace": run.namespace, "uid": run.uid, "labels": dict(run.labels)},
        "attempt": run.attempt,
        "idempotencyKey": run.idempotency_key,
        "externalId": run.external_id or "",
    }


def check_closed(template: str) -> str:
    """Return ``template``; raises ``ValueError`` if it has '{{' without a field."""
    opened = _FIELD.sub("", template).find("{{")
    if opened >= 0:
        raise ValueError("has '{{' without a name and '}}' after it: write for example {{ action.name }}")
    return template


def check_url_template(template: str) -> str:
    """Return ``template``; raise ``ValueError`` if no value can make it a URL that a request can be sent to."""
    if template.startswith("{{"):
        return template  # the value decides about scheme and host
    place = template.partition("://")[2].partition("/")[0]
    if "[" not in place or "{{" not in place:  # a value may be part of an IPv6 address
        check_url(_FIELD.sub("1", template))
    return template


def render(template: Any, values: Mapping[str, Any]) -> Any:
    """Return ``template`` with its fields replaced, at any depth.

    A text that consists of one field becomes the value itself, with its JSON type. A text with the value of a Secret
    in it is a ``Secret``.

    Raises:
        InvalidParametersError: a field is unknown, or the result is too long.
    """
    return template if _is_constant(template) else _render(template, values)


def _is_constant(template: Any) -> bool:
    """Whether a template has no field, by its text: a look at each part of a large one takes much longer."""
    try:
        text = orjson.dumps(template)
    except TypeError:  # nested deeply, or with values of Secrets
        return False
    return len(text) <= RESULT_LIMIT and b"{{" not in text


def _render(template: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(template, str):
        whole = _FIELD.fullmatch(template.strip())
        if whole:
            return _value(whole[1], values)
        text = render_text(template, values)
        return Secret(text) if any(has_secret(_value(name, values)) for name in _FIELD.findall(template)) else text
    if isinstance(template, _LISTS):
        return [_render(part, values) for part in template]
    if isinstance(template, dict):  # values from JSON: a check for Mapping takes ten times as long
        return {render_text(str(name), values): _render(part, values) for name, part in template.items()}
    return template


def render_text(template: str, values: Mapping[str, Any], form: Callable[[str], str] = str) -> str:
    """Return ``template`` as text, with the values of Secrets in plain; ``form`` encodes each value, as for a URL."""
    if "{{" not in template:
        return _bounded(template)
    return _bounded(_FIELD.sub(lambda match: form(_text(_value(match[1], values))), template))


def _bounded(text: str) -> str:
    if len(text) > RESULT_LIMIT:
        raise InvalidParametersError(f"a rendered template is longer than {RESULT_LIMIT} characters")
    return text


def render_url(template: str, values: Mapping[str, Any], field: str) -> str:
    """Return the URL of ``field``; values cannot change its structure, unless the template consists of one field."""
    whole = _FIELD.fullmatch(template.strip())
    if whole:
        return _text(_value(whole[1], values))
    url = render_text(template, values, lambda value: quote(value, safe=""))
    if _dots(url) > _dots(template):  # quoting does not keep clients from resolving these
        raise InvalidParametersError(f"{field}: a value is the path segment '.' or '..'")
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
            raise InvalidParametersError(f"unknown template value {path!r}")
    return value


def _text(value: Any) -> str:
    plain = reveal(value)
    if isinstance(plain, str):
        return plain
    return orjson.dumps(plain).decode()


def render_fields_of(root: str, template: Any, values: Mapping[str, Any]) -> Any:
    """Return ``template`` with the fields replaced whose first name is ``root``, at any depth.

    All other fields stay as they are, for a later rendering. Names of members are not templates.

    Raises:
        InvalidParametersError: a field of ``root`` is unknown, or the result is too long.
    """
    if isinstance(template, str):
        return _bounded(_FIELD.sub(lambda match: _render_own(match, root, values), template))
    if isinstance(template, _LISTS):
        return [render_fields_of(root, part, values) for part in template]
    if isinstance(template, Mapping):
        return {name: render_fields_of(root, part, values) for name, part in template.items()}
    return template


def _render_own(match: re.Match[str], root: str, values: Mapping[str, Any]) -> str:
    path = match[1]
    return _text(_value(path, {root: values})) if path.partition(".")[0] == root else match[0]
