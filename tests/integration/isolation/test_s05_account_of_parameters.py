"""S5: `spec.parametersFrom` is read as the account for which admission asked, never as that of the provider."""

import json

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import action, wait_for
from support.api import create_object
from support.attackers import CREATOR, SECRETS, Listener, make_account, secret
from support.people import right
from support.refusals import assert_says, create, manifest, refusal

TEXT = "what only strong may read"
SOURCE = [{"parameter": "word", "secretKeyRef": {"name": "login", "key": "key"}}]
STRONG = {"runAs": {"serviceAccountName": "strong"}}


@pytest.fixture
def author(attacker: Kubectl, listener: Listener) -> str:
    """Somebody who may impersonate `default` only; a provider there acts as `strong`."""
    make_account(attacker, "strong", SECRETS)
    create_object(attacker, secret("login", TEXT))
    config = {"method": "POST", "url": listener.url, "body": "{{ parameters.word }}"}
    create(
        attacker, manifest("ActionProvider", {"executor": "http", "config": config, "defaults": STRONG}, name="post")
    )
    rules = (right("use", "actionproviders"), right("impersonate", "serviceaccounts", "default"))
    return make_account(attacker, "author", *CREATOR, *rules)


def test_s05_a_secret_is_not_read_as_the_account_of_the_provider(
    operator: Operator, attacker: Kubectl, author: str, listener: Listener
) -> None:
    body = action("theft", providerRef={"name": "post"}, parametersFrom=SOURCE)
    create_object(attacker, body, f"--as={author}")
    found = wait_for(attacker, "theft")
    assert found["status"]["error"]["code"] == "Forbidden"
    assert_says(found["status"]["message"], ("ServiceAccount 'default' may not read Secret 'login'", "RoleBinding"))
    assert TEXT not in json.dumps(found)
    assert listener.received == []


def test_s05_the_account_of_the_provider_is_not_to_be_named_without_the_right(attacker: Kubectl, author: str) -> None:
    body = action("theft", providerRef={"name": "post"}, parametersFrom=SOURCE, **STRONG)
    assert_says(refusal(attacker, body, f"--as={author}"), ("spec.runAs", "needs the verb impersonate on it"))


def test_s05_a_secret_is_read_as_the_account_that_the_action_names(
    operator: Operator, attacker: Kubectl, author: str, listener: Listener
) -> None:
    lead = make_account(
        attacker, "lead", *CREATOR, right("use", "actionproviders"), right("impersonate", "serviceaccounts", "strong")
    )
    body = action("post", providerRef={"name": "post"}, parametersFrom=SOURCE, **STRONG)
    create_object(attacker, body, f"--as={lead}")
    assert wait_for(attacker, "post")["status"]["phase"] == "Succeeded"
    assert listener.received[0].endswith(TEXT)
