"""Configuration of an integration from ``OCEAN__INTEGRATION__CONFIG__…``, with the types and defaults of its spec.

The spec is the ``configurations`` of ``.port/spec.yaml``. Text of a variable that the spec does not declare stays text.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError

from taskaction.core.errors import ConfigurationError

INTEGRATION = "OCEAN__INTEGRATION"
CONFIG = "OCEAN__INTEGRATION__CONFIG"
_DELIMITER = "__"
_SPEC_FILES = ("spec.json", "spec.yaml", "spec.yml")  # in the order in which Ocean looks for them
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_TYPES: dict[str, tuple[TypeAdapter[Any], str]] = {
    "object": (TypeAdapter(dict[str, Any]), "a JSON object"),
    "array": (TypeAdapter(list[Any]), "a JSON list"),
    "integer": (TypeAdapter(int), "a whole number"),
    "boolean": (TypeAdapter(bool), "true or false"),
    "string": (TypeAdapter(str, config=ConfigDict(coerce_numbers_to_str=True)), "a text"),
    "url": (TypeAdapter(str), "a URL"),
}
"""Types of a spec, with what is allowed."""


@dataclass(frozen=True, slots=True)
class ConfigField:
    """Field of a spec; ``name`` is in snake case, as integrations read it."""

    name: str
    type: str
    default: Any = None

    def convert(self, value: Any) -> Any:
        """Return a value in the field's type, as Ocean converts it; raise ``ValueError`` with what is allowed."""
        adapter, allowed = _TYPES[self.type]
        try:
            if isinstance(value, str) and self.type in {"object", "array"}:
                value = json.loads(value)
            found = adapter.validate_python(value)
        except (ValidationError, json.JSONDecodeError):
            raise ValueError(f"use {allowed}") from None  # the other errors show the value, which may be secret
        return found if self.type != "url" or found == "/" else found.rstrip("/")


Spec = Mapping[str, ConfigField]
"""Fields by their names."""


def read_config(environment: Mapping[str, str], spec: Spec) -> dict[str, Any]:
    """Return the configuration that the environment and the defaults of the spec give.

    Raises:
        ConfigurationError: a value does not have the type of its field; the message names the variable.
    """
    given = _given_values(environment)
    found = {name: value if name in spec else _parse_untyped(value) for name, value in given.items()}
    for name, field in spec.items():
        try:
            found[name] = field.default if given.get(name) is None else field.convert(given[name])
        except ValueError as error:
            raise ConfigurationError(f"{CONFIG}{_DELIMITER}{name.upper()}: invalid {field.type}; {error}") from None
    return found


def find_spec_folder(start: Path) -> Path | None:
    """Return the nearest folder with a spec, from ``start`` upwards."""
    return next((place for place in (start, *start.parents) if _spec_file(place) is not None), None)


def load_specs(folders: Iterable[Path]) -> Spec:
    """Return the fields of the specs in these folders; of two with the same name, the first counts."""
    found: dict[str, ConfigField] = {}
    for folder in folders:
        for field in _load_fields(folder):
            found.setdefault(field.name, field)
    return found


@lru_cache(maxsize=16)
def _load_fields(folder: Path) -> tuple[ConfigField, ...]:
    """Return the fields of the spec in a folder; raise ``ConfigurationError`` if it is invalid."""
    file = _spec_file(folder)
    if file is None:
        return ()
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))  # JSON is YAML, too
        declared = content.get("configurations") or ()
        return tuple(_read_field(one) for one in declared)
    except (OSError, ValueError, KeyError, AttributeError, TypeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{file}: invalid spec of an integration: {error}") from error


def _read_field(declared: Mapping[str, Any]) -> ConfigField:
    name, kind = str(declared["name"]), str(declared["type"])
    if kind not in _TYPES:
        raise ValueError(f"configurations.{name}.type: unknown type {kind!r}; use one of {', '.join(_TYPES)}")
    field = ConfigField(_WORDS.sub("_", name).lower(), kind)
    default = declared.get("default")
    return field if default is None else ConfigField(field.name, kind, field.convert(default))


def _spec_file(folder: Path) -> Path | None:
    return next((file for name in _SPEC_FILES if (file := folder / ".port" / name).is_file()), None)


def _given_values(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values by their names: from JSON objects in the two whole variables, and from one for each name."""
    texts = {name.upper(): text for name, text in environment.items()}
    found: dict[str, Any] = {}
    if (whole := texts.get(INTEGRATION)) is not None:
        found |= _parse_object(INTEGRATION, whole).get("config") or {}
    if (config := texts.get(CONFIG)) is not None:
        found |= _parse_object(CONFIG, config)
    for variable, text in sorted(texts.items()):
        if variable.startswith(CONFIG + _DELIMITER):
            _set_nested(found, variable.removeprefix(CONFIG + _DELIMITER).lower().split(_DELIMITER), text)
    return found


def _set_nested(found: dict[str, Any], path: list[str], text: str) -> None:
    *parents, last = path
    for name in parents:
        inner = found.get(name)
        found[name] = inner = dict(inner) if isinstance(inner, dict) else {}
        found = inner
    found[last] = text


def _parse_object(variable: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise ConfigurationError(f"{variable}: invalid value; use a JSON object")
    return value


def _parse_untyped(value: Any) -> Any:
    """Return a value that no spec declares: text, unless it is a JSON object or list."""
    if not isinstance(value, str) or value[:1] not in {"{", "["}:
        return value
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
