"""Helpers for CEL rules and schema extras of the models; the rules themselves are with the models.

The API server evaluates the rules on every write, so a rule is short and its strings and lists are bounded. Each
message names the fix, not only the error.
"""

from collections.abc import Iterable
from typing import Any

_RULES = "x-kubernetes-validations"
_LABEL_CHARS = 63


def cel(rule: str, message: str, **more: str) -> dict[str, str]:
    """Return one ``x-kubernetes-validations`` entry; ``message`` names the fix, not only the error."""
    return {"rule": rule, "message": message, **more}


def rules(*entries: dict[str, str]) -> dict[str, Any]:
    """Return the schema extra with CEL rules, for a field or a model."""
    return {_RULES: list(entries)}


def unchanged_expression(name: str, *, new: str = "self", old: str = "oldSelf") -> str:
    """Return the expression that a field was not changed, added or removed."""
    here, before = f"{new}.{name}", f"{old}.{name}"
    return f"has({here}) == has({before}) && (!has({here}) || {here} == {before})"


def immutable_rule(name: str, remedy: str) -> dict[str, str]:
    """Return the rule that a field is not changed, added or removed after creation.

    It belongs on the object that holds the field: a rule on the field itself is not evaluated when the field is added
    or removed.
    """
    return cel(unchanged_expression(name), f"{name} is immutable: {remedy}", fieldPath=f".{name}")


def name_length_rule() -> dict[str, str]:
    """Return the rule that limits the length of object names.

    Kubernetes allows 253 characters, but a label value and a Job's name have at most 63. Within that limit, the objects
    that an action creates can have its name as a label, and ``kubectl get pods -l`` finds them.
    """
    return cel(
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
