"""Which TaskAction a run becomes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.api.task_action import TaskAction
from taskaction.integrations.port.agent import annotations
from taskaction.integrations.port.agent.mapping import Target, action_name, manifest, plain_name, read_targets, refusal
from taskaction.integrations.port.agent.runs import MalformedRun, PortRun, PortRunKind

RUN = PortRun(kind=PortRunKind.ACTION, id="r_Abc123", action_type="deploy", bucket="deploy_shop", properties={"n": 1})
NAMES = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")


@pytest.mark.parametrize(
    ("target", "spec"),
    [
        (Target(executor="http"), {"executor": "http"}),
        (Target(provider="ci"), {"providerRef": {"kind": "ActionProvider", "name": "ci"}}),
        (Target(cluster_provider="ci"), {"providerRef": {"kind": "ClusterActionProvider", "name": "ci"}}),
    ],
)
def test_an_action_names_its_target_and_takes_the_properties(target: Target, spec: dict[str, object]) -> None:
    body = manifest(RUN, target, installation="a", agent="me")
    assert body["spec"] == {
        **spec,
        "parameters": {"n": 1},
        "suspend": True,
        "idempotencyKey": "port:action:r_Abc123",
    }


def test_an_action_bears_whose_run_it_is() -> None:
    found = annotations.RunAnnotations.from_body(manifest(RUN, Target(executor="noop"), installation="a", agent="me"))
    assert found == annotations.RunAnnotations(
        kind=PortRunKind.ACTION,
        run_id="r_Abc123",
        bucket="deploy_shop",
        acknowledgement="asked by me",
        reported="",
        unreported=True,
    )


def test_ocean_d13_a_run_has_the_same_name_whoever_claims_it() -> None:
    first = manifest(RUN, Target(executor="noop"), installation="a", agent="me")
    second = manifest(RUN, Target(executor="noop"), installation="a", agent="you")
    assert first["metadata"]["name"] == second["metadata"]["name"] == "port-r-abc123-" + first["metadata"]["name"][-16:]


def test_runs_of_another_kind_or_installation_have_other_names() -> None:
    names = {
        action_name(installation, kind, run_id)
        for installation in ("a", "b")
        for kind in PortRunKind
        for run_id in ("r_1", "r-1", "R_1")
    }
    assert len(names) == 12


@given(installation=st.text(max_size=300), run_id=st.text(min_size=1, max_size=253))
def test_every_run_has_a_name_and_labels_that_the_api_server_takes(installation: str, run_id: str) -> None:
    name = action_name(installation, PortRunKind.ACTION, run_id)
    assert NAMES.fullmatch(name)
    assert len(name) <= 63
    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?", annotations.label_value(installation))


@pytest.mark.parametrize(
    ("action_type", "name"),
    [("deploy", "deploy"), ("Dispatch_Workflow", "dispatch-workflow"), ("a.b c", "a-b-c"), ("___", None)],
)
def test_a_type_stands_for_what_bears_its_name(action_type: str, name: str | None) -> None:
    assert plain_name(action_type) == name


@given(action_type=st.text(min_size=1, max_size=253))
def test_what_a_type_stands_for_can_be_a_name(action_type: str) -> None:
    name = plain_name(action_type)
    assert name is None or (NAMES.fullmatch(name) and len(name) <= 63)


def test_a_run_that_cannot_be_executed_becomes_an_action_that_says_why() -> None:
    run = MalformedRun(kind=PortRunKind.ACTION, id="r_9", bucket="b", problem="no payload")
    body = refusal(run, "r_9", "x" * 5000, installation="a", agent="me")
    assert body["spec"]["executor"] == "fail"
    assert len(body["spec"]["parameters"]["message"]) == 1024
    stored = body | {"metadata": body["metadata"] | {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    assert TaskAction.from_body(stored).spec.suspend


def test_the_mapping_is_read() -> None:
    assert read_targets('{"a": {"provider": "ci"}, "b": {"clusterProvider": "x"}}') == {
        "a": Target(provider="ci"),
        "b": Target(cluster_provider="x"),
    }
    assert read_targets("") == {}


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("{", "JSON"),
        ('{"a": "ci"}', "a: "),
        ('{"a": {}}', "exactly one"),
        ('{"a": {"provider": "x", "executor": "y"}}', "exactly one"),
        ('{"a": {"provider": "Ci"}}', "a.provider"),
        ('{"a": {"job": "x"}}', "a.job"),
    ],
)
def test_a_wrong_mapping_is_refused_with_the_place(text: str, named: str) -> None:
    with pytest.raises(ValueError, match=re.escape(named)):
        read_targets(text)
