"""S17: private headers, credentials and bodies stay at the origin that they are for."""

from collections.abc import Iterator

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import action, create, wait_for
from support.api import create_object
from support.attackers import SECRETS, make_account, secret
from support.raw_target import RawTarget, raw_target, response

TOKEN = "a token for this origin only"
BODY = "a body for this origin only"
PRIVATE = {"X-Api-Key": "a key for this origin only", "Cookie": "id=1", "X-Anything": "private"}


@pytest.fixture
def elsewhere() -> Iterator[RawTarget]:
    with raw_target(lambda _: response()) as serving:
        yield serving


def asked(victim: Kubectl, elsewhere: RawTarget, status: int, method: str, **parameters: object) -> dict[str, object]:
    """Have a request with everything private redirected to another origin; give what became of the action."""
    make_account(victim, "default", SECRETS)
    create_object(victim, secret("login", TOKEN))
    auth = {"bearerSecretKeyRef": {"name": "login", "key": "key"}}
    with raw_target(lambda _: response(status, b"", Location=f"{elsewhere.url}/there")) as first:
        one = {"method": method, "url": f"{first.url}/it", "auth": auth, "headers": PRIVATE, **parameters}
        create(victim, [action("redirected", "http", one)])
        status_: dict[str, object] = wait_for(victim, "redirected")["status"]
        assert first.received[0].header("Authorization") == f"Bearer {TOKEN}"
    return status_


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_s17_a_body_is_not_sent_to_another_origin(
    operator: Operator, victim: Kubectl, elsewhere: RawTarget, status: int
) -> None:
    found = asked(victim, elsewhere, status, "PUT", body=BODY)
    assert found["phase"] == "Failed"
    assert f"redirected to {elsewhere.url}/there" in str(found["message"])
    assert "set url to this address" in str(found["message"])
    assert elsewhere.connections == 0


@pytest.mark.parametrize(("status", "method"), [(302, "GET"), (303, "POST"), (307, "GET"), (307, "DELETE")])
def test_s17_private_headers_are_not_sent_to_another_origin(
    operator: Operator, victim: Kubectl, elsewhere: RawTarget, status: int, method: str
) -> None:
    body = {"body": BODY} if method == "POST" else {}
    assert asked(victim, elsewhere, status, method, **body)["phase"] == "Succeeded"
    (there,) = elsewhere.received
    came = there.head + there.body.decode()
    assert not [text for text in (TOKEN, BODY, *PRIVATE.values()) if text in came]
