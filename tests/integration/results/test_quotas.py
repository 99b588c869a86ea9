"""R19: a ResourceQuota on the actions of a flow is waited for, as one on pods is."""

import pytest

from cluster.kubectl import Kubectl
from support.actions import create
from support.api import get_object, list_objects
from support.flow_stage import action as state

pytestmark = pytest.mark.usefixtures("operator")
EACH = {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": {"StartAt": "One", "States": {"One": state()}}}


def limit(kubectl: Kubectl, kind: str, count: int) -> None:
    """Leave room for a number of objects of a kind, and return when the API server has counted them."""
    hard = f"count/{kind}.taskaction.dev"
    kubectl("create", "quota", "small", f"--hard={hard}={count}")
    path = hard.replace(".", r"\.").replace("/", r"\/")
    kubectl("wait", f"--for=jsonpath={{.status.hard.{path}}}={count}", "quota/small", "--timeout=60s")


def test_r19_items_wait_for_room(kubectl: Kubectl) -> None:
    limit(kubectl, "taskactions", 1)
    definition = {"StartAt": "Each", "States": {"Each": EACH | {"End": True}}}
    spec = {"definition": definition, "input": {"items": [{}, {}, {}]}}
    body = {"apiVersion": "taskaction.dev/v1alpha1", "kind": "ActionFlowRun", "metadata": {"name": "it"}, "spec": spec}
    create(kubectl, [body])
    kubectl("wait", "afr/it", "--for=jsonpath={.status.reason}=QuotaExceeded", "--timeout=30s")
    found = get_object(kubectl, "afr", "it")["status"]
    assert found["phase"] == "Running"
    assert "quota: small" in found["message"]
    kubectl("delete", "quota", "small")
    kubectl("wait", "afr/it", "--for=condition=Finished", "--timeout=60s")
    assert get_object(kubectl, "afr", "it")["status"]["phase"] == "Succeeded"
    assert len(list_objects(kubectl, "ta")) == 3
