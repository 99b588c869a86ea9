"""Runs while things break around them, on a real API server: nothing is lost, and nothing is done twice."""

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.controlplane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import create_objects, list_objects
from support.operators import QUICK_LEASES, Operators
from support.refusals import create, manifest, merge
from support.world import World

SETTINGS = QUICK_LEASES
LONGEST = "a" + 61 * "0" + "z"
HTTP = "taskaction://executor/http"
HUNDRED = 100


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


def call(world: World, name: str, following: str | None = None, *, within: str = "", **more: Any) -> dict[str, Any]:
    """Give a state that has an effect outside, under a name; ``within`` is an expression that tells items apart."""
    way = {"End": True} if following is None else {"Next": following}
    parameters = {
        "method": "POST",
        "url.=": f"'{world.url}/keyed/{name}-' + run{within}",
        "idempotencyHeader": "Idempotency-Key",
    }
    return {"Type": "Action", "ActionUrl": HTTP, "Parameters": parameters, "ResultPath": "$.done", **way, **more}


def rest(seconds: float, following: str) -> dict[str, Any]:
    return {"Type": "Wait", "Seconds": seconds, "Next": following}


def plain(world: World) -> dict[str, Any]:
    """Give a flow with effects one after the other and side by side."""
    branches = [
        {"StartAt": "X", "States": {"X": call(world, f"{name}1", "R"), "R": rest(1, "Y"), "Y": call(world, f"{name}2")}}
        for name in "bc"
    ]
    return {
        "StartAt": "A",
        "States": {
            "A": call(world, "a", "Rest"),
            "Rest": rest(1, "Both"),
            "Both": {"Type": "Parallel", "Branches": branches, "ResultPath": "$.both", "Next": "Z"},
            "Z": call(world, "z"),
        },
    }


def rich(world: World) -> dict[str, Any]:
    """Give the same with effects for items, with objects and without, and a state that fails and is mended."""
    bad = {
        "Type": "Action",
        "ActionUrl": "taskaction://executor/fail",
        "Parameters": {"retry_class": None},
        "Retry": [{"ErrorEquals": ["ActionFailedException"], "MaxAttempts": 2, "IntervalSeconds": 1}],
        "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "A"}],
        "Next": "A",
    }
    states = {
        "Objects": items(world, "o", "Inline"),
        "Inline": items(world, "i", "Bad", Inline=True),
        "Bad": bad,
        **plain(world)["States"],
    }
    return {"StartAt": "Objects", "States": states}


def items(world: World, name: str, following: str, **more: Any) -> dict[str, Any]:
    """Give a state that has an effect for each of two items."""
    each = call(world, name, within=" + '-' + str(item)", ResultPath=None)
    return {
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"run.$": "$.run", "item.$": "$._context.Map.Item.Value"},
        "ItemProcessor": {"StartAt": "Each", "States": {"Each": each}},
        "ResultPath": None,
        "Next": following,
        **more,
    }


PLAIN = ("a-{}", "b1-{}", "b2-{}", "c1-{}", "c2-{}", "z-{}")
RICH = (*PLAIN, "o-{}-1", "o-{}-2", "i-{}-1", "i-{}-2")
TRIES = 3
OBJECTS_OF_RICH = len(RICH) - 2 + TRIES
"""All but the items of the inline Map."""


def given(name: str) -> dict[str, Any]:
    return {"run": name, "items": [1, 2]}


def runs(kubectl: Kubectl) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in list_objects(kubectl, "afr")}


def phases(kubectl: Kubectl) -> Counter[str]:
    return Counter(one["status"]["phase"] for one in runs(kubectl).values())


def begin(kubectl: Kubectl, definition: dict[str, Any], *names: str, **spec: Any) -> None:
    bodies = [
        manifest("ActionFlowRun", {"definition": definition, "input": given(name), **spec}, name=name) for name in names
    ]
    create_objects(kubectl, bodies)


def all_end(kubectl: Kubectl, count: int, seconds: float = 120) -> None:
    wait_until(lambda: phases(kubectl)["Succeeded"] == count, timeout=seconds, what=f"{count} runs to succeed")


def each_once(world: World, effects: tuple[str, ...], *names: str) -> None:
    assert dict(world.effects) == {f"keyed/{effect.format(name)}": 1 for effect in effects for name in names}


@pytest.mark.endurance
def test_operators_that_are_killed_again_and_again(kubectl: Kubectl, operators: Operators, world: World) -> None:
    names = [f"r{number}" for number in range(5)]
    operators.stop()
    operators.start(SETTINGS)
    begin(kubectl, rich(world), *names)
    luck = random.Random(7)
    for _ in range(5):
        most = len(names) * len(RICH)
        wanted = min(most, sum(world.effects.values()) + luck.randint(1, 6))
        wait_until(lambda wanted=wanted: sum(world.effects.values()) >= wanted, timeout=60, what="further effects")
        operators.kill()
        operators.start(SETTINGS)
    all_end(kubectl, len(names))
    each_once(world, RICH, *names)
    actions = list_objects(kubectl, "ta")
    assert len(actions) == len(names) * OBJECTS_OF_RICH


@pytest.mark.endurance
def test_two_replicas_of_which_one_is_killed(kubectl: Kubectl, operators: Operators, world: World) -> None:
    names = [f"r{number}" for number in range(12)]
    operators.stop()
    first, _ = operators.start(SETTINGS), operators.start(SETTINGS)
    begin(kubectl, rich(world), *names)
    wait_until(lambda: sum(world.effects.values()) >= len(names), timeout=60, what="effects")
    operators.running.remove(first)
    first.program.end()
    all_end(kubectl, len(names))
    each_once(world, RICH, *names)


@pytest.mark.endurance
def test_an_api_server_that_is_restarted_in_the_middle(
    kubectl: Kubectl, operators: Operators, control_plane: ControlPlane, world: World
) -> None:
    names = [f"r{number}" for number in range(5)]
    if not operators.running:
        operators.start(SETTINGS)
    begin(kubectl, plain(world), *names)
    wait_until(lambda: sum(world.effects.values()) >= len(names), timeout=60, what="effects")
    control_plane.kill_apiserver()
    control_plane.start_apiserver()
    all_end(kubectl, len(names))
    each_once(world, PLAIN, *names)
    assert all(operator.program.is_running() for operator in operators.running)


ACCOUNT = {"runAs": {"serviceAccountName": "runner"}}
ROUNDS = 20


def looping() -> dict[str, Any]:
    """Give a flow whose actions use a provider and hidden values, again and again."""
    use = {
        "Type": "Action",
        "ActionUrl": "taskaction://provider/p",
        "Parameters": {"__Private_Parameters": ["output"], "output.$": "$._private_word"},
        "ResultPath": None,
        "Next": "Count",
    }
    return {
        "StartAt": "Use",
        "States": {
            "Use": use,
            "Count": {
                "Type": "ExpressionEval",
                "Parameters": {"n.=": "c['n'] + 1"},
                "ResultPath": "$.c",
                "Next": "Enough?",
            },
            "Enough?": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.c.n", "NumericLessThan": ROUNDS, "Next": "Use"}],
                "Default": "Done",
            },
            "Done": {"Type": "Pass", "End": True},
        },
    }


@pytest.mark.endurance
def test_an_api_server_that_does_not_know_its_roles_yet_fails_no_run(
    kubectl: Kubectl, operators: Operators, control_plane: ControlPlane
) -> None:
    """It refuses for a moment what the account may do."""
    if not operators.running:
        operators.start(SETTINGS)
    kubectl("create", "serviceaccount", "runner")
    rules = [
        {"apiGroups": ["taskaction.dev"], "resources": ["taskactions"], "verbs": ["create"]},
        {"apiGroups": ["taskaction.dev"], "resources": ["actionproviders"], "verbs": ["use"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "get", "delete"]},
    ]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "runner"}}
    create(kubectl, role | {"rules": rules})
    kubectl("create", "rolebinding", "runner", "--role=runner", f"--serviceaccount={kubectl.namespace}:runner")
    create(kubectl, manifest("ActionProvider", {"executor": "noop"}, name="p"))
    names = [f"r{number}" for number in range(8)]
    for name in names:
        given = {"c": {"n": 0}, "_private_word": f"word of {name}"}
        create(kubectl, manifest("ActionFlowRun", {"definition": looping(), "input": given, **ACCOUNT}, name=name))

    def rounds() -> int:
        return sum(one["status"].get("visits", 0) // 3 for one in runs(kubectl).values())

    for part in (1, 2, 3):
        wait_until(lambda part=part: rounds() >= part * len(names) * 4, timeout=90, what="some rounds")
        control_plane.kill_apiserver()
        control_plane.start_apiserver()
    wait_until(lambda: all("output" in one["status"] for one in runs(kubectl).values()), timeout=90, what="all outputs")
    assert phases(kubectl) == {"Succeeded": len(names)}


def test_runs_go_on_by_the_definition_they_began_with_when_the_flow_is_gone(
    kubectl: Kubectl, operators: Operators, world: World
) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    create(kubectl, manifest("ActionFlow", {"definition": plain(world)}, name="f"))
    spec = {"flowRef": {"name": "f"}, "input": given("r")}
    create(kubectl, manifest("ActionFlowRun", spec, name="r"))
    wait_until(lambda: world.effects["keyed/a-r"] == 1, timeout=60, what="the first effect")
    kubectl("delete", "af", "f")
    operators.kill()
    operators.start(SETTINGS)
    all_end(kubectl, 1)
    each_once(world, PLAIN, "r")
    create(kubectl, manifest("ActionFlowRun", spec, name="late"))
    wait_until(lambda: runs(kubectl)["late"]["status"].get("reason") == "FlowNotFound", timeout=60, what="a late run")


def test_runs_that_are_deleted_while_they_begin_leave_nothing(
    kubectl: Kubectl, operators: Operators, world: World
) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    names = [f"r{number}" for number in range(20)]
    begin(kubectl, plain(world), *names)
    kubectl("delete", "afr", *names, "--wait=false")
    wait_until(lambda: not runs(kubectl), timeout=60, what="the runs to go")
    wait_until(lambda: not list_objects(kubectl, "ta"), timeout=60, what="their actions to go")
    assert set(world.effects.values()) <= {1}


def test_a_run_whose_name_is_as_long_as_names_may_be(kubectl: Kubectl, operators: Operators, world: World) -> None:
    if not operators.running:
        operators.start(SETTINGS)
    begin(kubectl, plain(world), LONGEST)
    all_end(kubectl, 1)
    each_once(world, PLAIN, LONGEST)
    found = kubectl("get", "ta", "-l", f"taskaction.dev/flow-run={LONGEST}", "--no-headers").splitlines()
    assert len(found) == len(PLAIN)


@pytest.mark.endurance
def test_a_hundred_runs_at_once(kubectl: Kubectl, operators: Operators, world: World) -> None:
    operators.stop()
    operators.start(SETTINGS)
    names = [f"r{number}" for number in range(HUNDRED)]
    begin(kubectl, plain(world), *names)
    all_end(kubectl, HUNDRED, 240)
    each_once(world, PLAIN, *names)


@pytest.mark.endurance
def test_runs_that_are_aborted_while_operators_are_killed_end_aborted(
    kubectl: Kubectl, operators: Operators, world: World
) -> None:
    operators.stop()
    operators.start(SETTINGS)
    long = {"StartAt": "Long", "States": {"Long": {**call(world, "long"), "ActionUrl": "taskaction://executor/sleep"}}}
    long["States"]["Long"]["Parameters"] = {"duration": "1h"}
    names = [f"r{number}" for number in range(5)]
    begin(kubectl, long, *names)
    wait_until(lambda: phases(kubectl)["Running"] == len(names), timeout=60, what="all to run")
    for name in names:
        merge(kubectl, "afr", name, {"spec": {"abort": {"reason": "enough"}}})
    operators.kill()
    operators.start(SETTINGS)
    wait_until(lambda: phases(kubectl)["Aborted"] == len(names), timeout=60, what="all to be aborted")
    assert all(one["status"]["log"][-1]["code"] == "FlowCanceled" for one in runs(kubectl).values())
    actions = list_objects(kubectl, "ta")
    assert {one["status"]["phase"] for one in actions} == {"Aborted"}
