"""Helpers for CEL rules and schema extras of the models; the rules themselves are with the models.

The API server evaluates the rules on every write, so a rule is short and its strings and lists are bounded. Each access
to a field costs time in proportion to the number of fields of its object, so a rule is on the field itself where
possible, and what cannot change is checked at creation only (ADR 0019). Each message names the fix, not only the error.
"""

from collections.abc import Iterable, Sequence
from typing import Any

_RULES = "x-kubernetes-validations"
_LABEL_CHARS = 63


def cel(rule: str, message: str, **more: str) -> dict[str, Any]:
    """Return one ``x-kubernetes-validations`` entry; ``message`` names the fix, not only the error."""
    return {"rule": rule, "message": message, **more}


def rules(*entries: dict[str, Any]) -> dict[str, Any]:
    """Return the schema extra with CEL rules, for a field or a model."""
    return {_RULES: list(entries)}


def unchanged_expression(name: str) -> str:
    """Return the expression that a field was not changed, added or removed."""
    return f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})"


def immutable_rule(name: str, remedy: str) -> dict[str, Any]:
    """Return the rule that one field of an object is not changed, added or removed after creation.

    It belongs on the object that holds the field: a rule on the field itself is not evaluated when the field is added
    or removed. For objects whose status is written often, see ``add_immutable_rules``.
    """
    return cel(unchanged_expression(name), f"{name} is immutable: {remedy}", fieldPath=f".{name}")


def at_creation(rule: str, message: str, **more: str) -> dict[str, Any]:
    """Return a rule about fields that are immutable: it is checked when the object is created, and never again."""
    return cel(f"oldSelf.hasValue() || ({rule})", message, **more) | {"optionalOldSelf": True}


def add_immutable_rules(schema: dict[str, Any], names: Sequence[str], remedy: str) -> None:
    """Add the rules that the fields ``names`` of an object are not changed, added or removed after creation.

    A rule on a field is evaluated only while the field is set, so it sees changes only. The object has one more rule
    for fields that are added or removed, whose first comparison is all that a write of the status costs.
    """
    for name in names:
        add_rules(schema["properties"][name], cel("self == oldSelf", f"{name} is immutable: {remedy}"))
    kept = " && ".join(f"has(self.{name}) == has(oldSelf.{name})" for name in names)
    each = (f"'spec.{name}: {name} is immutable: {remedy}; '" for name in names)
    shown = (f"(has(self.{name}) == has(oldSelf.{name}) ? '' : {text})" for name, text in zip(names, each, strict=True))
    only_at_creation = "fields of the spec are set at creation"
    add_rules(
        schema,
        cel(
            f"self == oldSelf || ({kept})",
            f"{only_at_creation}: {remedy}",
            messageExpression=" + ".join([*shown, f"'{only_at_creation}'"]),
        ),
    )


def add_rules(schema: dict[str, Any], *entries: dict[str, Any]) -> None:
    """Add rules to those of a field or a model."""
    schema[_RULES] = [*schema.get(_RULES, ()), *entries]


def name_length_rule() -> dict[str, Any]:
    """Return the rule that limits the length of object names.

    Kubernetes allows 253 characters, but a label value and a Job's name have at most 63. Within that limit, the objects
    that an action creates can have its name as a label, and ``kubectl get pods -l`` finds them.
    """
    return at_creation(
        f"size(self.metadata.name) <= {_LABEL_CHARS}",
        f"metadata.name: must be at most {_LABEL_CHARS} characters, so that Jobs and pods can have it as a label",
        fieldPath=".metadata",
    )


def cel_list(words: Iterable[str]) -> str:
    """Return a CEL list of ``words``, in a deterministic order."""
    return "[" + ", ".join(f"'{word}'" for word in sorted(words)) + "]"


def stored_default(value: object) -> dict[str, Any]:
    """Return the schema extra of a default that the API server stores; other defaults are only documented."""
    return {"x-stored-default": value}
