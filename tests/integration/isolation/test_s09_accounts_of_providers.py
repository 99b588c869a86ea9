"""S9: whoever writes a provider that uses an account needs the verb impersonate on it."""

from collections.abc import Iterator

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.api import create_object
from support.attackers import OFFERER, make_account
from support.cluster import new_namespace
from support.people import cluster_binding, right, wait_for_right
from support.refusals import assert_says, create, manifest, merge, merge_refusal, refusal

STRONG = {"defaults": {"runAs": {"serviceAccountName": "strong"}}}
CALL = {"method": "POST", "url": "https://example.com"}
AUTH = {"auth": {"bearerSecretKeyRef": {"name": "s", "key": "k"}}}
WEBHOOK = {
    "webhook": {"externalIdPath": "id", "authentication": {"token": {"secretKeyRef": {"name": "s", "key": "k"}}}}
}
POD = {"template": {"spec": {"containers": [{"name": "a", "image": "x"}]}}}
REFUSED = {
    "an account": ({"executor": "noop", **STRONG}, "'strong'"),
    "a pod of an account": ({"executor": "pod", "config": POD, **STRONG}, "'strong'"),
    "a Job by default": ({"executor": "job", "config": POD}, "'default'"),
    "a Secret by default": ({"executor": "http", "config": CALL | AUTH}, "'default'"),
    "tokens by default": ({"executor": "globus", "config": {"url": "https://example.com", "tokens": {}}}, "'default'"),
    "a Secret for webhooks": ({"executor": "http", "config": CALL, **WEBHOOK}, "'default'"),
    "objects to wait for": ({"executor": "wait"}, "'default'"),
    "a flow": ({"executor": "flow"}, "'default'"),
    "a plug-in": ({"executor": "anything-else"}, "'default'"),
}
ALLOWED = {
    "nobody's rights": {"executor": "noop"},
    "a call without a Secret": {"executor": "http", "config": CALL},
    "webhooks without a Secret": {
        "executor": "http",
        "config": CALL,
        "webhook": {"externalIdPath": "id", "authentication": {"none": True}},
    },
}


@pytest.fixture(scope="module")
def shared(crds: Cluster) -> Iterator[Kubectl]:
    with new_namespace(crds, "attacker") as name:
        yield crds.kubectl.within(name)


@pytest.fixture(scope="module")
def admin(shared: Kubectl) -> str:
    """An admin of the namespace who may impersonate nobody."""
    return make_account(shared, "admin", *OFFERER)


@pytest.fixture(scope="module")
def lead(shared: Kubectl) -> str:
    """An admin of the namespace who may impersonate all of its accounts."""
    return make_account(shared, "lead", *OFFERER, right("impersonate", "serviceaccounts"))


@pytest.mark.parametrize(("spec", "account"), REFUSED.values(), ids=REFUSED)
def test_s09_a_provider_gives_no_account_that_its_author_may_not_use(
    shared: Kubectl, admin: str, lead: str, spec: dict, account: str
) -> None:
    body = manifest("ActionProvider", spec)
    parts = ("spec.defaults.runAs", f"ServiceAccount {account}", "admin needs the verb impersonate", "RoleBinding")
    assert_says(refusal(shared, body, f"--as={admin}"), parts)
    create(shared, body, "--dry-run=server", f"--as={lead}")


@pytest.mark.parametrize("spec", ALLOWED.values(), ids=ALLOWED)
def test_s09_a_provider_without_an_account_needs_no_more_rights(shared: Kubectl, admin: str, spec: dict) -> None:
    create(shared, manifest("ActionProvider", spec), "--dry-run=server", f"--as={admin}")


def test_s09_a_provider_with_an_account_is_not_turned_to_another_purpose(shared: Kubectl, admin: str) -> None:
    spec = {"executor": "http", "config": CALL | AUTH, **STRONG}
    create_object(shared, manifest("ActionProvider", spec, name="strong-call"))
    for change in (
        {"config": {"url": "https://attacker.example"}},
        {"defaults": {"runAs": {"serviceAccountName": "stronger"}}},
        {"executor": "job", "config": None},
    ):
        text = merge_refusal(shared, "ap", "strong-call", {"spec": change}, f"--as={admin}")
        assert_says(text, ("spec.defaults.runAs", "admin needs the verb impersonate"))
    merge(shared, "ap", "strong-call", {"metadata": {"labels": {"team": "a"}}}, f"--as={admin}")


def test_s09_an_account_may_offer_its_own_rights(shared: Kubectl) -> None:
    robot = make_account(shared, "robot", *OFFERER)
    spec = {"executor": "job", "config": POD, "defaults": {"runAs": {"serviceAccountName": "robot"}}}
    create(shared, manifest("ActionProvider", spec), "--dry-run=server", f"--as={robot}")


def test_s09_a_cluster_provider_needs_the_right_in_all_namespaces(shared: Kubectl, lead: str) -> None:
    name = f"platform-{shared.namespace}"
    write, use = right("create", "clusteractionproviders"), right("impersonate", "serviceaccounts", "strong")
    body = manifest("ClusterActionProvider", {"executor": "job", "config": POD, **STRONG}, name=name)
    roles = [*cluster_binding(name, lead, write), *cluster_binding(f"{name}-2", "platform", write, use)]
    try:
        for one in roles:
            create_object(shared, one)
        wait_for_right(shared, lead, write)
        wait_for_right(shared, "platform", use)
        parts = ("spec.defaults.runAs", "'strong'", "needs the verb impersonate on it in all namespaces")
        assert_says(refusal(shared, body, f"--as={lead}"), parts)
        create(shared, body, "--dry-run=server", "--as=platform")
    finally:
        for one in roles:
            shared("delete", f"{one['kind']}/{one['metadata']['name']}", "--ignore-not-found")
