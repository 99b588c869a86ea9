"""CEL rules and schema extras in the words of the models: how a rule is written, not which ones there are.

The API server checks them on every write, so a rule is short and its strings and lists are bounded; each message says
the mend, not only the fault.
"""

from collections.abc import Iterable
from typing import Any

_RULES = "x-kubernetes-validations"
_LABEL_CHARS = 63


def cel(rule: str, message: str, **more: str) -> dict[str, str]:
    """Give one ``x-kubernetes-validations`` entry; ``message`` says the mend, not only the fault."""
    return {"rule": rule, "message": message, **more}


def rules(*entries: dict[str, str]) -> dict[str, Any]:
    """Give the schema extra that carries CEL rules, for a field or a model."""
    return {_RULES: list(entries)}


def unchanged(name: str, *, new: str = "self", old: str = "oldSelf") -> str:
    """Give the expression that a field has neither changed nor come nor gone."""
    here, before = f"{new}.{name}", f"{old}.{name}"
    return f"has({here}) == has({before}) && (!has({here}) || {here} == {before})"


def immutable(name: str, mend: str) -> dict[str, str]:
    """Give the rule that a field neither changes nor comes nor goes after creation.

    It belongs to the object that holds the field: a rule of the field's own is silent when the field comes or goes.
    """
    return cel(unchanged(name), f"{name} is immutable: {mend}", fieldPath=f".{name}")


def name_fits_a_label() -> dict[str, str]:
    """Give the rule on names that stricter kinds share.

    Kubernetes allows 253 characters, but a label's value and a Job's name have 63: within them the objects that an
    action starts can bear its name as it stands, and ``kubectl get pods -l`` finds them by it.
    """
    return cel(
        f"size(self.metadata.name) <= {_LABEL_CHARS}",
        f"metadata.name: use at most {_LABEL_CHARS} characters, so that Jobs and pods can bear it as a label",
        fieldPath=".metadata",
    )


def one_of(words: Iterable[str]) -> str:
    """Give a CEL list of ``words``, in the same order on every run."""
    return "[" + ", ".join(f"'{word}'" for word in sorted(words)) + "]"


def stored_default(value: object) -> dict[str, Any]:
    """Give the schema extra of a default that the API server stores; other defaults are only documented."""
    return {"x-stored-default": value}
