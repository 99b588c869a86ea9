"""S2: an ActionProvider reads no Secret of another namespace, however it names it."""

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import action, wait_for
from support.api import create_object, wait_for_condition
from support.attackers import CREATOR, OFFERER, SECRETS, Listener, make_account, secret
from support.people import cluster_binding, right, wait_for_right
from support.refusals import assert_says, create, manifest, merge_refusal, refusal

TEXT = "the password of the victim"
REMEDY = ("own namespace only", "use a ClusterActionProvider")
USE = right("use", "actionproviders")


@pytest.fixture
def namespaces(attacker: Kubectl, victim: Kubectl) -> tuple[Kubectl, str, str]:
    """The attacker's namespace, the user of an admin there, and the victim's namespace, whose `default` reads it."""
    create_object(victim, secret("login", TEXT))
    make_account(victim, "default", SECRETS)
    make_account(attacker, "default", SECRETS)
    user = make_account(attacker, "admin", *OFFERER, USE, right("impersonate", "serviceaccounts"))
    return attacker, user, str(victim.namespace)


def ref_to(namespace: str) -> dict:
    return {"name": "login", "key": "key", "namespace": namespace}


def auth_forms(namespace: str) -> dict[str, dict]:
    return {
        "bearer": {"bearerSecretKeyRef": ref_to(namespace)},
        "basic": {"basic": {"username": "a", "passwordSecretKeyRef": ref_to(namespace)}},
        "header": {"header": {"name": "X-Key", "secretKeyRef": ref_to(namespace)}},
    }


@pytest.mark.parametrize("form", ["bearer", "basic", "header"])
def test_s02_a_provider_sends_no_secret_of_another_namespace(
    operator: Operator, namespaces: tuple[Kubectl, str, str], listener: Listener, form: str
) -> None:
    attacker, user, other = namespaces
    config = {"method": "POST", "url": listener.url, "auth": auth_forms(other)[form]}
    create(attacker, manifest("ActionProvider", {"executor": "http", "config": config}, name="thief"), f"--as={user}")
    create_object(attacker, action("theft", providerRef={"name": "thief"}), f"--as={user}")
    found = wait_for_condition(attacker, "ap", "thief", "Ready", 30, status="False")
    ready = next(one for one in found["status"]["conditions"] if one["type"] == "Ready")
    assert ready["reason"] == "SecretNotAllowed"
    assert_says(ready["message"], ("spec.config.auth", other, *REMEDY))
    waiting = wait_for(attacker, "theft", lambda item: item.get("status", {}).get("reason") == "ProviderNotReady")
    assert TEXT not in str(waiting)
    assert listener.received == []


@pytest.mark.parametrize("form", ["hmac", "basic", "token"])
def test_s02_a_webhook_names_no_secret_of_another_namespace(namespaces: tuple[Kubectl, str, str], form: str) -> None:
    attacker, user, other = namespaces
    forms = {
        "hmac": {"hmac": {"header": "X-Sig", "secretKeyRef": ref_to(other)}},
        "basic": {"basic": {"username": "a", "passwordSecretKeyRef": ref_to(other)}},
        "token": {"token": {"secretKeyRef": ref_to(other)}},
    }
    webhook = {"externalIdPath": "id", "authentication": forms[form]}
    body = manifest("ActionProvider", {"executor": "http", "webhook": webhook}, name="thief")
    assert_says(refusal(attacker, body, f"--as={user}"), ("spec.webhook", *REMEDY))

    plain = {"authentication": {"none": True}, "externalIdPath": "id"}
    create(attacker, manifest("ActionProvider", {"executor": "http", "webhook": plain}, name="offer"), f"--as={user}")
    change = {"spec": {"webhook": {"authentication": {"none": None, **forms[form]}}}}
    assert_says(merge_refusal(attacker, "ap", "offer", change, f"--as={user}"), ("spec.webhook", *REMEDY))


def test_s02_an_inline_action_names_no_secret_of_another_namespace(
    operator: Operator, namespaces: tuple[Kubectl, str, str], listener: Listener
) -> None:
    attacker, user, other = namespaces
    parameters = {"url": listener.url, "auth": auth_forms(other)["bearer"]}
    create_object(attacker, action("theft", "http", parameters), f"--as={user}")
    found = wait_for(attacker, "theft")
    assert found["status"]["error"]["code"] == "Forbidden"
    assert_says(found["status"]["message"], ("only a ClusterActionProvider may name another namespace", other))
    assert listener.received == []


def test_s02_a_cluster_provider_may_name_a_namespace(
    operator: Operator, namespaces: tuple[Kubectl, str, str], listener: Listener
) -> None:
    attacker, _, other = namespaces
    name = f"shared-{other}"
    config = {"url": listener.url, "auth": auth_forms(other)["bearer"]}
    user = make_account(attacker, "author", *CREATOR)
    rule = right("use", "clusteractionproviders", name)
    extra = [manifest("ClusterActionProvider", {"executor": "http", "config": config}, name=name)]
    extra += cluster_binding(name, user, rule)
    try:
        for body in extra:
            create_object(attacker, body)
        wait_for_right(attacker, user, rule)
        ref = {"kind": "ClusterActionProvider", "name": name}
        create_object(attacker, action("call", providerRef=ref), f"--as={user}")
        assert wait_for(attacker, "call")["status"]["phase"] == "Succeeded"
    finally:
        attacker(
            "delete",
            "--ignore-not-found",
            f"clusteractionproviders/{name}",
            f"clusterrole/{name}",
            f"clusterrolebinding/{name}",
        )
    assert f"Authorization: Bearer {TEXT}" in listener.received[0]
