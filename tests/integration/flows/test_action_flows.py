"""ActionFlows on a real API server: kept as written, judged when applied, and judged again by whoever comes next."""

from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import get_object
from support.operators import QUICK_LEASES, Operators
from support.refusals import create, manifest, merge, refusal

SETTINGS = QUICK_LEASES

DEFINITION: dict[str, Any] = {
    "StartAt": "Copy",
    "States": {
        "Copy": {
            "Type": "Action",
            "ActionUrl": "taskaction://executor/noop",
            "Parameters": {"output": {"n.$": "$.n", "odd.=": "n % 2 == 1", "none": None}},
            "ResultPath": "$.copied",
            "Next": "Done",
        },
        "Done": {"Type": "Pass", "End": True},
    },
}
LOST = DEFINITION | {"States": DEFINITION["States"] | {"Done": {"Type": "Pass", "Next": "Copi"}}}


def status(kubectl: Kubectl, name: str = "subject") -> dict[str, Any]:
    return dict(get_object(kubectl, "af", name).get("status", {}))


def valid(kubectl: Kubectl, generation: int) -> dict[str, Any]:
    """Give the condition of a generation, once it is there."""
    wait_until(
        lambda: status(kubectl).get("observedGeneration") == generation,
        timeout=60,
        what=f"a verdict on generation {generation}",
    )
    (found,) = status(kubectl)["conditions"]
    return dict(found)


@pytest.mark.usefixtures("operator")
def test_a_flow_is_kept_as_it_was_written_and_found_valid(kubectl: Kubectl) -> None:
    stored = create(kubectl, manifest("ActionFlow", {"definition": DEFINITION}))
    assert stored["spec"] == {"definition": DEFINITION}  # null, suffixes and all
    kubectl("wait", "af/subject", "--for=condition=Valid", "--timeout=60s")
    row = kubectl("get", "af", "subject", "--no-headers").split()
    assert row[:3] == ["subject", "True", "Valid"]


@pytest.mark.usefixtures("operator")
def test_a_mistake_is_shown_with_its_path_and_goes_when_it_is_mended(kubectl: Kubectl) -> None:
    create(kubectl, manifest("ActionFlow", {"definition": LOST}))
    found = valid(kubectl, 1)
    assert (found["status"], found["reason"]) == ("False", "InvalidDefinition")
    (problem,) = status(kubectl)["problems"]
    assert problem["path"] == "$.States.Done.Next"
    assert "unknown state 'Copi'; use one of Copy, Done" in problem["message"]
    merge(kubectl, "af", "subject", {"spec": {"definition": {"States": {"Done": {"Next": None, "End": True}}}}})
    assert valid(kubectl, 2)["status"] == "True"
    assert "problems" not in status(kubectl)


@pytest.mark.usefixtures("operator")
def test_a_strict_flow_may_hold_only_what_globus_has(kubectl: Kubectl) -> None:
    create(kubectl, manifest("ActionFlow", {"definition": DEFINITION, "strict": True}))
    assert valid(kubectl, 1)["status"] == "False"
    (problem,) = status(kubectl)["problems"]
    assert problem["path"] == "$.States.Copy.ActionUrl"


def test_a_flow_that_nobody_could_judge_is_judged_by_whoever_comes(kubectl: Kubectl, operators: Operators) -> None:
    operators.kill()
    create(kubectl, manifest("ActionFlow", {"definition": LOST}))
    assert status(kubectl) == {}
    operators.start(SETTINGS)
    assert valid(kubectl, 1)["status"] == "False"


@pytest.mark.usefixtures("operator")
def test_a_flow_is_judged_again_when_a_provider_that_it_names_comes_changes_and_goes(kubectl: Kubectl) -> None:
    states = {
        "Mail": {"Type": "Action", "ActionUrl": "taskaction://provider/mail", "Parameters": {"to": "ann"}, "End": True}
    }
    create(kubectl, manifest("ActionFlow", {"definition": {"StartAt": "Mail", "States": states}}))
    kubectl("wait", "af/subject", "--for=condition=Valid", "--timeout=60s")
    schema = {"type": "object", "required": ["subject"]}
    create(kubectl, manifest("ActionProvider", {"executor": "noop", "inputSchema": schema}, name="mail"))
    kubectl("wait", "af/subject", "--for=condition=Valid=false", "--timeout=60s")
    (problem,) = status(kubectl)["problems"]
    assert (problem["path"], "'subject' is a required" in problem["message"]) == ("$.States.Mail.Parameters", True)
    merge(kubectl, "ap", "mail", {"spec": {"inputSchema": {"required": ["to"]}}})
    kubectl("wait", "af/subject", "--for=condition=Valid", "--timeout=60s")
    merge(kubectl, "ap", "mail", {"spec": {"inputSchema": {"required": ["subject"]}}})
    kubectl("wait", "af/subject", "--for=condition=Valid=false", "--timeout=60s")
    kubectl("delete", "ap", "mail")
    kubectl("wait", "af/subject", "--for=condition=Valid", "--timeout=60s")


def test_a_flow_without_a_definition_is_refused_at_once(kubectl: Kubectl) -> None:
    assert "spec.definition: Required value" in refusal(kubectl, manifest("ActionFlow", {"title": "nothing"}))
