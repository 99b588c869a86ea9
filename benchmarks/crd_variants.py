"""Variants of a CRD, to measure what each of its rules costs; pure functions.

A rule costs less than the noise of a measurement, so a variant has a rule many times over.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

GROUP = "probe.taskaction.dev"
RULES = "x-kubernetes-validations"

Schema = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """A rule of a CRD: the fields that lead to it, and its number there."""

    path: tuple[str, ...]
    number: int
    text: str

    def __str__(self) -> str:
        """Return the field, and the beginning of the rule."""
        return f"{'.'.join(self.path) or 'object'}: {self.text}"


def schema_of(crd: Mapping[str, Any]) -> Schema:
    """Return the schema of the only version."""
    schema: Schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def evaluated_rules(schema: Mapping[str, Any], value: Mapping[str, Any]) -> list[Place]:
    """Return the rules that the API server evaluates for an object such as ``value``, lists apart."""
    return list(_rules(schema, value, ()))


def _rules(schema: Mapping[str, Any], value: Any, path: tuple[str, ...]) -> Iterator[Place]:
    for number, rule in enumerate(schema.get(RULES, ())):
        yield Place(path, number, rule["rule"])
    if isinstance(value, Mapping):
        for name, part in schema.get("properties", {}).items():
            if name in value:
                yield from _rules(part, value[name], (*path, name))


def renamed(crd: Mapping[str, Any], plural: str) -> Schema:
    """Return a copy of a CRD whose kind has the same name in a group of its own."""
    copy = deepcopy(dict(crd))
    copy["metadata"] = {"name": f"{plural}.{GROUP}"}
    names = copy["spec"]["names"] | {"plural": plural, "singular": plural, "kind": plural, "listKind": f"{plural}List"}
    copy["spec"] |= {"group": GROUP, "names": names | {"shortNames": [], "categories": []}}
    return copy


def without_rules(crd: Mapping[str, Any]) -> Schema:
    """Return a copy of a CRD that has no rule."""
    copy = deepcopy(dict(crd))
    _strip(schema_of(copy))
    return copy


def with_one_rule(crd: Mapping[str, Any], place: Place, times: int) -> Schema:
    """Return a copy of a CRD that has one of its rules only, several times."""
    rule = _at(schema_of(crd), place.path)[RULES][place.number]
    copy = without_rules(crd)
    # Rules are a map by their text, so each copy has other spaces at its end.
    copies = [rule | {"rule": rule["rule"] + " " * number} for number in range(times)]
    _at(schema_of(copy), place.path)[RULES] = copies
    return copy


def reference_crd(plural: str, status: Mapping[str, str]) -> Schema:
    """Return a CRD without rules, whose status has fields of these types; independent of the project's schema."""
    schema = {
        "type": "object",
        "properties": {
            "spec": {"type": "object", "properties": {"executor": {"type": "string"}}},
            "status": {"type": "object", "properties": {name: {"type": kind} for name, kind in status.items()}},
        },
    }
    version = {
        "name": "v1alpha1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "selectableFields": [{"jsonPath": ".status.phase"}],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": plural, "kind": plural, "listKind": f"{plural}List"},
            "versions": [version],
        },
    }


def _at(schema: Schema, path: tuple[str, ...]) -> Schema:
    for name in path:
        schema = schema["properties"][name]
    return schema


def _strip(schema: Schema) -> None:
    schema.pop(RULES, None)
    for part in schema.get("properties", {}).values():
        _strip(part)
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            _strip(schema[name])
