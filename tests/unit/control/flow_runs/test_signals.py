"""A signal reaches what waits for it in a run, however deep, once, and nobody whom its sender did not mean."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from support.flow_stage import action, begin, change_run, children, flow_body, run_body, run_of
from support.memory_operator import MemoryOperator, actions
from support.records import NAMESPACE
from taskaction.api.enums import Phase
from taskaction.api.task_action import Signal
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS
from taskaction.core.names import digest
from taskaction.lifecycle.signals import fingerprint, is_fingerprint_of, to_child_signal
from taskaction.testing.clock import START

APPROVAL = "taskaction://executor/approval"
ACCOUNT = {"runAs": {"serviceAccountName": "runner"}}


def ask(following: str | None = None, prompt: str = "May I?") -> dict[str, Any]:
    return action(following, APPROVAL, {"prompt": prompt})


TWICE = {"First": ask("Second", "One?"), "Second": ask(None, "Two?")}
NESTED = {"In": action(url="taskaction://executor/flow", parameters={"flow": "f"})}
BOTH = {
    "Both": {
        "Type": "Parallel",
        "Branches": [
            {"StartAt": "Legal", "States": {"Legal": ask(None, "Lawful?")}},
            {"StartAt": "Money", "States": {"Money": ask(None, "Affordable?")}},
        ],
        "ResultPath": "$.both",
        "End": True,
    }
}


@pytest.fixture
async def operator() -> AsyncIterator[MemoryOperator]:
    async with MemoryOperator() as operator:
        yield operator


def inner_run(operator: MemoryOperator) -> str:
    """Give the name of the run that an action has made."""
    (name,) = (key[2] for key in operator.cluster.objects if key[0] == "actionflowruns" and key[2] not in {"r", "f"})
    return name


async def message(operator: MemoryOperator) -> str:
    """Give what the run shows, once it has had time to."""
    await operator.pass_time(4)
    return run_of(operator).status.message or ""


async def test_a_signal_of_an_action_that_runs_a_flow_reaches_what_waits_in_it(operator: MemoryOperator) -> None:
    await begin(operator, flow_body("f", TWICE))
    await operator.create(*actions(["outer"], "flow", {"flow": "f"}, **ACCOUNT))
    assert operator.action("outer").status.phase is Phase.PAUSED
    assert "First: One?" in (operator.action("outer").status.message or "")
    await operator.change("outer", signal={"value": True, "id": "a", "by": "ann"})
    assert "Second: Two?" in (operator.action("outer").status.message or "")
    await operator.change("outer", signal={"value": True, "id": "b", "by": "ann"})  # the same word, said once more
    assert operator.action("outer").status.phase is Phase.SUCCEEDED


async def test_a_signal_reaches_through_flows_within_flows(operator: MemoryOperator) -> None:
    middle = {"Deeper": action(url="taskaction://executor/flow", parameters={"flow": "deep"})}
    await begin(operator, flow_body("deep", TWICE), flow_body("f", middle), run_body("r", NESTED, **ACCOUNT))
    assert (await message(operator)).endswith("First: One?")
    await change_run(operator, "r", signal={"value": True, "id": "a"})
    assert (await message(operator)).endswith("Second: Two?")
    await change_run(operator, "r", signal={"value": False, "id": "b"})
    status = run_of(operator).status
    assert status.phase is Phase.SUCCEEDED
    assert status.output["done"]["details"]["done"]["details"]["done"]["details"]["value"] is False


async def test_a_signal_that_names_no_state_reaches_nobody_where_several_wait(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", BOTH))
    assert await message(operator) == (
        "Legal: Lawful? (Legal, Money wait: a signal must name one in spec.signal.state)"
    )
    await change_run(operator, "r", signal={"value": True})
    assert {one["status"]["phase"] for one in children(operator).values()} == {"Paused"}
    await change_run(operator, "r", signal={"value": True, "state": "Money"})
    assert await message(operator) == "Legal: Lawful?"
    await change_run(operator, "r", signal={"value": False, "state": "Legal"})
    both = run_of(operator).status.output["both"]
    assert [one["done"]["details"]["value"] for one in both] == [False, True]


async def test_what_was_refused_is_not_handed_over_when_only_one_waits(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", BOTH))
    await change_run(operator, "r", signal={"value": True})
    legal = children(operator)["1.0.1"]["metadata"]["name"]
    await operator.change(legal, signal={"value": True})
    assert await message(operator) == "Money: Affordable?"
    assert run_of(operator).status.phase is Phase.PAUSED


async def test_a_state_that_is_not_in_the_flow_is_named(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", TWICE))
    await change_run(operator, "r", signal={"value": True, "state": "Frist"})
    assert await message(operator) == "First: One? (spec.signal.state: the flow has no state 'Frist')"
    await change_run(operator, "r", signal={"value": True, "state": "First"})
    assert await message(operator) == "Second: Two?"


async def test_a_signal_waits_for_the_state_that_it_names(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", TWICE, signal={"value": True, "state": "Second"}))
    assert await message(operator) == "First: One?"
    await operator.change(children(operator)["1"]["metadata"]["name"], signal={"value": True})
    assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_all_items_that_wait_in_one_state_are_answered_together(operator: MemoryOperator) -> None:
    inner = {"StartAt": "Ask", "States": {"Ask": ask()}}
    each = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inner, "ResultPath": "$.out", "End": True}
    await begin(operator, run_body("r", {"Each": each}, input={"items": [{}, {}, {}]}))
    await change_run(operator, "r", signal={"value": True})
    assert run_of(operator).status.phase is Phase.SUCCEEDED


async def test_an_answer_that_is_refused_below_is_told_above(operator: MemoryOperator) -> None:
    await begin(operator, run_body("r", TWICE))
    await change_run(operator, "r", signal={"value": "perhaps"})
    assert await message(operator) == "First: One? (the last signal was refused: expected boolean, got str)"


async def test_a_signal_of_the_run_itself_is_not_replaced_by_an_older_one_of_its_action(
    operator: MemoryOperator,
) -> None:
    await begin(operator, flow_body("f", TWICE))
    await operator.create(*actions(["outer"], "flow", {"flow": "f"}, **ACCOUNT))
    await operator.change("outer", signal={"value": True, "id": "a"})
    run = inner_run(operator)
    stored = operator.cluster.objects["actionflowruns", NAMESPACE, run]
    stored = stored | {"spec": stored["spec"] | {"signal": {"value": "no boolean", "id": "direct"}}}
    operator.cluster.store(ACTION_FLOW_RUNS, stored)
    await operator.settle()
    for shard in range(4):
        operator.control.actions.intake.on_shard_acquired(
            shard
        )  # as if another had owned it: it is polled with its signal anew
    await operator.pass_time(121, step=30)
    signal = operator.cluster.objects["actionflowruns", NAMESPACE, run]["spec"]["signal"]
    assert signal["id"] == "direct"


async def test_an_account_that_may_not_hand_a_signal_on_is_named(operator: MemoryOperator) -> None:
    await begin(operator, flow_body("f", TWICE))
    await operator.create(*actions(["outer"], "flow", {"flow": "f"}, **ACCOUNT))
    refusal = 'User "system:serviceaccount:team-a:runner" cannot patch resource "actionflowruns"'
    operator.cluster.fail("patch", ForbiddenError(refusal), name=inner_run(operator))
    await operator.change("outer", signal={"value": True})
    status = operator.action("outer").status
    assert status.phase is Phase.PAUSED
    assert "First: One? (the signal is not forwarded: ServiceAccount 'runner' may not patch" in (status.message or "")
    await operator.pass_time(61, step=30)  # the right was granted meanwhile
    assert "Second: Two?" in (operator.action("outer").status.message or "")


def test_a_signal_that_is_handed_on_twice_is_one_and_the_next_is_another() -> None:
    first, again = Signal(value=True, by="ann"), Signal(value=True, id="2", by="ann")
    assert to_child_signal(first) == to_child_signal(first)
    assert to_child_signal(first) != to_child_signal(again)
    assert to_child_signal(first, "Legal")["state"] == "Legal"
    assert fingerprint(first) != fingerprint(Signal(value=True, by="ann", state="Legal"))


def test_another_sender_or_time_makes_no_other_signal() -> None:
    signal = Signal(value=True, by="ann", at=START)
    forged = signal.model_copy(update={"by": "ben", "at": None})
    assert fingerprint(signal) == fingerprint(forged)
    assert is_fingerprint_of(forged, fingerprint(signal))
    assert not is_fingerprint_of(signal.model_copy(update={"value": False}), fingerprint(signal))


def test_a_signal_that_an_earlier_version_has_passed_on_is_recognized() -> None:
    signal = Signal(value=True, by="ann", at=START)
    former = digest(orjson.dumps(signal.to_json(), option=orjson.OPT_SORT_KEYS))
    assert is_fingerprint_of(signal, former)
    assert former != fingerprint(signal)
