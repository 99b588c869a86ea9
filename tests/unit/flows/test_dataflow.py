"""The check finds reads and writes that can never succeed, and calls nothing certain that a run can do."""

import ast
from pathlib import Path as File
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from support.flow_runs import END, program
from taskaction.flows import dataflow
from taskaction.flows.budget import StepLimits
from taskaction.flows.dataflow import find_certain_failures
from taskaction.flows.errors import RunTimeError
from taskaction.flows.machine import initial_state, step
from taskaction.flows.paths import parse_result_path
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.reads import certain_reads
from taskaction.flows.scope import CONTEXT_NAMES
from taskaction.flows.shapes import JsonType, Shape, constant_of, join
from taskaction.flows.validation import validate_definition
from taskaction.testing.clock import START

ROOT = File(__file__).parents[3]
CONTEXT = dict.fromkeys(CONTEXT_NAMES, "x")
ONE_PASS = {"StartAt": "I", "States": {"I": {"Type": "Pass", **END}}}


def reads(path: str) -> dict[str, Any]:
    return {"Type": "Pass", "Parameters": {"x.$": path}, "ResultPath": "$.read", **END}


def evaluates(text: str) -> dict[str, Any]:
    return {"Type": "ExpressionEval", "Parameters": {"x.=": text}, "ResultPath": "$.read", **END}


def after(first: dict[str, Any], second: dict[str, Any], **others: Any) -> dict[str, Any]:
    return {"A": {"Type": "Pass", "Next": "B", **first}, "B": second, **others}


ONLY_A = {"Result": {"a": {"b": [1, "x"]}, "s": "text"}}
CALLED = {"Type": "Action", "ActionUrl": "https://target/ap", "Parameters": {}, "Next": "B"}
NEVER: dict[str, tuple[dict[str, Any], str, str]] = {
    "a name that the context does not have": (
        {"B": reads("$._context.username")},
        "$.States.B.Parameters['x.$']",
        "$._context.username never exists here: $._context has only flow_id, flow_name, namespace, run_id, run_name;",
    ),
    "a property of a text of the context": ({"B": reads("$._context.run_id.x")}, "Parameters", "is a string"),
    "an item outside of an ItemSelector": ({"B": reads("$._context.Map.Item.Value")}, "Parameters", "has only flow_id"),
    "the context in an expression": ({"B": evaluates("_context.email or 'x'")}, "Parameters['x.=']", "has only"),
    "a back-quoted path": ({"B": evaluates("`$._context.email` + 'x'")}, "Parameters", "$._context has only"),
    "a property after a back-quoted path": ({"B": evaluates("`$._context`.email")}, "Parameters", "has only"),
    "the test of a condition": ({"B": evaluates("1 if _context.email else 2")}, "Parameters", "has only"),
    "the items of a comprehension": ({"B": evaluates("[x for x in _context.all]")}, "Parameters", "has only"),
    "an argument": ({"B": evaluates("len(_context.email)")}, "Parameters", "has only"),
    "what a replaced state has lost": (after(ONLY_A, reads("$.input")), "Parameters", "$ has only a, s;"),
    "a name of a replaced state": (after(ONLY_A, evaluates("input.x")), "Parameters", "$ has only a, s;"),
    "what is deeper in a constant": (after(ONLY_A, reads("$.a.c")), "Parameters", "$.a has only b;"),
    "a property of a text": (after(ONLY_A, reads("$.s.c")), "Parameters", "$.s is a string;"),
    "an element of an object": (after(ONLY_A, reads("$.a[0]")), "Parameters", "$.a is an object;"),
    "an element after the last": (after(ONLY_A, reads("$.a.b[2]")), "Parameters", "$.a.b has at most 2 elements;"),
    "what was not among the parameters": (
        after({"Parameters": {"n.$": "$.n"}, "ResultPath": "$.p"}, reads("$.p.m")),
        "Parameters",
        "$.p has only n;",
    ),
    "what lies in no way around a loop": (
        after(
            {"Result": {"n": 1}},
            {**evaluates("n + 1"), "End": None, "Next": "C"},
            C={
                "Type": "Choice",
                "Choices": [{"Variable": "$.m", "IsNull": True, "Next": "B"}],
                "Default": "B",
            },
        ),
        "$.States.C.Choices[0]",
        "$.m never exists here: $ has only n, read;",
    ),
    "a branch that reads what its start has not": (
        after(ONLY_A, {"Type": "Parallel", "Branches": [{"StartAt": "I", "States": {"I": reads("$.z")}}], **END}),
        "$.States.B.Branches[0].States.I.Parameters",
        "$ has only a, s;",
    ),
    "a third of two branches": (
        {
            "A": {"Type": "Parallel", "Branches": [ONE_PASS, ONE_PASS], "Next": "B"},
            "B": {"Type": "Pass", "InputPath": "$[2]", **END},
        },
        "$.States.B.InputPath",
        "$ has at most 2 elements;",
    ),
    "an item's flow that reads what the selector left out": (
        {
            "M": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "ItemSelector": {"n.$": "$._context.Map.Item.Value"},
                "ItemProcessor": {"StartAt": "I", "States": {"I": reads("$.name")}},
                **END,
            }
        },
        "$.States.M.ItemProcessor.States.I.Parameters",
        "$ has only n;",
    ),
    "items that are no list": (
        after(ONLY_A, {"Type": "Map", "ItemsPath": "$.a", "ItemProcessor": ONE_PASS, **END}),
        "$.States.B.ItemsPath",
        "$.a is never a list: it is an object",
    ),
    "items in the input of the Map": (
        {"M": {"Type": "Map", "InputPath": "$._context", "ItemsPath": "$.items", "ItemProcessor": ONE_PASS, **END}},
        "$.States.M.ItemsPath",
        "$ has only flow_id",
    ),
    "a limit that is a text": (
        {
            "M": {
                "Type": "Map",
                "ItemsPath": "$.items",
                "MaxConcurrencyPath": "$._context.run_id",
                "ItemProcessor": ONE_PASS,
                **END,
            }
        },
        "$.States.M.MaxConcurrencyPath",
        "is never a number: it is a string",
    ),
    "seconds that are a text": (
        after(ONLY_A, {"Type": "Wait", "SecondsPath": "$.s", **END}),
        "$.States.B.SecondsPath",
        "$.s is never a number: it is a string",
    ),
    "a cause that nothing wrote": (
        after(ONLY_A, {"Type": "Fail", "CausePath": "$.error.Cause"}),
        "$.States.B.CausePath",
        "$ has only a, s;",
    ),
    "a result in a text": (
        after({"Result": "text"}, {"Type": "Pass", "ResultPath": "$.a", **END}),
        "$.States.B.ResultPath",
        "$.a can never be written",
    ),
    "a handler's result in a text": (
        after(
            {"Result": "text"},
            {
                **CALLED,
                "Parameters": {},
                "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "C"}],
                "Next": "C",
            },
            C={"Type": "Pass", **END},
        ),
        "$.States.B.Catch[0].ResultPath",
        "$.error can never be written",
    ),
    "what a question has not": (
        {"A": {"Type": "CreateWebInput", "Parameters": {"prompt": "?"}, "Next": "B"}, "B": reads("$.id")},
        "Parameters",
        "$ has only state_name, web_input_id;",
    ),
    "a rule behind one that never holds": (
        after(
            ONLY_A,
            {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.q", "IsPresent": True, "Next": "C"},
                    {
                        "And": [{"Not": {"Variable": "$.q", "IsPresent": True}}, {"Variable": "$.r", "IsNull": True}],
                        "Next": "C",
                    },
                ],
            },
            C={"Type": "Pass", **END},
        ),
        "$.States.B.Choices[1]",
        "$.r never exists here",
    ),
    "an operand": (
        after(
            ONLY_A,
            {
                "Type": "Choice",
                "Choices": [
                    {"Variable": "$.s", "StringEqualsPath": "$.t", "Next": "C"},
                ],
            },
            C={"Type": "Pass", **END},
        ),
        "$.States.B.Choices[0]",
        "$.t never exists here",
    ),
}


@pytest.mark.parametrize(("states", "place", "why"), NEVER.values(), ids=NEVER)
def test_what_can_never_succeed_is_reported_once_and_where_it_is(states: dict[str, Any], place: str, why: str) -> None:
    problems = validate_definition({"StartAt": next(iter(states)), "States": states})
    assert len(problems) == 1, problems
    assert place in problems[0].path
    assert why in problems[0].message


POSSIBLE: dict[str, dict[str, Any]] = {
    "whatever the input has": {"B": reads("$.a.b[7]['c d']")},
    "names of the context": {
        "B": {"Type": "Pass", "Parameters": {f"{name}.$": f"$._context.{name}" for name in CONTEXT_NAMES}, **END}
    },
    "an item": {
        "M": {
            "Type": "Map",
            "ItemsPath": "$.items",
            "ItemSelector": {"i.$": "$._context.Map.Item.Index", "v.=": "_context.Map.Item.Value.name + x"},
            "ItemProcessor": {"StartAt": "I", "States": {"I": reads("$.v")}},
            **END,
        }
    },
    "a read that is not certain": {"B": evaluates("1 if is_present('a') or _context.email else _context.email")},
    "a read for each element": {"B": evaluates("[_context.email for x in l if _context.email]")},
    "getattr and is_present": {"B": evaluates("getattr('_context.email', 'x') if is_present('$._context.x') else 1")},
    "any status of an action": {"A": CALLED, "B": reads("$.details.x")},
    "a result in a text's place": after({"Result": "t", "ResultPath": "$.a"}, reads("$.b.c")),
    "a list of matches": after(ONLY_A, reads("$.z[*].y")),
    "a letter of a text": after(ONLY_A, evaluates("s[0]")),
    "a guarded rule": after(ONLY_A, {"Type": "Choice", "Choices": [
        {"And": [{"Variable": "$.q", "IsPresent": True}, {"Variable": "$.q", "IsNull": True}], "Next": "C"},
        {"Or": [{"Variable": "$.q", "IsPresent": False}, {"Variable": "$.q", "IsNull": True}], "Next": "C"},
    ], "Default": "C"}, C={"Type": "Pass", **END}),
    "a rule that may not be reached": after(ONLY_A, {"Type": "Choice", "Choices": [
        {"Variable": "$.s", "StringEquals": "text", "Next": "C"},
        {"Variable": "$.q", "IsNull": True, "Next": "C"},
    ]}, C={"Type": "Pass", **END}),
    "one of several ways": {
        "A": {"Type": "Choice", "Choices": [{"Variable": "$.x", "IsNull": True, "Next": "B"}], "Default": "C"},
        "B": {"Type": "Pass", "Result": {"b": 1}, "Next": "D"},
        "C": {"Type": "Pass", "Result": {"c": 1}, "Next": "D"},
        "D": reads("$.c"),
    },
    "written later in a loop": {
        "A": {"Type": "Pass", "Result": {}, "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsPresent": False, "Next": "C"}], "Default": "D"},
        "C": {"Type": "Pass", "Result": 1, "ResultPath": "$.n", "Next": "B"},
        "D": reads("$.n"),
    },
    "a state that grows with every turn of a loop": {
        "A": {"Type": "Pass", "Parameters": {"before.$": "$", "n.$": "$.n"}, "Next": "B"},
        "B": {"Type": "Choice", "Choices": [{"Variable": "$.n", "IsNull": True, "Next": "A"}], "Default": "C"},
        "C": reads("$.before.before.before.before.before.before.before.n"),
    },
    "the error of a handler": {
        "A": {**CALLED, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "C"}]},
        "B": {"Type": "Pass", **END},
        "C": {"Type": "Fail", "ErrorPath": "$.Error", "CausePath": "$.details.code"},
    },
    "an input that nobody reads": {"A": {"Type": "Pass", "InputPath": "$._context.x", "Result": 1, **END}},
}  # fmt: skip


@pytest.mark.parametrize("states", POSSIBLE.values(), ids=POSSIBLE)
def test_what_a_run_can_do_is_no_problem(states: dict[str, Any]) -> None:
    assert validate_definition({"StartAt": next(iter(states)), "States": states}) == ()


@pytest.mark.parametrize(("most", "expected"), [(dataflow.MAX_STEPS, 36), (50, 0)])
def test_a_flow_that_is_too_costly_is_not_followed(most: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataflow, "MAX_STEPS", most)
    inner: dict[str, Any] = {"StartAt": "P", "States": {"P": {"Type": "Pass", "InputPath": "$._context.email", **END}}}
    for _ in range(2):
        states = {f"S{n}": {"Type": "Parallel", "Branches": [inner] * 2, "Next": f"S{n + 1}"} for n in range(3)}
        inner = {"StartAt": "S0", "States": {**states, "S3": {"Type": "Pass", **END}}}
    found = compile_definition(inner)
    assert isinstance(found, FlowProgram)
    assert len(find_certain_failures(found)) == expected


def definitions_in(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, dict):
        own = [document] if {"StartAt", "States"} <= document.keys() else []
        return own + [found for one in document.values() for found in definitions_in(one)]
    return [found for one in document for found in definitions_in(one)] if isinstance(document, list) else []


def test_every_example_is_valid() -> None:
    files = [*(ROOT / "examples").rglob("*.yaml"), *(ROOT / "tests/data/flow_histories").glob("*.json")]
    found = {file: definitions_in(list(yaml.safe_load_all(file.read_text()))) for file in files}
    assert sum(map(len, found.values())) > 10
    assert {
        file: problems for file, several in found.items() for one in several if (problems := validate_definition(one))
    } == {}


SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "path": {"type": "string"},
        "files": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": ["integer", "null"]}}}},
        "any": {"$ref": "#/$defs/any"},
    },
}


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("$.pth", "$ has only any, files, path;"),
        ("$.path.x", "$.path is a string;"),
        ("$.files.x", "$.files is a list;"),
        ("$.files[0].n.x", "$.files[0].n is a number or null;"),
        ("$.path", None),
        ("$.files[7].whatever", None),
        ("$.any.thing", None),
    ],
)
def test_the_schema_of_the_input_rules_out_what_it_does_not_allow(path: str, why: str | None) -> None:
    problems = validate_definition({"StartAt": "B", "States": {"B": reads(path)}}, input_schema=SCHEMA)
    assert len(problems) == (why is not None)
    assert all(str(why) in one.message for one in problems)


@pytest.mark.parametrize(
    "schema",
    [
        None,
        True,
        {"properties": {"a": {}}},
        {"properties": {"a": 5}, "additionalProperties": {}},
        {"properties": {}, "additionalProperties": False, "patternProperties": {"^z": {}}},
        {"$ref": "#/$defs/x", "additionalProperties": False},
        {"properties": 5, "additionalProperties": False},
    ],
)
def test_a_schema_that_allows_a_name_rules_nothing_out(schema: Any) -> None:
    assert validate_definition({"StartAt": "B", "States": {"B": reads("$.z")}}, input_schema=schema) == ()


# -- properties --------------------------------------------------------------------------------------------------------

NAMES = ["a", "b"]
PLACES = st.lists(st.sampled_from([*NAMES, 0]), max_size=3).map(
    lambda steps: "$" + "".join(f"[{step}]" if step == 0 else f".{step}" for step in steps)
)
WRITTEN = st.lists(st.sampled_from(NAMES), max_size=2).map(lambda steps: "$" + "".join(f".{step}" for step in steps))
VALUES = st.recursive(
    st.sampled_from([1, "x", None, True]),
    lambda inner: st.lists(inner, min_size=1, max_size=2) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=2),
    max_leaves=4,
)
OBJECTS = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=2)
EXPRESSIONS = st.sampled_from([
    "a", "a.b", "a['b'][0]", "`$.a.b`", "[x for x in a]", "1 if is_present('a.b') else a.b", "b or a.b", "_context.x",
    "len(a)", "getattr('$.a[0]')", "{'k': a, 'l': 1}", "a == b == b.a", "[a.b for x in b]", "str(b.b).upper()",
])  # fmt: skip
CONDITIONS = st.recursive(
    st.builds(lambda path, how, operand: {"Variable": path, how: operand}, PLACES,
              st.sampled_from(["IsPresent", "IsNull"]), st.booleans()),
    lambda inner: st.one_of(
        inner.map(lambda one: {"Not": one}),
        st.builds(lambda how, several: {how: several}, st.sampled_from(["And", "Or"]),
                  st.lists(inner, min_size=1, max_size=2)),
    ),
    max_leaves=3,
)  # fmt: skip


def flows(depth: int) -> st.SearchStrategy[dict[str, Any]]:
    """Flows of up to four states that lead to any others; the names of states are made unique afterwards."""
    single = [
        st.builds(lambda value, path: {"Type": "Pass", "Result": value, "ResultPath": path}, VALUES, WRITTEN),
        st.builds(lambda path: {"Type": "Pass", "InputPath": path}, PLACES),
        st.builds(
            lambda read, text, path: {
                "Type": "Pass", "Parameters": {"a.$": read, "b": [{"b.=": text}]}, "ResultPath": path,
            },
            PLACES, EXPRESSIONS, WRITTEN,
        ),
        st.builds(lambda path: {"Type": "Wait", "SecondsPath": path}, PLACES),
        st.builds(lambda path: {"Type": "Fail", "ErrorPath": path, "CausePath": path}, PLACES),
        st.builds(lambda rules: {"Type": "Choice", "Choices": rules}, st.lists(CONDITIONS, min_size=1, max_size=2)),
    ]  # fmt: skip
    if depth:
        catch = st.sampled_from([[], [{"ErrorEquals": ["States.Runtime"], "ResultPath": "$.b"}]])
        single.append(st.builds(
            lambda flow, path, catch: {"Type": "Parallel", "Branches": [flow], "ResultPath": path, "Catch": catch},
            flows(depth - 1), WRITTEN, catch,
        ))  # fmt: skip
        single.append(st.builds(
            lambda flow, items, given, selector, path: {
                "Type": "Map", "InputPath": given, "ItemsPath": items, "ItemProcessor": flow, "ResultPath": path,
                **selector,
            },
            flows(depth - 1), PLACES, PLACES,
            st.sampled_from([{}, {"ItemSelector": {"a.$": "$._context.Map.Item.Value", "b.$": "$.b"}}]), WRITTEN,
        ))  # fmt: skip
    states = st.lists(st.one_of(single), min_size=1, max_size=4)
    return st.builds(linked, states, st.lists(st.integers(0, 9), min_size=16, max_size=16))


def linked(states: list[dict[str, Any]], ways: list[int]) -> dict[str, Any]:
    """Lead each state to others, by some numbers."""
    ways = list(ways)
    names = [f"S{number}" for number in range(len(states))]
    found = {}
    for name, state in zip(names, states, strict=True):
        one = dict(state)
        if one["Type"] == "Choice":
            one["Choices"] = [rule | {"Next": names[ways.pop() % len(names)]} for rule in one["Choices"]]
            one["Default"] = names[ways.pop() % len(names)]
        elif one["Type"] != "Fail":
            target = ways.pop()
            one |= {"End": True} if target > 6 else {"Next": names[target % len(names)]}
        if "Catch" in one:
            one["Catch"] = [rule | {"Next": names[-1]} for rule in one["Catch"]]
        found[name] = one
    return {"StartAt": "S0", "States": found}


def reachable(flow: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Leave out what cannot be reached, and give every state a name of its own."""
    reached, waiting = {"S0"}, ["S0"]
    while waiting:
        state = flow["States"][waiting.pop()]
        rules = (state, *state.get("Choices", ()), *state.get("Catch", ()))
        targets = {one.get("Next") for one in rules} | {state.get("Default")}
        waiting += [one for one in targets - reached if one is not None]
        reached |= targets - {None}

    def rename(state: Any) -> Any:
        if isinstance(state, list):
            return [rename(one) for one in state]
        return state | {name: prefix + state[name] for name in ("Next", "Default") if name in state}

    states = {}
    for name in sorted(reached):
        state = rename(flow["States"][name])
        state |= {key: rename(state[key]) for key in ("Choices", "Catch") if key in state}
        inner = f"{prefix}{name}-"
        if "Branches" in state:
            state["Branches"] = [reachable(one, inner) for one in state["Branches"]]
        if "ItemProcessor" in state:
            state["ItemProcessor"] = reachable(state["ItemProcessor"], inner)
        states[prefix + name] = state
    return {"StartAt": f"{prefix}S0", "States": states}


@settings(deadline=None, max_examples=400)
@given(flow=flows(2).map(reachable), data=OBJECTS)
def test_whatever_is_called_certain_fails_in_a_run(flow: dict[str, Any], data: dict[str, Any]) -> None:
    known = {"Type": "Pass", "Result": data, "Next": flow["StartAt"]}  # so that much is ruled out
    compiled = program({"Known": known, **flow["States"]}, "Known")
    problems = find_certain_failures(compiled)
    state = initial_state(compiled, "run", data, CONTEXT, START)
    decision = step(compiled, state, (), START, StepLimits(states=300))
    completed = {one.details["state_name"] for one in decision.entries if one.code.endswith("Completed")}
    certain = {
        one.path.rpartition(".States.")[2].partition(".")[0].partition("[")[0]
        for one in problems
        if ".Catch[" not in one.path
    }
    certain = {name.removesuffix("']").removeprefix("['") for name in certain}
    assert not completed & certain, problems


def contains(shape: Shape, value: Any) -> bool:
    """Whether a shape allows a value."""
    if isinstance(value, dict):
        return JsonType.OBJECT in shape.kinds and all(
            (inner := shape.at(name)) is not None and contains(inner, one) for name, one in value.items()
        )
    if isinstance(value, list):
        return JsonType.LIST in shape.kinds and all(
            (inner := shape.at(index)) is not None and contains(inner, one) for index, one in enumerate(value)
        )
    return constant_of(value).kinds <= shape.kinds


@given(values=st.lists(VALUES, min_size=1, max_size=3))
def test_a_joined_shape_allows_each_of_its_values(values: list[Any]) -> None:
    joined = join(*map(constant_of, values))
    assert all(contains(joined, one) for one in values)


@given(values=st.lists(VALUES, min_size=1, max_size=2), path=PLACES, written=VALUES)
def test_a_write_is_followed_as_it_is_done(values: list[Any], path: str, written: Any) -> None:
    place = parse_result_path(path)
    shape = join(*map(constant_of, values)).written(place.steps or (), constant_of(written))
    for value in values:
        try:
            after_it = place.write(value, written)
        except RunTimeError:
            continue
        assert shape is not None
        assert contains(shape, after_it)


def test_reads_are_certain_only_if_every_evaluation_makes_them() -> None:
    text = "f(a, k=b.c)[0] + (d if e else g) + (h and i) + (j < l < m) + [n for o in p for q in r] + s.lower() + t[u]"
    found = set(certain_reads(ast.parse(text, mode="eval").body))
    assert {place[0] for place in found} == {"a", "b", "e", "h", "j", "l", "p", "s", "t", "u"}
    assert ("b", "c") in found
