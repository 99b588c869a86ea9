"""``wait`` waits for a moment, a while, or another object, read with the rights of the action's account."""

from typing import Any

import pytest

from support.runs import Objects, later, run, toolbox
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.executors.wait import WaitExecutor, WaitParameters
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.plugin.errors import AccessDeniedError
from taskaction.plugin.json_schema import model_problem

WANTED = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}


def deployment(**status: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "status": status}


async def looked(cluster: Objects, passed: float = 0.0, timeout: str | None = None, **wanted: Any) -> Outcome:
    """Give what comes of a look for the Deployment ``passed`` seconds after the start."""
    parameters = {"object": WANTED | wanted} | ({"timeout": timeout} if timeout else {})
    return await WaitExecutor.build(toolbox(cluster)).poll(later(run(parameters, service_account="robot"), passed))


# -- time --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [{"duration": "90s"}, {"until": "2026-01-01T12:01:30Z"}, {"until": "2026-01-01T14:01:30+02:00"}],
    ids=["a while", "a moment", "a moment elsewhere"],
)
async def test_it_asks_to_be_polled_when_the_time_has_come(parameters: dict[str, Any]) -> None:
    executor = WaitExecutor.build(toolbox())
    outcome = await executor.execute(later(run(parameters), 60))
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == 30.0
    assert outcome.message.startswith("waiting until 2026-01-01T1")
    assert await executor.poll(later(run(parameters), 90)) == Succeeded()


async def test_a_moment_that_has_passed_is_no_wait() -> None:
    executor = WaitExecutor.build(toolbox())
    assert await executor.execute(run({"until": "2020-01-01T00:00:00Z"})) == Succeeded()


# -- another object ----------------------------------------------------------------------------------------------------

READY = {"type": "Available", "status": "True"}
THERE = {
    "that it exists": (deployment(), {}),
    "a condition": (deployment(conditions=[READY]), {"condition": {"type": "Available"}}),
    "a condition that is false": (
        deployment(conditions=[{"type": "Paused", "status": "False"}]),
        {"condition": {"type": "Paused", "status": "False"}},
    ),
    "a field": (deployment(replicas=3), {"path": "status.replicas", "equals": 3}),
    "a field of the metadata": (deployment(), {"path": "metadata.name", "equals": "web"}),
}
MISSING = {
    "the object": (None, {}, "does not exist"),
    "the status": (deployment(), {"condition": {"type": "Available"}}, "condition Available is missing"),
    "the condition": (
        deployment(conditions=[{"type": "Available", "status": "False"}]),
        {"condition": {"type": "Available"}},
        "condition Available is False",
    ),
    "the field": (deployment(), {"path": "status.replicas", "equals": 3}, "status.replicas is None"),
    "the value": (deployment(replicas=1), {"path": "status.replicas", "equals": 3}, "status.replicas is 1"),
    "the way to the field": (deployment(replicas=1), {"path": "status.replicas.x", "equals": 3}, "is None"),
}


@pytest.mark.parametrize(("body", "wanted"), THERE.values(), ids=THERE)
async def test_it_is_over_when_the_object_is_as_wanted(body: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert await looked(Objects(body), **wanted) == Succeeded(message="Deployment 'web' is as expected")


@pytest.mark.parametrize(("body", "wanted", "told"), MISSING.values(), ids=MISSING)
async def test_it_says_what_is_still_missing(body: Any, wanted: dict[str, Any], told: str) -> None:
    outcome = await looked(Objects(*([body] if body else [])), **wanted)
    assert isinstance(outcome, Pending)
    assert outcome.message.startswith("Deployment 'web': ")
    assert told in outcome.message


@pytest.mark.parametrize(("passed", "wait"), [(0, 1.0), (1, 1.0), (4, 4.0), (29, 29.0), (300, 30.0)])
async def test_the_looks_become_rarer_and_need_no_memory(passed: float, wait: float) -> None:
    outcome = await looked(Objects(), passed)
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == wait


async def test_the_last_look_is_at_the_timeout() -> None:
    outcome = await looked(Objects(), 25, timeout="30s")
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == 5.0


async def test_after_the_timeout_the_attempt_fails_and_says_what_was_missing() -> None:
    outcome = await looked(Objects(), 30, timeout="30s")
    assert outcome == Failed(code="WaitTimeout", message="Deployment 'web': does not exist")


async def test_what_is_there_at_the_timeout_is_there() -> None:
    assert isinstance(await looked(Objects(deployment()), 31, timeout="30s"), Succeeded)


async def test_the_object_is_read_in_the_own_namespace_with_the_accounts_rights() -> None:
    cluster = Objects(deployment())
    await looked(cluster)
    assert cluster.asked == [("deployments", "team", "web", "system:serviceaccount:team:robot")]


async def test_a_missing_right_is_named_with_its_mend() -> None:
    with pytest.raises(AccessDeniedError) as refusal:
        await looked(Objects(fails=ForbiddenError('User "system:serviceaccount:team:robot" cannot get resource')))
    assert str(refusal.value).startswith(
        "ServiceAccount 'robot' may not get deployments.apps in namespace 'team': kubectl create role "
    )


async def test_an_api_server_that_does_not_answer_is_waited_for() -> None:
    away = Objects(fails=UnavailableError("timed out"))
    outcome = await looked(away, 4)
    assert outcome == Pending(poll_after=4.0, message="Deployment 'web': cannot be read at present: timed out")
    assert isinstance(await looked(away, 30, timeout="30s"), Failed)


async def test_a_kind_that_is_not_there_yet_is_waited_for() -> None:
    outcome = await looked(Objects(), apiVersion="x.example/v1", kind="Box")
    assert outcome == Pending(
        poll_after=1.0, message="Box 'web': the API server does not know kind 'Box' of 'x.example/v1'"
    )


REFUSED = {
    "nothing": ({}, "set exactly one of until, duration and object"),
    "two things": ({"duration": "1s", "until": "2026-01-01T00:00:00Z"}, "set exactly one of"),
    "a moment without a zone": ({"until": "2026-01-01T00:00:00"}, "spec.parameters.until: "),
    "an object without a name": ({"object": {"apiVersion": "v1", "kind": "Pod"}}, "spec.parameters.object.name: "),
    "a way out of the path": ({"object": WANTED | {"kind": "../Secret"}}, "spec.parameters.object.kind: "),
    "a version that leads elsewhere": (
        {"object": WANTED | {"apiVersion": "../v1"}},
        "spec.parameters.object.apiVersion: ",
    ),
    "a path without a value": (
        {"object": WANTED | {"path": "status.phase"}},
        "path requires equals, and equals requires path",
    ),
    "a value without a path": ({"object": WANTED | {"equals": 3}}, "path requires equals, and equals requires path"),
    "a path beside a condition": (
        {"object": WANTED | {"path": "status.phase", "equals": 3, "condition": {"type": "Ready"}}},
        "set at most one of condition and path",
    ),
}


@pytest.mark.parametrize(("parameters", "told"), REFUSED.values(), ids=REFUSED)
def test_wrong_parameters_are_named(parameters: Any, told: str) -> None:
    assert told in str(model_problem(WaitParameters, parameters, "spec.parameters"))
