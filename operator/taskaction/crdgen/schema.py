"""Conversion of a pydantic model's JSON Schema to a structural schema of a CRD; pure functions, for any model.

A structural schema has no ``$ref``, no union with null, no titles and no constants, and its ``exclusiveMinimum`` is a
boolean. The conversion rewrites what has an equivalent and raises for the rest. The API server stores a default with
every object, so the conversion keeps only defaults that a model marks (``api.rules.stored_default``).
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
"""Supported keywords, in the order in which a CRD shows them."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return the structural schema of ``model``.

    Raises:
        ValueError: the model uses something that a structural schema cannot express.
    """
    source = model.model_json_schema(by_alias=True, mode="validation")
    return _convert(source, source.get("$defs", {}), model.__name__)


def _convert(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Schema:
    schema = _to_kubernetes_schema(_inline_references(node, definitions, path), path)
    result: Schema = {key: value for key, value in schema.items() if key not in _LEFT_OUT}
    if _STORED_DEFAULT in schema:
        result["default"] = schema[_STORED_DEFAULT]
    if "description" in result:
        result["description"] = " ".join(result["description"].split())
    if "properties" in result:
        result["properties"] = {
            name: _convert(child, definitions, f"{path}.{name}") for name, child in result["properties"].items()
        }
    if "items" in result:
        result["items"] = _convert(result["items"], definitions, f"{path}[]")
    if "additionalProperties" in result:
        result["additionalProperties"] = _convert(result["additionalProperties"], definitions, f"{path}{{}}")
    if unknown := set(result) - set(_ORDER):
        raise ValueError(f"{path}: a CRD schema does not support {', '.join(sorted(unknown))}")
    return {key: result[key] for key in _ORDER if key in result}


def _inline_references(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Schema:
    """Return ``node`` with its reference and its optional branch merged in; keywords of the field itself win."""
    merged: Schema = dict(node)
    while "$ref" in merged or "anyOf" in merged or "allOf" in merged:
        inner = definitions[merged.pop("$ref").rpartition("/")[2]] if "$ref" in merged else _only_choice(merged, path)
        both = [*inner.get(_RULES, ()), *merged.get(_RULES, ())]
        merged = {**inner, **merged} | ({_RULES: both} if both else {})
    return merged


def _only_choice(merged: Schema, path: str) -> Mapping[str, Any]:
    """Return the only branch of a union that is not null: None means that the field is absent."""
    choices = [choice for choice in merged.pop("anyOf", merged.pop("allOf", [])) if choice != {"type": "null"}]
    if len(choices) != 1:
        raise ValueError(f"{path}: a CRD schema does not support a union of {len(choices)} types")
    only: Mapping[str, Any] = choices[0]
    return only


def _to_kubernetes_schema(node: Schema, path: str) -> Schema:
    """Return ``node`` with keywords of JSON Schema 2020-12 replaced by their Kubernetes equivalents."""
    schema = dict(node)
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if exclusive in schema:
            schema |= {bound: schema[exclusive], exclusive: True}
    if schema.pop("uniqueItems", False):
        schema["x-kubernetes-list-type"] = "set"
    if schema.get("additionalProperties") is False:
        del schema["additionalProperties"]  # the API server prunes unknown fields, or rejects them in strict mode
    if schema.get("additionalProperties") is True:
        del schema["additionalProperties"]
        schema["x-kubernetes-preserve-unknown-fields"] = True
    if "additionalProperties" in schema and "properties" in schema:
        raise ValueError(f"{path}: a CRD schema does not support additionalProperties next to properties")
    return schema
