"""S15 and S22: forged labels keep no namespace's webhooks out, and an empty Secret lets nobody in."""

import hmac
import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.api import create_object, list_objects
from support.attackers import SECRETS, make_account, secret
from support.inboxes import SECRET, Inboxes, post, signed
from support.operators import Operators
from support.people import right
from support.refusals import create, manifest

MAX_PENDING = 5
HMAC = {"header": "X-Hub-Signature-256", "prefix": "sha256=", "secretKeyRef": {"name": "hook", "key": "key"}}


@pytest.fixture(scope="module")
def inbox(operators: Operators, crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inboxes]:
    found = Inboxes(operators, crds.kubectl, tmp_path_factory.mktemp("inboxes"))
    found.start(max_pending="20")
    yield found
    found.close()


def offer(kubectl: Kubectl, inbox: Inboxes, text: str, expected: int) -> str:
    """Offer a provider whose webhooks are signed with `text`; give its address once it answers as expected."""
    make_account(kubectl, "default", SECRETS)
    create_object(kubectl, secret("hook", text))
    webhook = {"authentication": {"hmac": HMAC}, "externalIdPath": "id", "maxPending": MAX_PENDING}
    spec = {"executor": "http", "config": {"url": "https://example.com"}, "webhook": webhook}
    create(kubectl, manifest("ActionProvider", spec, name="ci"))
    address = f"{inbox.url}/providers/{kubectl.namespace}/ci"
    wait_until(lambda: post(address, {})[0] == expected, timeout=30, what=f"the inbox to answer {expected}", every=0.2)
    return address


def send(address: str, number: int) -> int:
    body = {"id": f"job-{number}"}
    return post(address, body, signed(body))[0]


def event(number: int, labels: dict[str, str]) -> dict[str, Any]:
    return manifest("ActionEvent", {"type": "Webhook", "correlationKey": "x"}, name=f"forged-{number}", labels=labels)


@pytest.mark.parametrize("forged", [MAX_PENDING, 40], ids=["the provider's limit", "more than the whole inbox takes"])
def test_s15_labels_of_another_namespace_keep_nobody_out(
    inbox: Inboxes, attacker: Kubectl, victim: Kubectl, forged: int
) -> None:
    address = offer(victim, inbox, SECRET, 401)
    assert send(address, 1) == 202
    (stored,) = list_objects(victim, "ae")
    user = make_account(attacker, "admin", right("create", "actionevents"))
    for number in range(forged):
        create(attacker, event(number, stored["metadata"]["labels"]), f"--as={user}")

    wait_until(lambda: pending(inbox) > forged, timeout=30, what="the inbox to count the forged events", every=0.2)
    assert [send(address, number) for number in range(2, MAX_PENDING + 1)] == [202] * (MAX_PENDING - 1)
    assert send(address, MAX_PENDING + 1) == 429


def pending(inbox: Inboxes) -> float:
    """Return how many requests the inbox has counted as pending."""
    with urllib.request.urlopen(f"{inbox.probes}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("taskaction_webhooks_waiting "))


def test_s22_an_empty_secret_lets_nobody_in(inbox: Inboxes, victim: Kubectl) -> None:
    address = offer(victim, inbox, "", 503)
    body = {"id": "job-1"}
    digest = hmac.digest(b"", json.dumps(body).encode(), "sha256").hex()
    assert post(address, body, {"X-Hub-Signature-256": f"sha256={digest}"})[0] == 503
    assert list_objects(victim, "ae") == []
    assert "is empty" in inbox.logs()
