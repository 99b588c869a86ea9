"""Whoever makes or steers an action needs the rights that it uses; a refusal names the field and the right to add."""

from collections.abc import Iterator

import pytest

from cluster.kubectl import Kubectl
from local.policies import as_list
from support.people import cluster_binding, invite, right, wait_for_right
from support.refusals import assert_says, create, manifest, merge, merge_refusal, refusal

GRANT = "add a RoleBinding that grants it"
IMPERSONATE = ("spec.runAs", "author needs the verb impersonate on it", GRANT)
ROBOT = {"runAs": {"serviceAccountName": "robot"}}
SECRET = {"parametersFrom": [{"parameter": "a", "secretKeyRef": {"name": "s", "key": "k"}}]}
PEOPLE = {
    "author": (),
    "signaller": (right("signal", "taskactions"),),
    "aborter": (right("abort", "taskactions"),),
    "approver": (right("signal", "taskactions", "mine"), right("abort", "taskactions", "mine")),
    "user": (right("use", "actionproviders", "offer"),),
    "launcher": (right("impersonate", "serviceaccounts", "robot"),),
    "runner": tuple(right(verb, "actionflowruns") for verb in ("create", "get", "patch")),
}
RUN = {"definition": {"StartAt": "A"}}
REFUSED = {
    "an account": ("author", {"executor": "noop", **ROBOT}, ("ServiceAccount 'robot'", *IMPERSONATE)),
    "an account by default": ("author", {"executor": "job"}, ("ServiceAccount 'default'", *IMPERSONATE)),
    "a pod": ("author", {"executor": "pod", **ROBOT}, ("ServiceAccount 'robot'", *IMPERSONATE)),
    "a resource": ("author", {"executor": "resource"}, ("ServiceAccount 'default'", *IMPERSONATE)),
    "a plug-in": ("author", {"executor": "greet"}, ("ServiceAccount 'default'", *IMPERSONATE)),
    "a flyte task": ("author", {"executor": "flyte"}, ("ServiceAccount 'default'", *IMPERSONATE)),
    "a Secret": ("author", {"executor": "noop", **SECRET}, ("ServiceAccount 'default'", *IMPERSONATE)),
    "a Secret for a call": (
        "author",
        {"executor": "http", "parameters": {"url": "https://example.com", "auth": {"secret": "s"}}},
        ("ServiceAccount 'default'", *IMPERSONATE),
    ),
    "an object to look at": (
        "author",
        {"executor": "wait", "parameters": {"object": {"kind": "Pod", "name": "p"}}},
        ("ServiceAccount 'default'", *IMPERSONATE),
    ),
    "another account": (
        "launcher",
        {"executor": "job", "runAs": {"serviceAccountName": "root"}},
        ("spec.runAs", "ServiceAccount 'root'", "launcher needs the verb impersonate", GRANT),
    ),
    "a provider": (
        "author",
        {"providerRef": {"name": "offer"}},
        ("spec.providerRef", "author needs the verb use on actionproviders/offer", GRANT),
    ),
    "another provider": (
        "user",
        {"providerRef": {"name": "other"}},
        ("spec.providerRef", "user needs the verb use on actionproviders/other", GRANT),
    ),
    "a cluster provider of the same name": (
        "user",
        {"providerRef": {"kind": "ClusterActionProvider", "name": "offer"}},
        ("spec.providerRef", "user needs the verb use on clusteractionproviders/offer", GRANT),
    ),
    "a signal from the start": (
        "author",
        {"executor": "approval", "signal": {"value": True}},
        ("spec.signal", "author needs the verb signal on taskactions", GRANT),
    ),
    "an abort from the start": (
        "signaller",
        {"executor": "noop", "abort": {}},
        ("spec.abort", "signaller needs the verb abort on taskactions", GRANT),
    ),
}
ALLOWED = {
    "nobody's rights": ("author", {"executor": "noop", "parameters": {"auth": "a word"}}),
    "a call without a Secret": ("author", {"executor": "http", "parameters": {"url": "https://example.com"}}),
    "a wait for a moment": ("author", {"executor": "wait", "parameters": {"until": "2026-01-31T09:30:00Z"}}),
    "the account that was granted": ("launcher", {"executor": "job", **ROBOT}),
    "the provider that was granted": ("user", {"providerRef": {"name": "offer"}}),
    "a signal": ("signaller", {"executor": "approval", "signal": {"value": True}}),
    "an abort": ("aborter", {"executor": "noop", "abort": {}}),
}
SIGNAL, ABORT = {"signal": {"value": "yes"}}, {"abort": {"reason": "enough"}}
REFUSED_STEERING = {
    "signal without the right": ("author", "other", SIGNAL, "spec.signal: author needs the verb signal"),
    "signal with the right to abort": ("aborter", "other", SIGNAL, "spec.signal: aborter needs the verb signal"),
    "signal what another may": ("approver", "other", SIGNAL, "spec.signal: approver needs the verb signal"),
    "answer anew": ("author", "answered", {"signal": {"value": "no"}}, "spec.signal: author needs the verb signal"),
    "take an answer back": ("author", "answered", {"signal": None}, "spec.signal: author needs the verb signal"),
    "abort without the right": ("author", "other", ABORT, "spec.abort: author needs the verb abort"),
    "abort with the right to signal": ("signaller", "other", ABORT, "spec.abort: signaller needs the verb abort"),
    "abort what another may": ("approver", "other", ABORT, "spec.abort: approver needs the verb abort"),
}
ALLOWED_STEERING = {
    "signal": ("signaller", "other", SIGNAL),
    "signal one's own": ("approver", "mine", SIGNAL),
    "answer anew": ("signaller", "answered", {"signal": {"value": "no"}}),
    "take an answer back": ("signaller", "answered", {"signal": None}),
    "abort": ("aborter", "other", ABORT),
    "abort one's own": ("approver", "mine", ABORT),
    "suspend what uses another's rights": ("author", "offered", {"suspend": True}),
    "put last what is answered": ("author", "answered", {"priority": -1}),
}


@pytest.fixture(scope="module")
def objects(shared: Kubectl) -> Kubectl:
    """A few actions, which nobody changes, and people with rights on some of them."""
    for name in ("mine", "other"):
        create(shared, manifest("TaskAction", {"executor": "approval"}, name=name))
    create(shared, manifest("TaskAction", {"executor": "approval", **SIGNAL}, name="answered"))
    create(shared, manifest("TaskAction", {"providerRef": {"name": "offer"}, **ROBOT}, name="offered"))
    invite(shared, PEOPLE)
    return shared


@pytest.fixture
def cluster_user(objects: Kubectl) -> Iterator[str]:
    """Somebody who may use one cluster provider."""
    name = f"cluster-user-{objects.namespace}"
    rule = right("use", "clusteractionproviders", "offer")
    roles = as_list(cluster_binding(name, name, rule))
    objects("create", "-f", "-", stdin=roles)
    invite(objects, {name: ()})
    wait_for_right(objects, name, rule)
    yield name
    objects("delete", "-f", "-", stdin=roles)


@pytest.mark.parametrize(("person", "spec", "parts"), REFUSED.values(), ids=REFUSED)
def test_nobody_gets_by_an_action_what_they_had_not(
    objects: Kubectl, person: str, spec: dict, parts: tuple[str, ...]
) -> None:
    assert_says(refusal(objects, manifest("TaskAction", spec), f"--as={person}"), parts)


@pytest.mark.parametrize(("person", "spec"), ALLOWED.values(), ids=ALLOWED)
def test_an_action_may_use_what_its_author_may(objects: Kubectl, person: str, spec: dict) -> None:
    found = create(objects, manifest("TaskAction", spec), "--dry-run=server", f"--as={person}")
    assert found["spec"].keys() == spec.keys()


def test_a_cluster_provider_is_used_by_those_who_may(objects: Kubectl, cluster_user: str) -> None:
    ref = {"kind": "ClusterActionProvider", "name": "offer"}
    body = manifest("TaskAction", {"providerRef": ref})
    assert create(objects, body, "--dry-run=server", f"--as={cluster_user}")["spec"]["providerRef"] == ref


@pytest.mark.parametrize("spec", [{"executor": "job"}, {"executor": "noop", **ROBOT}, {"executor": "noop", **SECRET}])
def test_the_accounts_of_kube_system_are_not_even_used_for_admins(crds, spec: dict) -> None:
    message = refusal(crds.kubectl.within("kube-system"), manifest("TaskAction", spec))
    assert_says(message, ("spec.runAs", "accounts of kube-system are not used", "make the action in another namespace"))


@pytest.mark.parametrize(("person", "name", "change", "message"), REFUSED_STEERING.values(), ids=REFUSED_STEERING)
def test_who_may_write_may_not(objects: Kubectl, person: str, name: str, change: dict, message: str) -> None:
    said = merge_refusal(objects, "ta", name, {"spec": change}, f"--as={person}")
    assert_says(said, (message, f"on taskactions; {GRANT}"))


@pytest.mark.parametrize(("person", "name", "change"), ALLOWED_STEERING.values(), ids=ALLOWED_STEERING)
def test_who_has_the_right_may(objects: Kubectl, person: str, name: str, change: dict) -> None:
    found = merge(objects, "ta", name, {"spec": change}, "--dry-run=server", f"--as={person}")
    for field, wanted in change.items():
        assert wanted is None or field in found["spec"]
        assert wanted is not None or field not in found["spec"]


def test_a_run_uses_no_account_that_its_creator_could_not(objects: Kubectl) -> None:
    said = refusal(objects, manifest("ActionFlowRun", {**RUN, **ROBOT}), "--as=runner")
    assert_says(said, ("spec.runAs", "ServiceAccount 'robot'", "runner needs the verb impersonate on it", GRANT))
    create(objects, manifest("ActionFlowRun", RUN, name="own"), "--as=runner")
    said = merge_refusal(objects, "afr", "own", {"spec": ABORT}, "--as=runner")
    assert "spec.abort: runner needs the verb abort on actionflowruns" in said


def test_an_action_of_a_run_uses_neither_provider_nor_account_unless_it_names_one(objects: Kubectl) -> None:
    of_a_run = {"parentRef": {"kind": "ActionFlowRun", "name": "r"}}
    for spec in ({"providerRef": {"name": "offer"}}, {"executor": "job"}, {"executor": "flow"}):
        assert "set spec.runAs of the ActionFlowRun" in refusal(objects, manifest("TaskAction", {**spec, **of_a_run}))
