"""From a pydantic model's JSON Schema to the structural schema that a CRD may hold; pure, and knows no model by name.

Kubernetes' schema has no ``$ref``, no ``anyOf`` with null, no titles and no constants; a default in it is stored with
every object, so only those that a model marks (``api.base.stored_default``) are kept.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

_DROPPED = frozenset({"title", "default", "$defs", "x-stored-default", "examples"})


def structural_schema(model: type[BaseModel]) -> Schema:
    """Give the structural schema of ``model``, every field described.

    Raises:
        ValueError: the model says something that Kubernetes' schema cannot.
    """
    source = model.model_json_schema(by_alias=True, mode="validation")
    return _converted(source, source.get("$defs", {}), model.__name__)


def _converted(node: Mapping[str, Any], definitions: Mapping[str, Any], path: str) -> Schema:
    node = _inlined(node, definitions)
    result: Schema = {key: value for key, value in node.items() if key not in _DROPPED}
    if "x-stored-default" in node:
        result["default"] = node["x-stored-default"]
    if "properties" in result:
        result["properties"] = {
            name: _converted(child, definitions, f"{path}.{name}") for name, child in result["properties"].items()
        }
    if "items" in result:
        result["items"] = _converted(result["items"], definitions, f"{path}[]")
    if isinstance(result.get("additionalProperties"), dict):
        result["additionalProperties"] = _converted(result["additionalProperties"], definitions, f"{path}{{}}")
    _refuse_unknown(result, path)
    return result


def _inlined(node: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    """Give ``node`` with its reference and its optional part merged in; what the field itself says wins."""
    merged: Schema = dict(node)
    while "$ref" in merged or "anyOf" in merged or "allOf" in merged:
        inner = definitions[merged.pop("$ref").rpartition("/")[2]] if "$ref" in merged else _only_choice(merged)
        extra = _both_rules(inner, merged)
        merged = {**inner, **merged, **extra}
    return merged


def _only_choice(merged: Schema) -> Mapping[str, Any]:
    choices = [choice for choice in merged.pop("anyOf", merged.pop("allOf", [])) if choice != {"type": "null"}]
    if len(choices) != 1:
        raise ValueError(f"a CRD cannot say one of {choices}")
    only: Mapping[str, Any] = choices[0]
    return only


def _both_rules(inner: Mapping[str, Any], outer: Mapping[str, Any]) -> Schema:
    key = "x-kubernetes-validations"
    return {key: [*inner[key], *outer[key]]} if key in inner and key in outer else {}


def _refuse_unknown(result: Schema, path: str) -> None:
    unknown = set(result) & {"const", "discriminator", "prefixItems", "oneOf", "uniqueItems", "exclusiveMinimum"}
    if unknown:
        raise ValueError(f"{path}: a CRD cannot say {', '.join(sorted(unknown))}")
