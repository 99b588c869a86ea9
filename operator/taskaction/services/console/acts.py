"""Acts on an action or run: which ones a person may do to it, and doing one, with their own credentials."""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus
from secrets import token_hex
from typing import Any

from taskaction.api.bodies import at, has_ended, phase_of
from taskaction.api.copies import copy_for_retry
from taskaction.api.enums import Phase
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS, Body, Resource
from taskaction.cluster.spec_changes import set_spec_field
from taskaction.plugin.signal_values import SignalValueError, parse_signal_value, wanted_type
from taskaction.services.console.errors import PageError, invalid
from taskaction.services.console.rows import object_path
from taskaction.services.console.viewers import Viewer

ABORT, SIGNAL, SUSPEND, RESUME, RETRY = "abort", "signal", "suspend", "resume", "retry"
_REASON_CHARS = 256
_VALUE_CHARS = 60_000
_VERBS: Mapping[str, tuple[str, ...]] = {
    ABORT: ("patch", "abort"),
    SIGNAL: ("patch", "signal"),
    SUSPEND: ("patch",),
    RESUME: ("patch",),
    RETRY: ("create",),
}
"""Verbs that the API server asks for."""


def possible_acts(body: Body) -> list[str]:
    """Return what can be done to an object in its present phase, by whoever may."""
    if has_ended(body):
        return [RETRY]
    suspended = bool(at(body, "spec.suspend", default=False))
    found = [SIGNAL] if awaits_signal(body) else []
    found.append(RESUME if suspended else SUSPEND)
    return found if at(body, "spec.abort") is not None else [*found, ABORT]


async def allowed_acts(viewer: Viewer, body: Body) -> list[str]:
    """Return those possible acts that the API server grants the person; raises ``ClusterError``."""
    kind, metadata = resource_of(body), body["metadata"]
    found = possible_acts(body)

    async def is_allowed(act: str) -> bool:
        asked = (
            viewer.can(verb, kind, metadata["namespace"], "" if verb == "create" else metadata["name"])
            for verb in _VERBS[act]
        )
        return all(await asyncio.gather(*asked))

    answers = await asyncio.gather(*map(is_allowed, found))
    return [act for act, allowed in zip(found, answers, strict=True) if allowed]


async def do_act(viewer: Viewer, body: Body, act: str, form: Mapping[str, str]) -> str:
    """Do an act, and return the address of the page that shows its effect.

    Raises:
        PageError: the act is unknown, not possible in the present phase, or the form is invalid.
        ClusterError: the API server refuses, or does not answer.
    """
    kind, metadata = resource_of(body), body["metadata"]
    here = object_path(kind, metadata["namespace"], metadata["name"])
    if act not in _VERBS:
        raise PageError(HTTPStatus.NOT_FOUND, f"unknown act {act!r}; known are {', '.join(_VERBS)}")
    if act not in possible_acts(body):
        raise PageError(
            HTTPStatus.CONFLICT, f"{act}: not possible while the object is {phase_of(body)}: load the page again"
        )
    if act == RETRY:
        made = await viewer.cluster.create(kind, copy_for_retry(body), metadata["namespace"])
        return object_path(kind, metadata["namespace"], made["metadata"]["name"])
    if act == SIGNAL:
        await set_spec_field(viewer.cluster, body, "signal", _signal(body, form), again=True)
    elif act == ABORT:
        reason = form.get("reason", "").strip()
        if len(reason) > _REASON_CHARS:
            raise invalid("reason", f"longer than {_REASON_CHARS} characters: shorten it")
        await set_spec_field(viewer.cluster, body, "abort", {"reason": reason} if reason else {})
    else:
        await set_spec_field(viewer.cluster, body, "suspend", act == SUSPEND, again=True)
    return here


def awaits_signal(body: Body) -> bool:
    """Whether an object waits for a signal, which its page can ask for."""
    return body["kind"] == TASK_ACTIONS.kind and phase_of(body) == Phase.PAUSED


def question_of(body: Body) -> dict[str, Any]:
    """Return what the form of a signal shows: the type, and the texts of an approval."""
    parameters = at(body, "spec.parameters", {})
    return {
        "type": wanted_type(body),
        "title": str(parameters.get("title", "")),
        "prompt": str(parameters.get("prompt", at(body, "status.message", ""))),
        "description": str(parameters.get("description", "")),
    }


def resource_of(body: Body) -> Resource:
    """Return the kind of an action or run."""
    return ACTION_FLOW_RUNS if body["kind"] == ACTION_FLOW_RUNS.kind else TASK_ACTIONS


def _signal(body: Body, form: Mapping[str, str]) -> Body:
    text = form.get("value", "")
    if len(text) > _VALUE_CHARS:
        raise invalid("value", f"longer than {_VALUE_CHARS} characters: shorten it")
    if not text:
        raise invalid("value", "empty: enter what the action waits for")
    try:
        value = parse_signal_value(body, text)
    except SignalValueError as error:
        raise PageError(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    runs_a_flow = at(body, "spec.executor") == "flow"
    return {"value": value} | ({"id": token_hex(8)} if runs_a_flow else {})
