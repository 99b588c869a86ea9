"""The roles of docs/multi-tenancy.md, applied as they are written there, give what the page says and no more."""

import re
from collections.abc import Iterator

import pytest
import yaml

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from local.manifests import ROOT
from support.api import create_object
from support.cluster import new_namespace
from support.people import right, wait_for_right
from support.refusals import assert_says, create, manifest, refusal

PAGE = (ROOT / "docs" / "multi-tenancy.md").read_text()
MANIFESTS = [body for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) for body in yaml.safe_load_all(block)]
ROBOT = {"runAs": {"serviceAccountName": "robot"}}
SOURCE = [{"parameter": "a", "secretKeyRef": {"name": "s", "key": "k"}}]
FOREIGN = {"token": {"secretKeyRef": {"name": "s", "key": "k", "namespace": "team-b"}}}
POD = {"template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}}
PROVIDER = {"executor": "pod", "config": POD, "defaults": ROBOT}
ORIGIN = {"annotations": {"taskaction.dev/origin": "run/2"}}

REFUSED = {
    "a tenant names an account": ("tina", manifest("TaskAction", {"executor": "noop", **ROBOT}), "impersonate"),
    "a tenant reads a Secret": (
        "tina",
        manifest("TaskAction", {"executor": "noop", "parametersFrom": SOURCE}),
        "impersonate",
    ),
    "a tenant answers": (
        "tina",
        manifest("TaskAction", {"executor": "approval", "signal": {"value": True}}),
        "the verb signal",
    ),
    "a tenant writes a provider": ("tina", manifest("ActionProvider", {"executor": "noop"}), "cannot create"),
    "a tenant forges an origin": (
        "tina",
        manifest("TaskAction", {"executor": "noop"}, **ORIGIN),
        "taskaction.dev/origin",
    ),
    "a lead reads another team's Secret": (
        "lee",
        manifest(
            "ActionProvider", {"executor": "http", "webhook": {"externalIdPath": "id", "authentication": FOREIGN}}
        ),
        "own namespace only",
    ),
    "a lead writes for the cluster": ("lee", manifest("ClusterActionProvider", {"executor": "noop"}), "cannot create"),
    "the platform acts for a team": ("pat", manifest("TaskAction", {"executor": "noop"}), "cannot create"),
}
ALLOWED = {
    "a tenant runs an action": ("tina", manifest("TaskAction", {"executor": "noop"})),
    "a tenant uses a provider": ("tina", manifest("TaskAction", {"providerRef": {"name": "deploy"}})),
    "a tenant runs a flow": ("tina", manifest("ActionFlowRun", {"definition": {"StartAt": "A"}})),
    "a lead names an account": ("lee", manifest("TaskAction", {"executor": "job", **ROBOT})),
    "a lead offers an account": ("lee", manifest("ActionProvider", PROVIDER)),
    "the platform offers an account": ("pat", manifest("ClusterActionProvider", PROVIDER)),
}


@pytest.fixture(scope="module")
def team(crds: Cluster) -> Iterator[Kubectl]:
    """A namespace with the roles of the page, in place of the page's own one."""
    with new_namespace(crds, "team-a") as name:
        kubectl = crds.kubectl.within(name)
        for body in MANIFESTS:
            if "namespace" in body["metadata"]:
                body["metadata"]["namespace"] = name
            create_object(kubectl, body)
        wait_for_right(kubectl, "tina", right("use", "actionproviders"))
        wait_for_right(kubectl, "lee", right("impersonate", "serviceaccounts"))
        wait_for_right(kubectl, "pat", right("impersonate", "serviceaccounts"))
        yield kubectl
        for kind in ("clusterrolebinding", "clusterrole"):
            kubectl("delete", kind, "taskaction-platform")


@pytest.mark.parametrize(("person", "body", "says"), REFUSED.values(), ids=REFUSED)
def test_nobody_can_do_more_than_the_page_says(team: Kubectl, person: str, body: dict, says: str) -> None:
    assert_says(refusal(team, body, f"--as={person}"), (says,))


@pytest.mark.parametrize(("person", "body"), ALLOWED.values(), ids=ALLOWED)
def test_everybody_can_do_what_the_page_says(team: Kubectl, person: str, body: dict) -> None:
    create(team, body, "--dry-run=server", f"--as={person}")


def test_nobody_reaches_another_team(team: Kubectl, victim: Kubectl) -> None:
    for person in ("tina", "lee", "pat"):
        text = refusal(victim, manifest("TaskAction", {"executor": "noop"}), f"--as={person}")
        assert_says(text, ("cannot create",))
