"""From a pydantic model's JSON Schema to the structural schema that a CRD may hold; pure, and knows no model by name.

Kubernetes' schema has no ``$ref``, no union with null, no titles and no constants, and its ``exclusiveMinimum`` is a
flag. What can be said otherwise is; the rest raises. A default in it is stored with every object, so only those that a
model marks (``api.rules.stored_default``) are kept.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_STORED_DEFAULT = "x-stored-default"
_RULES = "x-kubernetes-validations"
_LEFT_OUT = frozenset({"title", "default", "$defs", "examples", _STORED_DEFAULT})
_ORDER = (
    "description", "type", "format", "nullable", "default", "enum", "pattern", "minLength", "maxLength",
    "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf",
    "minItems", "maxItems", "minProperties", "maxProperties",
    "x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string",
    "items", "additionalProperties", "required", "properties", _RULES,
)  # fmt: skip
"""Everything that is taken over, in the order in which it reads best."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """Give the structural schema of ``model``.

    Raises:
        ValueError: the model says something that Kubernetes' schema cannot.
    """
    source = model.model_json_schema(by_alias=True, mode="validation")
    return _converted(source, source.get("$defs", {}), model.__name__)


def _converted(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Schema:
    said = _reworded(_inlined(node, definitions, path), path)
    result: Schema = {key: value for key, value in said.items() if key not in _LEFT_OUT}
    if _STORED_DEFAULT in said:
        result["default"] = said[_STORED_DEFAULT]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:
        result["properties"] = {
            name: _converted(child, definitions, f"{path}.{name}") for name, child in result["properties"].items()
        }
    if "items" in result:
        result["items"] = _converted(result["items"], definitions, f"{path}[]")
    if "additionalProperties" in result:
        result["additionalProperties"] = _converted(result["additionalProperties"], definitions, f"{path}{{}}")
    if unknown := set(result) - set(_ORDER):
        raise ValueError(f"{path}: a CRD cannot say {', '.join(sorted(unknown))}")
    return {key: result[key] for key in _ORDER if key in result}


def _inlined(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Schema:
    """Give ``node`` with its reference and its optional part merged in; what the field itself says wins."""
    merged: Schema = dict(node)
    while "$ref" in merged or "anyOf" in merged or "allOf" in merged:
        inner = definitions[merged.pop("$ref").rpartition("/")[2]] if "$ref" in merged else _only_choice(merged, path)
        both = [*inner.get(_RULES, ()), *merged.get(_RULES, ())]
        merged = {**inner, **merged} | ({_RULES: both} if both else {})
    return merged


def _only_choice(merged: Schema, path: str) -> Mapping[str, Any]:
    """Give the one branch of a union that is not null: a field that is None is a field that is not there."""
    choices = [choice for choice in merged.pop("anyOf", merged.pop("allOf", [])) if choice != {"type": "null"}]
    if len(choices) != 1:
        raise ValueError(f"{path}: a CRD cannot say that a field is one of {len(choices)} things")
    only: Mapping[str, Any] = choices[0]
    return only


def _reworded(node: Schema, path: str) -> Schema:
    """Give ``node`` with the words of JSON Schema 2020-12 replaced where Kubernetes has others for the same."""
    said = dict(node)
    if "const" in said:
        said["enum"] = [said.pop("const")]
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if exclusive in said:
            said |= {bound: said[exclusive], exclusive: True}
    if said.pop("uniqueItems", False):
        said["x-kubernetes-list-type"] = "set"
    if said.get("additionalProperties") is False:
        del said["additionalProperties"]  # the API server prunes unknown fields, or refuses them when asked to
    if said.get("additionalProperties") is True:
        del said["additionalProperties"]
        said["x-kubernetes-preserve-unknown-fields"] = True
    if "additionalProperties" in said and "properties" in said:
        raise ValueError(f"{path}: a CRD cannot have additionalProperties beside properties")
    return said
