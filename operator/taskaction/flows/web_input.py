"""What the states that ask people say, in the words of the executor ``approval``; starts nothing.

``CreateWebInput`` says what is asked, and ``AwaitWebInput`` asks it and waits; between both the question is kept in the
run's state. Forms are those of Globus' own examples; what has none of their fields is taken as ``approval`` has it.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from taskaction.core.names import truncated
from taskaction.flows.errors import ACTION_UNABLE_TO_RUN, StateError

ID = "web_input_id"
APPROVAL = "taskaction://executor/approval"
"""What asks people."""

EXPIRED = "ApprovalTimeout"
"""The code of an approval that nobody answered in time."""

_FORM = frozenset({"InputType", "Context", "Options"})
_PROMPT_CHARS = 900


def question(body: Any) -> Any:
    """Give the parameters of the approval that asks what ``CreateWebInput`` is given.

    Raises:
        StateError: ``ActionUnableToRun``: it is a form that approvals do not have.
    """
    if not isinstance(body, Mapping) or not _FORM & body.keys():
        return body
    options = body.get("Options")
    values = [one.get("Value") for one in options if isinstance(one, Mapping)] if isinstance(options, list) else []
    if body.get("InputType") != "Selection" or not values or not all(isinstance(one, str) for one in values):
        raise StateError(
            ACTION_UNABLE_TO_RUN, "a web input must be of InputType Selection, with Options that have a Value"
        )
    prompt = truncated("\n".join(_lines(body)), _PROMPT_CHARS)
    return {"prompt": prompt, "type": "string", "schema": {"enum": values}}


def answer(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the result of ``AwaitWebInput``: the approval's last status, with the ``response``."""
    details = result.get("details")
    return {**result, "response": details.get("value") if isinstance(details, Mapping) else None}


def has_expired(result: Mapping[str, Any]) -> bool:
    """Say whether nobody answered in time."""
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
