"""S19: a query parameter from a Secret is shown in no percent-encoding, whatever the client makes of the request."""

from collections.abc import Iterator
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import Body, action, create, is_finished, wait_for_all
from support.api import create_object
from support.attackers import SECRETS, make_account, secret
from support.mirrors import Mirror
from support.operators import Operators
from support.sightings import leaks, sightings

SECRET = "a/b+c=d e%41&f?#ü"
SETTINGS = {"TASKACTION_LOG_LEVEL": "debug"}
CLOSED_PORT = "http://127.0.0.1:9/"
NO_ADDRESS = "http://no-such-host.invalid/"


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror(SECRET) as server:
        yield server


def calls(mirror: Mirror) -> Iterator[Body]:
    """Yield a call for each way in which a request ends."""
    source: dict[str, Any] = {"secretKeyRef": {"name": "login", "key": "key"}}
    for name, url in {
        "accepted": f"{mirror.url}/200/request",
        "refused": f"{mirror.url}/400/request",
        "unavailable": f"{mirror.url}/503/request",
        "unreachable": CLOSED_PORT,
        "unknown": NO_ADDRESS,
    }.items():
        yield action(name, "http", {"url": url}, parametersFrom=[{"parameter": "query.token", **source}])


def test_s19_no_encoding_of_a_query_parameter_is_shown(
    operators: Operators, operator: Operator, victim: Kubectl, mirror: Mirror
) -> None:
    create_object(victim, secret("login", SECRET))
    make_account(victim, "default", SECRETS)
    items = list(calls(mirror))
    create(victim, items)
    wait_for_all(victim, lambda found: len(found) == len(items) and all(map(is_finished, found.values())), 120)
    assert leaks(sightings(victim, operators, operator), SECRET) == []
    assert mirror.heard, "the target itself got the requests"
