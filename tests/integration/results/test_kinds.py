"""R17: objects of known kinds end as their controllers say, on a real API server; the test plays the controllers."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.actions import (
    Body,
    action,
    all_finished,
    condition,
    create,
    phase,
    wait_for,
    wait_for_all,
    wait_for_phase,
)
from support.api import patch_object
from support.kind_states import DELIVERY, PIPELINES, PROVISIONING, TRAINING, Known, State
from support.kind_states import condition as reported
from support.people import wait_for_default_account

pytestmark = pytest.mark.usefixtures("operator", "rights")
KINDS = (*TRAINING, *PIPELINES, *DELIVERY, *PROVISIONING)


def plural_of(kind: Known) -> str:
    return f"{kind.resource.plural}.{kind.resource.group}"


def name_of(kind: Known) -> str:
    """Return the name of the action of a kind, and of its object."""
    return plural_of(kind).replace(".", "-")


def definition(kind: Known) -> Body:
    """Return a definition of a kind without a schema."""
    names = {"kind": kind.resource.kind, "plural": kind.resource.plural, "categories": list(kind.resource.categories)}
    version = {
        "name": kind.resource.version,
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": plural_of(kind),
            "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"},  # for groups of k8s.io
        },
        "spec": {"group": kind.resource.group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


@pytest.fixture(scope="module", autouse=True)
def kinds(crds: Cluster) -> Iterator[None]:
    """All kinds, as their operators would bring them."""
    names = [f"crd/{plural_of(one)}" for one in KINDS]
    items = {"apiVersion": "v1", "kind": "List", "items": [definition(one) for one in KINDS]}
    crds.kubectl("apply", "-f", "-", stdin=json.dumps(items))
    crds.kubectl("wait", "--for=condition=Established", *names, "--timeout=30s")
    yield
    crds.kubectl("delete", *names)


@pytest.fixture
def rights(kubectl: Kubectl, kinds: None) -> None:
    """What the namespace's default account may do."""
    resources = ",".join(plural_of(one) for one in KINDS)
    kubectl("create", "role", "resources", "--verb=create,get,list,delete", f"--resource={resources}")
    account = f"--serviceaccount={kubectl.namespace}:default"
    kubectl("create", "rolebinding", "resources", "--role=resources", account)
    first = KINDS[0].resource
    wait_for_default_account(kubectl, first.group, first.plural)


def resource(kind: Known, **spec: Any) -> Body:
    name = name_of(kind)
    manifest = {"apiVersion": kind.resource.api_version, "kind": kind.resource.kind, "metadata": {"name": name}}
    return action(name, "resource", {"manifest": manifest | {"spec": spec}})


def report(kubectl: Kubectl, kind: Known, status: Body) -> None:
    patch_object(kubectl, plural_of(kind), name_of(kind), {"status": status}, "--subresource=status")


def message(item: Body) -> str:
    return str(condition({"status": {}} | item, "Progressing").get("message", ""))


def wait_for_message(kubectl: Kubectl, kind: Known, words: str) -> Body:
    return wait_for(kubectl, name_of(kind), lambda item: words in message(item))


def shown(state: State) -> str:
    """Return what the message says of a state: its last condition, or its last value."""
    if conditions := state.status.get("conditions"):
        return f"condition {conditions[-1]['type']} is {conditions[-1]['status']}"
    values: list[Any] = [state.status]
    for value in values:
        values += value.values() if isinstance(value, dict) else ()
    return next(f"is {value!r}" for value in reversed(values) if isinstance(value, str) and value)


def of_meaning(kind: Known, meaning: str) -> State | None:
    """Return a state of a kind that has a meaning and that a message can show, by its status alone."""
    return next((one for one in kind.states if one.meaning == meaning and not one.spec and has_text(one)), None)


def has_text(state: State) -> bool:
    """Whether a state has a name; it has none before its controller has begun."""
    return any(state.title.split("-")[1:]) and "observedGeneration" not in state.status


@pytest.mark.parametrize("end", ["succeeded", "failed"])
def test_r17_every_known_kind_ends_in_its_own_terminal_states_alone(kubectl: Kubectl, end: str) -> None:
    ends = {kind: state for kind in KINDS if (state := of_meaning(kind, end)) is not None}
    create(kubectl, [resource(kind) for kind in ends])
    wait_for_all(kubectl, lambda found: all("no state yet" in message(item) for item in found.values()))
    for meaning in ("suspended", "waiting", "running"):
        interim = {kind: state for kind in ends if (state := of_meaning(kind, meaning)) is not None}
        for kind, state in interim.items():
            report(kubectl, kind, state.status)
        found = wait_for_all(kubectl, shows({name_of(kind): shown(state) for kind, state in interim.items()}))
        assert not {phase(item) for item in found.values()} & {"Succeeded", "Failed"}
    for kind, state in ends.items():
        report(kubectl, kind, state.status)
    found = wait_for_all(kubectl, all_finished)
    assert {phase(item) for item in found.values()} == {end.capitalize()}


def shows(texts: dict[str, str]) -> Callable[[dict[str, Body]], bool]:
    """Return a check that the messages of actions contain texts."""
    return lambda found: all(texts.get(name, "") in message(item) for name, item in found.items())


def known(name: str) -> Known:
    return next(kind for kind in KINDS if kind.resource.kind == name)


RETRIED = {
    "a RayJob": (
        known("RayJob"),
        {"jobStatus": "FAILED", "jobDeploymentStatus": "Retrying"},
        "status.jobDeploymentStatus is 'Retrying', status.jobStatus is 'FAILED'",
        {"jobStatus": "SUCCEEDED", "jobDeploymentStatus": "Complete"},
    ),
    "a SparkApplication": (
        known("SparkApplication"),
        {"applicationState": {"state": "SUBMISSION_FAILED", "errorMessage": "no image"}},
        "state is 'SUBMISSION_FAILED' (no image)",
        {"applicationState": {"state": "COMPLETED"}},
    ),
    "an unknown state": (
        known("Workflow"),
        {"phase": "Hibernated"},
        "status.phase is 'Hibernated'; this operator does not know the state and waits",
        {"phase": "Succeeded"},
    ),
    "a status of an older spec": (
        known("Kustomization"),
        {"observedGeneration": 0, "conditions": [reported("Ready")]},
        "its controller has not seen the present spec yet",
        {"observedGeneration": 1},
    ),
}


@pytest.mark.parametrize(("kind", "first", "words", "last"), RETRIED.values(), ids=RETRIED)
def test_r17_what_is_retried_or_unknown_is_no_end(
    kubectl: Kubectl, kind: Known, first: Body, words: str, last: Body
) -> None:
    create(kubectl, [resource(kind)])
    wait_for_message(kubectl, kind, "no state yet")
    report(kubectl, kind, first)
    wait_for_message(kubectl, kind, words)
    report(kubectl, kind, last)
    wait_for_phase(kubectl, name_of(kind), "Succeeded")


def test_r17_a_suspended_object_waits_until_it_is_resumed(kubectl: Kubectl) -> None:
    kind = known("Workload")
    create(kubectl, [resource(kind, active=False)])
    found = wait_for_message(kubectl, kind, "is suspended: spec.active is False")
    assert phase(found) == "Initializing"
    patch_object(kubectl, plural_of(kind), name_of(kind), {"spec": {"active": True}})
    report(kubectl, kind, {"conditions": [reported("Finished", reason="Succeeded")]})
    wait_for_phase(kubectl, name_of(kind), "Succeeded")
