"""S12: actions that wait take no memory for their parameters, and parameters have a largest size for every sender."""

from pathlib import Path

import pytest

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import Body, action, create, patch, phase, reason, wait_for, wait_for_all, wait_for_phase
from support.operators import QUICK_LEASES

SETTINGS = QUICK_LEASES
COUNT = 40
GROWTH_MB = 100
"""Each of these actions takes 7 MB as Python's objects: 280 MB together."""

NESTED = {"output": {"parts": [[]] * 85_000}}
"""Almost 256 KiB of JSON, of the kind that takes the most memory."""


def resident_mb(operator: Operator) -> float:
    lines = Path(f"/proc/{operator.program.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:"))


def test_s12_the_memory_of_waiting_actions_does_not_depend_on_their_size(kubectl: Kubectl, operator: Operator) -> None:
    create(kubectl, [action("first")])
    wait_for(kubectl, "first")
    before = resident_mb(operator)
    create(kubectl, [action(f"large-{number}", parameters=NESTED, suspend=True) for number in range(COUNT)])
    wait_for_all(kubectl, lambda found: all(reason(found[f"large-{number}"]) == "Suspended" for number in range(COUNT)))
    assert resident_mb(operator) - before < GROWTH_MB
    patch(kubectl, "large-0", {"suspend": False})
    ended = wait_for(kubectl, "large-0")
    assert reason(ended) == "OutputTooLarge"  # the executor got all of it


def test_s12_parameters_beyond_the_limit_fail_with_their_own_reason(kubectl: Kubectl, operator: Operator) -> None:
    create(
        kubectl, [action(f"huge-{number}", parameters={"output": {"blob": "x" * 967 * 1024}}) for number in range(5)]
    )
    create(kubectl, [action("neighbour")])
    wait_for_phase(kubectl, "neighbour", "Succeeded", seconds=5)
    for number in range(5):
        ended = wait_for(kubectl, f"huge-{number}")
        assert (phase(ended), reason(ended)) == ("Failed", "ParametersTooLarge")
        assert ended["status"]["message"].startswith("spec.parameters: 99"), ended["status"]
    assert operator.program.is_running()


QUOTA: Body = {
    "apiVersion": "v1",
    "kind": "ResourceQuota",
    "metadata": {"name": "actions"},
    "spec": {"hard": {"count/taskactions.taskaction.dev": "3"}},
}


@pytest.mark.usefixtures("operator")
def test_s12_a_quota_bounds_the_number_of_actions(kubectl: Kubectl) -> None:
    create(kubectl, [QUOTA])
    kubectl("wait", "resourcequota/actions", "--for=jsonpath={.status.hard}", "--timeout=60s")
    with pytest.raises(ClusterError, match="exceeded quota: actions"):
        create(kubectl, [action(f"many-{number}", suspend=True) for number in range(10)])
