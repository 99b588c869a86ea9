"""The check of reads against an oracle that walks every path of a flow with the values that are there.

The analysis joins what several paths bring to a state; the oracle joins nothing. Reads are only in last states, so that
both must call exactly the same reads impossible. Wrong joins are planted to show that the comparison finds them.
"""

import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from taskaction.flows import dataflow
from taskaction.flows.dataflow import find_certain_failures
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.shapes import Shape

Flow = dict[str, Any]
Steps = tuple[str | int, ...]

# -- the oracle --------------------------------------------------------------------------------------------------------


class Open(dict[str, Any]):
    """An object that may have any other property, too."""


UNKNOWN = Open()
"""Any value: what an action returns below the properties that are known, and every property of the input."""
INPUT = Open()
STATUS = Open(state_name="text")
ERROR = Open(Error="text", Cause="text")


def may_have(value: Any, steps: Steps) -> bool:
    """Whether a value may have something at a place."""
    for step in steps:
        if value is UNKNOWN:
            return True
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                return False
        elif not isinstance(value, dict) or (step not in value and not isinstance(value, Open)):
            return False
        else:
            value = value.get(step, UNKNOWN)
            continue
        value = value[step]
    return True


def written(value: Any, steps: Steps, new: Any) -> Any:
    """Return a value after a write."""
    if not steps:
        return new
    kind = Open if isinstance(value, Open) else dict
    inner = value.get(steps[0], UNKNOWN if isinstance(value, Open) else {})
    return kind({**value, steps[0]: written(inner, steps[1:], new)})


def ways(state: Flow, data: Any) -> Iterator[tuple[str, Any]]:
    """Yield the next states, each with the state of the flow that it gets."""
    match state["Type"]:
        case "Choice":
            yield from ((rule["Next"], data) for rule in state["Choices"])
            if "Default" in state:
                yield state["Default"], data
            return
        case "Pass":
            results = [state["Result"]] if "Result" in state else []
        case "Parallel":
            results = [[end["Result"]] for end in state["Branches"][0]["States"].values() if "Result" in end]
        case "Action":
            results = [STATUS]
        case _:
            return
    for result in results if "Next" in state else ():
        yield state["Next"], write_result(state, data, result)
    for handler in state.get("Catch", ()):
        yield handler["Next"], write_result(handler, data, ERROR)


def write_result(where: Flow, data: Any, result: Any) -> Any:
    path = where.get("ResultPath", "$")
    return data if path is None else written(data, steps_of(path), result)


def steps_of(path: str) -> Steps:
    return tuple(int(step) if step.isdigit() else step for step in re.findall(r"\w+", path.removeprefix("$")))


def impossible_reads(flow: Flow) -> set[str]:
    """Return the states whose read finds nothing on any path."""
    possible: dict[str, bool] = {}

    def walk(name: str, data: Any) -> None:
        state = flow["States"][name]
        if "Comment" in state:
            possible[name] = possible.get(name, False) or may_have(data, steps_of(state["Comment"]))
        for target, after in ways(state, data):
            walk(target, after)

    walk(flow["StartAt"], INPUT)
    return {name for name, found in possible.items() if not found}


def reported_reads(flow: Flow) -> set[str]:
    """Return the states whose read the check calls impossible."""
    program = compile_definition(flow)
    assert isinstance(program, FlowProgram), program
    return {one.path.split(".")[2] for one in find_certain_failures(program)}


# -- flows -------------------------------------------------------------------------------------------------------------

LEAVES = st.sampled_from(["text", {}, {"a": "text"}, {"b": {"a": "text"}}])
INNER = st.dictionaries(st.sampled_from("ab"), LEAVES, max_size=2)
DATA = st.dictionaries(st.sampled_from("ab"), INNER, max_size=2)
DEEP = st.sampled_from(["$.a.b", "$.b.a"])
READS = st.lists(st.sampled_from(["a", "b", "a", "b", "0", "Error", "state_name"]), min_size=1, max_size=3).map(
    lambda steps: "$" + "".join(f"[{step}]" if step == "0" else f".{step}" for step in steps)
)


def end(value: Any) -> Flow:
    return {"Type": "Pass", "Result": value, "End": True}


def branch(one: Any, other: Any) -> Flow:
    choice = {"Type": "Choice", "Choices": [{"Variable": "$.z", "IsPresent": True, "Next": "L"}], "Default": "R"}
    return {"StartAt": "C", "States": {"C": choice, "L": end(one), "R": end(other)}}


def place_of(path: st.SearchStrategy[str | None]) -> st.SearchStrategy[Flow]:
    return path.map(lambda one: {"ResultPath": one})


OBJECT_PLACES = st.sampled_from(["$.a", "$.b", "$.a.b", "$.b.a"])
RESULTS = [{}, {"ResultPath": None}, {"ResultPath": "$"}, *({"ResultPath": f"$.{name}"} for name in "ab")]
CATCH = st.lists(st.sampled_from(RESULTS).map(lambda place: {"ErrorEquals": ["X"], **place}), max_size=2)
CALL = {"Type": "Action", "ActionUrl": "https://target/ap", "Parameters": {}}
INNER_STATES = st.one_of(
    st.builds(lambda value: {"Type": "Pass", "Result": value}, DATA),
    st.builds(lambda value, place: {"Type": "Pass", "Result": value, **place}, INNER, place_of(OBJECT_PLACES)),
    st.builds(lambda place, catch: {**CALL, **place, "Catch": catch}, st.sampled_from(RESULTS), CATCH),
    st.builds(
        lambda one, other, place: {"Type": "Parallel", "Branches": [branch(one, other)], **place},
        INNER,
        INNER,
        place_of(DEEP),
    ),
    st.builds(
        lambda count, default: (
            {"Type": "Choice", "Choices": [{"Variable": "$.z", "IsPresent": True}] * count}
            | ({"Default": ""} if default else {})
        ),
        st.integers(1, 2),
        st.booleans(),
    ),
)


def probe(kind: int, path: str) -> Flow:
    """Return a last state that reads at a path, which its comment names for the oracle."""
    forms: list[Flow] = [
        {"Type": "Pass", "InputPath": path, "End": True},
        {"Type": "Pass", "Parameters": {"x.$": path}, "End": True},
        {"Type": "Fail", "CausePath": path},
        {"Type": "Choice", "Choices": [{"Variable": path, "IsNull": True, "Next": "Z"}], "Default": "Z"},
    ]
    return {**forms[kind % len(forms)], "Comment": path}


def linked(states: list[Flow], probes: list[Flow], numbers: list[int]) -> Flow:
    """Lead each state to later ones, and the last of all to the reads."""
    ends = {f"P{number}": one for number, one in enumerate(probes)}
    names = [f"S{number}" for number in range(len(states))]
    numbers = list(numbers)
    found: dict[str, Flow] = {}
    for number, state in enumerate(states):
        later = [*names[number + 1 :], *ends]

        def target(later: list[str] = later) -> str:
            return later[numbers.pop() % len(later)]

        one = dict(state)
        if one["Type"] == "Choice":
            one["Choices"] = [rule | {"Next": target()} for rule in one["Choices"]]
            one |= {"Default": target()} if "Default" in one else {}
        else:
            one["Next"] = target()
        if "Catch" in one:
            one["Catch"] = [rule | {"Next": target()} for rule in one["Catch"]]
        found[names[number]] = one
    return reachable({"StartAt": names[0], "States": {**found, **ends, "Z": end(1)}})


def reachable(flow: Flow) -> Flow:
    reached, waiting = {flow["StartAt"]}, [flow["StartAt"]]
    while waiting:
        state = flow["States"][waiting.pop()]
        rules = (state, *state.get("Choices", ()), *state.get("Catch", ()))
        targets = {one["Next"] for one in rules if "Next" in one} | {state.get("Default")} - {None}
        waiting += targets - reached
        reached |= targets
    return flow | {"States": {name: state for name, state in flow["States"].items() if name in reached}}


FLOWS = st.builds(
    linked,
    st.lists(INNER_STATES, min_size=1, max_size=6),
    st.lists(st.builds(probe, st.integers(0, 3), READS), min_size=1, max_size=4),
    st.lists(st.integers(0, 60), min_size=40, max_size=40),
)


@settings(deadline=None, max_examples=400)
@given(flow=FLOWS)
def test_exactly_the_reads_that_fail_on_every_path_are_reported(flow: Flow) -> None:
    assert reported_reads(flow) == impossible_reads(flow)


# -- planted errors ----------------------------------------------------------------------------------------------------

Ways = list[tuple[str | None, Shape]]


def change_ways(change: Callable[[Any, Ways, Shape], Ways]) -> Callable[[pytest.MonkeyPatch], None]:
    original = dataflow._Analysis._ways

    def plant(patch: pytest.MonkeyPatch) -> None:
        def ways_of(self: Any, node: Any, here: str, known: Any) -> Iterator[tuple[str | None, Shape]]:
            yield from change(node, list(original(self, node, here, known)), known.data)

        patch.setattr(dataflow._Analysis, "_ways", ways_of)

    return plant


def change_join(change: Callable[..., Shape]) -> Callable[[pytest.MonkeyPatch], None]:
    return lambda patch: patch.setattr(dataflow, "join", change)


def intersection(*shapes: Shape) -> Shape:
    first, *others = shapes
    for one in others:
        fields = {name: first.fields[name] for name in first.fields.keys() & one.fields.keys()}
        first = Shape(first.kinds & one.kinds or first.kinds, fields, first.is_open and one.is_open, first.item)
    return first


def closed_union(*shapes: Shape) -> Shape:
    joined = ORIGINAL_JOIN(*shapes)
    return Shape(joined.kinds, joined.fields, all(one.is_open for one in shapes), joined.item, joined.length)


def is_choice(node: Any) -> bool:
    return node.state.type == "Choice"


def without_result_of_catch(node: Any, found: Ways, data: Shape) -> Ways:
    return found if not node.catch else [*found[:1], *((target, data) for target, _ in found[1:])]


def error_instead_of_data(node: Any, found: Ways, _: Shape) -> Ways:
    return found[:1] + [(target, dataflow._ERROR) for target, _ in found[1:]] if node.catch else found


ORIGINAL_JOIN = dataflow.join
PLANTED: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "an intersection instead of a union": change_join(intersection),
    "the last path wins": change_join(lambda *shapes: shapes[-1]),
    "the first path wins": change_join(lambda *shapes: shapes[0]),
    "an object is closed unless it is open on every path": change_join(closed_union),
    "Catch is forgotten": change_ways(lambda node, found, _: found[:1] if node.catch else found),
    "only the first Catch counts": change_ways(lambda node, found, _: found[:2] if node.catch else found),
    "ResultPath of Catch is forgotten": change_ways(without_result_of_catch),
    "ResultPath of Catch is always $": change_ways(error_instead_of_data),
    "Default is forgotten": change_ways(
        lambda node, found, _: found[:-1] if is_choice(node) and node.state.default is not None else found
    ),
    "only the first rule of a Choice counts": change_ways(
        lambda node, found, _: found[:1] if is_choice(node) else found
    ),
    "the result of a state is forgotten": change_ways(
        lambda node, found, data: (
            found if is_choice(node) else [*((target, data) for target, _ in found[:1]), *found[1:]]
        )
    ),
}


@pytest.mark.parametrize("plant", PLANTED.values(), ids=PLANTED)
def test_a_wrong_join_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    search = settings(max_examples=3_000, deadline=None, database=None, phases=[Phase.generate])
    find(FLOWS, lambda flow: reported_reads(flow) != impossible_reads(flow), settings=search, random=Random(7))
