"""Whose rights a task of Flyte uses, what its action says, and which phase is which."""

import re
from pathlib import Path
from typing import Any

import pytest
from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.common.phase_pb2 import ActionPhase
from flyteidl2.task.run_pb2 import RunSpec
from google.protobuf.json_format import ParseDict

from support.flyte_tasks import container_task, pod_task
from taskaction.api.enums import Phase
from taskaction.integrations.flyte.service.accounts import account, account_used
from taskaction.integrations.flyte.service.action_cache import CachedAction
from taskaction.integrations.flyte.service.manifests import TaskRules, build_manifest
from taskaction.integrations.flyte.service.phases import PHASES
from taskaction.integrations.flyte.service.places import ActionKey

PLACE = ActionKey("flyte", "r1-a1")


def run_as(name: str) -> dict[str, Any]:
    return {"securityContext": {"runAs": {"k8sServiceAccount": name}}} if name else {}


@pytest.mark.parametrize(
    ("own", "pods", "runs", "inherited", "found"),
    [
        ("", "", "", "", ""),
        ("own", "pod", "run", "parent", "own"),
        ("", "pod", "run", "parent", "pod"),
        ("", "", "run", "", "run"),
        ("", "", "", "parent", "parent"),
    ],
)
def test_a_task_runs_as_who_it_names_or_as_its_run_or_its_parent(
    own: str, pods: str, runs: str, inherited: str, found: str
) -> None:
    template = pod_task({"containers": [{"name": "a"}]} | ({"serviceAccountName": pods} if pods else {}))
    ParseDict(run_as(own), template)

    assert account(template, ParseDict(run_as(runs), RunSpec()), inherited) == found


@pytest.mark.parametrize(
    ("spec", "found"),
    [
        ({"executor": "flyte"}, "default"),
        ({"executor": "pod", "runAs": {"serviceAccountName": "robot"}}, "robot"),
        ({"executor": "noop", "runAs": {"serviceAccountName": "robot"}}, "robot"),
        ({"executor": "noop"}, None),
        ({"providerRef": {"name": "serial"}}, None),
        ({"providerRef": {"name": "serial"}, "runAs": {"serviceAccountName": "robot"}}, "robot"),
        ({"executor": "approval"}, None),
        ({"executor": "http", "parameters": {"url": "x"}}, None),
        ({"executor": "http", "parameters": {"auth": {}}}, "default"),
        ({"executor": "wait", "parameters": {"object": {}}}, "default"),
    ],
)
def test_whose_rights_an_action_uses_is_known_before_it_is_made(spec: dict[str, Any], found: str | None) -> None:
    assert account_used(spec) == found


def test_an_action_says_all_that_its_executor_needs() -> None:
    action = ParseDict(
        {
            "actionId": {"run": {"org": "acme", "project": "shop", "domain": "test", "name": "r1"}, "name": "a1"},
            "parentActionName": "a0",
            "inputUri": "s3://in",
            "runOutputBase": "s3://out",
            "task": {"spec": {"shortName": "double"}},
        },
        Action(),
    )
    action.task.spec.task_template.CopyFrom(container_task())
    parent = CachedAction(
        place=ActionKey("flyte", "r1-a0"),
        uid="u",
        version=1,
        action="a0",
        account="robot",
        handed_down={"env": {"A": "b"}, "interruptible": True, "runStartTime": "2026-01-01T00:00:00Z"},
    )

    body = build_manifest(PLACE, action, parent, RunSpec(), TaskRules(), {"template": "xyz", "encoding": "base64"})

    spec = body["spec"]
    assert spec["parameters"] == {
        "template": "xyz",
        "encoding": "base64",
        "inputUri": "s3://in",
        "runOutputBase": "s3://out",
        "org": "acme",
        "project": "shop",
        "domain": "test",
        "runName": "r1",
        "actionName": "a1",
        "env": {"A": "b"},
        "interruptible": True,
        "runStartTime": "2026-01-01T00:00:00Z",
        "taskType": "python",
        "shortName": "double",
    }
    assert spec["runAs"] == {"serviceAccountName": "robot"}
    assert spec["retryPolicy"] == {"limit": 0, "systemLimit": 3}


def test_what_a_run_says_is_in_its_root_and_handed_down_from_there() -> None:
    action = ParseDict({"task": {"spec": {"taskTemplate": {"type": "python"}}}}, Action())
    run_spec = ParseDict(
        {
            "envs": {"values": [{"key": "A", "value": "b"}]},
            "interruptible": False,
            "rawDataStorage": {"rawDataPrefix": "s3://raw"},
            "runStartTime": "2026-01-01T00:00:00Z",
        },
        RunSpec(),
    )

    root = build_manifest(PLACE, action, None, run_spec, TaskRules(), {"template": "xyz"})

    said = {
        "env": {"A": "b"},
        "interruptible": False,
        "rawDataPrefix": "s3://raw",
        "runStartTime": "2026-01-01T00:00:00Z",
    }
    assert root["spec"]["parameters"].items() >= said.items()
    root["metadata"] |= {"uid": "u", "resourceVersion": "1"}
    child = build_manifest(PLACE, action, CachedAction.of(root), RunSpec(), TaskRules(), {"template": "xyz"})
    assert child["spec"]["parameters"].items() >= said.items()


def test_a_run_sets_no_label_or_annotation_that_the_operator_relies_on() -> None:
    keys = ("team", "taskaction.dev/port-run", "taskaction.dev/signal", "flyte.org/action", "kubectl.kubernetes.io/x")
    values = {"values": dict.fromkeys(keys, "forged")}
    action = ParseDict({"task": {"spec": {"taskTemplate": {"type": "python"}}}}, Action())
    run_spec = ParseDict({"labels": values, "annotations": values}, RunSpec())

    metadata = build_manifest(PLACE, action, None, run_spec, TaskRules(), {"template": "xyz"})["metadata"]

    for field in ("labels", "annotations"):
        assert [key for key, value in metadata[field].items() if value == "forged"] == ["team"]


def test_every_phase_is_one_of_flytes_and_no_two_are_the_same() -> None:
    said = {phase: ActionPhase.Name(number).removeprefix("ACTION_PHASE_") for phase, number in PHASES.items()}

    assert set(said) == set(Phase)
    assert {phase: name.replace("_", "").lower() for phase, name in said.items()} == {
        phase: phase.value.lower() for phase in Phase
    }


def test_those_that_are_final_to_flyte_are_final_here() -> None:
    final = {"SUCCEEDED", "FAILED", "ABORTED", "TIMED_OUT"}

    assert {
        ActionPhase.Name(PHASES[phase]).removeprefix("ACTION_PHASE_") for phase in Phase if phase.is_terminal
    } == final


def test_the_service_asks_about_the_same_executors_as_the_admission_policy() -> None:
    policy = (Path(__file__).parents[5] / "crds" / "policies" / "rights.yaml").read_text()
    (listed,) = re.findall(r"object\.spec\.executor in \[([^]]*)\]", policy)
    never = set(re.findall(r"'(\w+)'", listed))
    sometimes = dict(re.findall(r"object\.spec\.executor == '(\w+)' && !\('(\w+)' in variables\.parameters\)", policy))
    always = {"job", "flyte", "a-plug-in"}

    assert never
    assert sometimes
    for executor in always | set(sometimes) | never:
        assert (account_used({"executor": executor}) is not None) == (executor in always)
        for parameter in {"auth", "object", "tokens"} | set(sometimes.values()):
            uses = executor in always or sometimes.get(executor) == parameter
            assert (account_used({"executor": executor, "parameters": {parameter: {}}}) is not None) == uses
