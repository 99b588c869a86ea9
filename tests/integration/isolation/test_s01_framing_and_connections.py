"""S1: nobody can send a second request within the first, and no connection serves two namespaces or credentials."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import action, create, wait_for
from support.api import create_object, get_object
from support.attackers import CREATOR, SECRETS, make_account, secret
from support.raw_target import RawTarget, raw_target, response
from support.refusals import manifest

SMUGGLED = "0\r\n\r\nPOST /stolen HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n"
TOKEN = "the token of the victim"


@pytest.fixture
def target() -> Iterator[RawTarget]:
    with raw_target(lambda request: response(200, b'{"for": "%s"}' % request.line.encode())) as serving:
        yield serving


def call(target: RawTarget, **parameters: Any) -> dict[str, Any]:
    return {"method": "POST", "url": f"{target.url}/mine", **parameters}


def call_as_victim(victim: Kubectl, target: RawTarget, name: str = "honest") -> dict[str, Any]:
    """Make the victim's call, with a token, and give the request as it came."""
    make_account(victim, "default", SECRETS)
    create_object(victim, secret("login", TOKEN))
    auth = {"bearerSecretKeyRef": {"name": "login", "key": "key"}}
    create(victim, [action(name, "http", {"method": "POST", "url": f"{target.url}/honest", "auth": auth})])
    found = wait_for(victim, name)
    assert found["status"]["phase"] == "Succeeded"
    assert found["status"]["output"]["body"] == {"for": "POST /honest"}
    return found


@pytest.mark.parametrize(
    "headers",
    [
        {"Transfer-Encoding": "chunked"},
        {"transfer_encoding": "chunked"},
        {"Content-Length": "5"},
        {"Connection": "upgrade", "Upgrade": "h2c"},
        {"Host": "internal"},
        {"TE": "trailers"},
        {"X\r\nTransfer-Encoding": "chunked"},
        {"X ": "1"},
        {"X": "1\r\nTransfer-Encoding: chunked"},
    ],
    ids=str,
)
def test_s01_framing_headers_are_refused_before_anything_is_sent(
    operator: Operator, attacker: Kubectl, target: RawTarget, headers: dict[str, str]
) -> None:
    creator = make_account(attacker, "creator", *CREATOR)
    body = action("smuggle", "http", call(target, headers=headers, body=SMUGGLED))
    create_object(attacker, body, f"--as={creator}")
    found = wait_for(attacker, "smuggle")
    assert found["status"]["error"]["code"] == "InvalidParameters"
    assert "header" in found["status"]["message"]
    assert target.connections == 0


def test_s01_a_body_with_a_request_in_it_is_one_body(
    operator: Operator, attacker: Kubectl, victim: Kubectl, target: RawTarget
) -> None:
    create(attacker, [action("smuggle", "http", call(target, body=SMUGGLED))])
    create(attacker, [action("with-get", "http", call(target, method="GET", body=SMUGGLED))])
    for name in "smuggle", "with-get":
        found = wait_for(attacker, name)["status"]
        assert found["phase"] == "Succeeded", found["message"]
    call_as_victim(victim, target)
    assert sorted(one.line for one in target.received) == ["GET /mine", "POST /honest", "POST /mine"]
    assert {one.body.decode() for one in target.received if one.line != "POST /honest"} == {SMUGGLED}
    assert TOKEN not in "".join(one.body.decode() for one in target.received)


def test_s01_no_connection_serves_two_namespaces_or_credentials(
    operator: Operator, attacker: Kubectl, victim: Kubectl, target: RawTarget
) -> None:
    create(attacker, [action("mine", "http", call(target))])
    wait_for(attacker, "mine")
    call_as_victim(victim, target)
    create(victim, [action("other", "http", call(target))])
    wait_for(victim, "other")
    assert len({one.connection for one in target.received}) == len(target.received) == 3


def test_s01_header_values_from_secrets_cannot_frame_either(
    operator: Operator, attacker: Kubectl, target: RawTarget
) -> None:
    make_account(attacker, "default", SECRETS)
    create_object(attacker, secret("crafted", "x\r\nTransfer-Encoding: chunked\r\nX: y"))
    auth = {"header": {"name": "X-Api-Key", "secretKeyRef": {"name": "crafted", "key": "key"}}}
    create(attacker, [action("crafted", "http", call(target, auth=auth, body=SMUGGLED))])
    found = wait_for(attacker, "crafted")
    assert found["status"]["error"]["code"] == "InvalidParameters"
    assert "Transfer-Encoding" not in json.dumps(found["status"])
    assert target.connections == 0


def test_s01_a_provider_with_such_headers_is_not_ready(
    operator: Operator, attacker: Kubectl, target: RawTarget
) -> None:
    config = call(target, headers={"Transfer-Encoding": "chunked"})
    create_object(attacker, manifest("ActionProvider", {"executor": "http", "config": config}, name="bad"))
    create(attacker, [action("use", providerRef={"name": "bad"})])
    found = wait_for(attacker, "use", lambda item: item["status"].get("reason") == "ProviderNotReady")
    assert "header 'Transfer-Encoding'" in json.dumps(get_object(attacker, "ap", "bad")["status"])
    assert found["status"]["phase"] == "WaitingForResources"
    assert target.connections == 0
