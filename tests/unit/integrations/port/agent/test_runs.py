"""What Port hands out is read run by run."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskaction.integrations.port.agent.runs import MalformedRun, PortRun, PortRunKind, read_run

ACTION = {
    "id": "r_1",
    "status": "IN_PROGRESS",
    "action": {"identifier": "restart_service", "title": "Restart"},
    "payload": {
        "type": "INTEGRATION_ACTION",
        "installationId": "cluster-a",
        "integrationActionType": "restart",
        "integrationActionExecutionProperties": {"service": "shop"},
    },
}
CONFIG = {"integrationInvocationType": "restart", "integrationActionExecutionProperties": {"service": "shop"}}
NODE = {"identifier": "n_1", "nodeUid": "node-7", "status": "IN_PROGRESS", "config": CONFIG}


def without(item: dict[str, Any], *path: str) -> dict[str, Any]:
    head, *rest = path
    if rest:
        return item | {head: without(item[head], *rest)}
    return {name: value for name, value in item.items() if name != head}


def test_an_action_run_is_read() -> None:
    assert read_run(PortRunKind.ACTION, ACTION) == PortRun(
        kind=PortRunKind.ACTION,
        id="r_1",
        action_type="restart",
        bucket="restart_service",
        properties={"service": "shop"},
    )


@pytest.mark.parametrize("item", [NODE, without(NODE, "config") | {"node": {"config": CONFIG}}])
def test_a_node_run_is_read_wherever_its_config_is(item: dict[str, Any]) -> None:
    assert read_run(PortRunKind.WORKFLOW_NODE, item) == PortRun(
        kind=PortRunKind.WORKFLOW_NODE, id="n_1", action_type="restart", bucket="node-7", properties={"service": "shop"}
    )


def test_a_node_without_a_uid_is_a_bucket_of_its_own() -> None:
    run = read_run(PortRunKind.WORKFLOW_NODE, without(NODE, "nodeUid"))
    assert isinstance(run, PortRun)
    assert run.bucket == "n_1"


@pytest.mark.parametrize(
    ("kind", "item", "run_id", "named"),
    [
        (PortRunKind.ACTION, without(ACTION, "payload"), "r_1", "payload"),
        (PortRunKind.ACTION, without(ACTION, "payload", "integrationActionType"), "r_1", "integrationActionType"),
        (PortRunKind.ACTION, ACTION | {"action": {}}, "r_1", "identifier"),
        (PortRunKind.ACTION, without(ACTION, "id"), None, "id"),
        (PortRunKind.ACTION, ACTION | {"id": 7}, None, "id"),
        (PortRunKind.ACTION, ACTION | {"id": "r" * 300}, None, "id"),
        (PortRunKind.ACTION, "a run", None, "the run"),
        (PortRunKind.ACTION, None, None, "the run"),
        (PortRunKind.WORKFLOW_NODE, without(NODE, "config"), "n_1", "node.config"),
        (
            PortRunKind.WORKFLOW_NODE,
            NODE | {"config": {"integrationInvocationType": 3}},
            "n_1",
            "integrationInvocation",
        ),
    ],
)
def test_ocean_d04_a_run_that_cannot_be_read_is_told_by_its_id_where_there_is_one(
    kind: PortRunKind, item: object, run_id: str | None, named: str
) -> None:
    found = read_run(kind, item)
    assert isinstance(found, MalformedRun)
    assert found.id == run_id
    assert named in found.problem


def test_a_run_that_has_ended_is_not_reported_again() -> None:
    found = read_run(PortRunKind.ACTION, ACTION | {"status": "SUCCESS"})
    assert isinstance(found, MalformedRun)
    assert found.id is None
    assert "r_1" in found.problem


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*ACTION, *NODE, "node", "integrationActionType", "integrationInvocationType"]), inner
        )
    ),
    max_leaves=20,
)


@given(kind=st.sampled_from(PortRunKind), item=JSON)
def test_ocean_d04_nothing_that_port_says_raises(kind: PortRunKind, item: object) -> None:
    assert read_run(kind, item).kind is kind
