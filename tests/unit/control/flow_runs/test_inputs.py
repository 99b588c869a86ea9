"""What a flow's actions are given is compared with what is known of their input, as far as it is known before a run."""

from typing import Any

import pytest

from taskaction.api.enums import ProviderKind
from taskaction.control.flow_runs.inputs import (
    ClusterInputs,
    InstalledInputs,
    find_input_problems,
    find_provider_references,
)
from taskaction.control.providers.providers import ProviderSchemas, ProviderTable, read_provider
from taskaction.plugin.registry import Registry
from taskaction.testing.clock import START

SCHEMA = {
    "type": "object",
    "required": ["path"],
    "additionalProperties": False,
    "properties": {
        "path": {"type": "string", "pattern": "^/"},
        "count": {"type": "integer"},
        "items": {"type": "array", "minItems": 2, "items": {"type": "object", "required": ["id"]}},
        "mode": {"enum": ["fast", "slow"]},
        "either": {"oneOf": [{"required": ["a"], "properties": {"a": {"const": 1}}}, {"required": ["b"]}]},
    },
    "if": {"properties": {"mode": {"const": "fast"}}, "required": ["mode"]},
    "then": {"required": ["count"]},
}
INPUTS = InstalledInputs(Registry.find_installed, {("ActionProvider", "copy"): SCHEMA})


def found(parameters: Any, url: str = "taskaction://provider/copy", **fields: Any) -> list[tuple[str, str]]:
    action = {"Type": "Action", "ActionUrl": url, "Parameters": parameters, "End": True, **fields}
    definition = {"StartAt": "A", "States": {"A": action}}
    return [(one.path, one.message) for one in find_input_problems(definition, "team-a", INPUTS)]


@pytest.mark.parametrize(
    ("parameters", "path", "why"),
    [
        ({}, "$.States.A.Parameters", "'path' is a required property"),
        ({"path": "no"}, "$.States.A.Parameters.path", "does not match"),
        ({"path": "/x", "cuont.$": "$.n"}, "$.States.A.Parameters", "unknown property 'cuont'"),
        ({"path.$": "$.p", "count": "three"}, "$.States.A.Parameters.count", "is not of type 'integer'"),
        ({"path.=": "p", "items": [{"id.$": "$.x"}]}, "$.States.A.Parameters.items", "too short"),
        ({"path.=": "p", "items": [{"id": 1}, {"di": 1}]}, "$.States.A.Parameters.items[1]", "'id' is a required"),
        ({"path": "/x", "mode": "fats"}, "$.States.A.Parameters.mode", "is not one of"),
        ({"path": "/x", "mode": "fast"}, "$.States.A.Parameters", "'count' is a required property"),
        ({"path": {"to.$": "$.x"}}, "$.States.A.Parameters.path", "is not of type 'string'"),
    ],
)
def test_what_no_run_can_mend_is_said_with_its_path(parameters, path, why) -> None:
    problems = found(parameters)
    assert path in [place for place, _ in problems], problems
    assert any(why in message for _, message in problems), problems
    assert all(message.endswith("(input schema of taskaction://provider/copy)") for _, message in problems)


@pytest.mark.parametrize(
    "parameters",
    [
        {"path.$": "$.p"},
        {"path": "/x", "count.=": "n + 1", "mode.$": "$.m"},
        {"path": "/x", "items.$": "$.all"},
        {"path": "/x", "either": {"a.$": "$.x"}},
        {"path": "/x", "mode.$": "$.m"},
        {"path": "/x", "__Private_Parameters": ["path"]},
    ],
)
def test_what_only_a_run_can_tell_is_left_to_it(parameters) -> None:
    assert found(parameters) == []


@pytest.mark.parametrize(
    ("url", "parameters", "path"),
    [
        ("taskaction://executor/approval", {"promt": "well?"}, "$.States.A.Parameters"),
        ("taskaction://executor/approval", {"timeout": "5 minutes"}, "$.States.A.Parameters.timeout"),
        ("taskaction://executor/sleep", {"duration": 5}, "$.States.A.Parameters.duration"),
    ],
)
def test_executors_say_by_themselves_what_they_take(url, parameters, path) -> None:
    assert path in [place for place, _ in found(parameters, url)]


@pytest.mark.parametrize(
    ("url", "parameters"),
    [
        ("taskaction://executor/approval", {"prompt.$": "$.q", "timeout": "5m", "type": "string"}),
        ("taskaction://executor/sleep", {"duration": "5s"}),
        ("taskaction://executor/http", {"url": "https://x/", "method": "POST", "body": {"a.$": "$.x"}}),
        ("taskaction://executor/job", {"image": "busybox", "command": ["sh", "-c", "true"]}),
        ("taskaction://executor/noop", {"output": 1}),
        ("taskaction://executor/of-a-plug-in-that-is-not-here", {"x": 1}),
        ("taskaction://provider/of-another-file", {"x": 1}),
        ("https://actions.example.org/ap", {"x": 1}),
    ],
)
def test_what_is_right_or_unknown_is_no_problem(url, parameters) -> None:
    assert found(parameters, url) == []


def test_states_inside_of_others_and_handlers_are_looked_at_too() -> None:
    inner = {
        "Type": "Action",
        "Handler": {"Type": "ActionProvider", "Url": "taskaction://provider/copy"},
        "Parameters": {},
        "End": True,
    }
    processor = {"StartAt": "I", "States": {"I": inner}}
    parallel = {
        "Type": "Parallel",
        "Branches": [{"StartAt": "M", "States": {"M": {"Type": "Map", "ItemProcessor": processor, "End": True}}}],
        "End": True,
    }
    (problem,) = find_input_problems({"StartAt": "P", "States": {"P": parallel}}, "team-a", INPUTS)
    assert problem.path == "$.States.P.Branches[0].States.M.ItemProcessor.States.I.Parameters"


@pytest.mark.parametrize(
    ("url", "parameters", "why"),
    [
        ("taskaction://executor/job", {"image": "x"}, "executor 'job' cannot be called inline"),
        ("taskaction://provider/copy", {"path": "/x"}, "can call executors only"),
        ("https://actions.example.org/ap", {}, "can call executors only"),
        ("taskaction://executor/noop", {}, None),
    ],
)
def test_what_cannot_be_called_for_items_without_objects_is_named(url, parameters, why) -> None:
    action = {"Type": "Action", "ActionUrl": url, "Parameters": parameters, "End": True}
    processor = {"StartAt": "I", "States": {"I": action}}
    mapping = {"Type": "Map", "ItemProcessor": processor, "Inline": True, "End": True}
    problems = list(find_input_problems({"StartAt": "M", "States": {"M": mapping}}, "team-a", INPUTS))
    assert [one.path for one in problems] == (["$.States.M.ItemProcessor.States.I.ActionUrl"] if why else [])
    assert all(str(why) in one.message for one in problems)


def test_an_input_path_is_left_to_the_run() -> None:
    action = {"Type": "Action", "ActionUrl": "taskaction://provider/copy", "InputPath": "$.x", "End": True}
    assert list(find_input_problems({"StartAt": "A", "States": {"A": action}}, "team-a", INPUTS)) == []


def test_the_providers_that_a_definition_names_are_found_in_any_shape_of_it() -> None:
    action = {"ActionUrl": "taskaction://provider/mail"}
    handled = {"Handler": {"Type": "ActionProvider", "Url": "taskaction://cluster-provider/shared"}}
    definition = {"States": {"A": action, "B": [handled, 5, None], "C": {"ActionUrl": "taskaction://executor/noop"}}}
    assert find_provider_references(definition, "team-a") == {
        (ProviderKind.ACTION_PROVIDER, "team-a", "mail"),
        (ProviderKind.CLUSTER_ACTION_PROVIDER, "", "shared"),
    }


def test_a_provider_that_the_namespace_may_not_use_is_a_problem() -> None:
    providers = ProviderTable(Registry())
    metadata = {"name": "shared", "uid": "u", "generation": 1, "creationTimestamp": START.isoformat()}
    spec = {"executor": "noop", "allowedNamespaces": ["team-b"]}
    body = {"metadata": metadata, "spec": spec}
    providers.put(read_provider(ProviderKind.CLUSTER_ACTION_PROVIDER, body), ProviderSchemas())
    inputs = ClusterInputs(Registry(), providers)
    assert inputs.provider_input(ProviderKind.CLUSTER_ACTION_PROVIDER, "team-b", "shared").problem is None
    found = inputs.provider_input(ProviderKind.CLUSTER_ACTION_PROVIDER, "team-a", "shared").problem
    assert found == "ClusterActionProvider 'shared' does not allow namespace 'team-a' (allowedNamespaces)"
