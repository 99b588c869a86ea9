"""Web inputs of flows as parameters and results of the executor ``approval``.

``CreateWebInput`` creates a question, and ``AwaitWebInput`` asks it and waits; in between, the question is in the run's
state. Forms are those of the Globus examples; any other input is passed to ``approval`` unchanged.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.core.names import truncate
from taskaction.flows.errors import ACTION_UNABLE_TO_RUN, StateError

ID = "web_input_id"
APPROVAL = "taskaction://executor/approval"
"""The executor that asks people."""

EXPIRED = "ApprovalTimeout"
"""Code of an approval without an answer in time."""

_FORM = frozenset({"InputType", "Context", "Options"})
_PROMPT_CHARS = 900


def to_approval_parameters(body: Any) -> Any:
    """Return the parameters of the approval for the input of ``CreateWebInput``.

    Raises:
        StateError: ``ActionUnableToRun``: approvals do not support the form.
    """
    if not isinstance(body, Mapping) or not _FORM & body.keys():
        return body
    options = body.get("Options")
    values = [one.get("Value") for one in options if isinstance(one, Mapping)] if isinstance(options, list) else []
    if body.get("InputType") != "Selection" or not values or not all(isinstance(one, str) for one in values):
        raise StateError(
            ACTION_UNABLE_TO_RUN, "a web input must be of InputType Selection, with Options that have a Value"
        )
    prompt = truncate("\n".join(_lines(body)), _PROMPT_CHARS)
    return {"prompt": prompt, "type": "string", "schema": {"enum": values}}


def to_web_input_result(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the result of ``AwaitWebInput``: the approval's last status, with the ``response``."""
    details = result.get("details")
    return {**result, "response": details.get("value") if isinstance(details, Mapping) else None}


def has_expired(result: Mapping[str, Any]) -> bool:
    """Whether nobody answered in time."""
    details = result.get("details")
    return isinstance(details, Mapping) and details.get("code") == EXPIRED


def _lines(body: Mapping[str, Any]) -> Iterator[str]:
    context = body.get("Context")
    if isinstance(context, Mapping):
        if context.get("Title"):
            yield str(context["Title"])
        for row in context.get("Rows") or ():
            if isinstance(row, Mapping):
                yield f"{row.get('Field')}: {row.get('Value')}"
    for option in body["Options"]:
        said = ": ".join(str(option[name]) for name in ("Label", "Description") if option.get(name))
        yield f"- {option.get('Value')} {said}".rstrip()
