"""S4: a target that quotes what it was sent, in whatever form and place, brings no value of a Secret to anybody."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import Body, action, create, is_finished, wait_for, wait_for_all
from support.api import create_object, create_objects
from support.attackers import SECRETS, make_account, secret
from support.mirrors import Mirror
from support.operators import Operators
from support.sightings import leaks, sightings, spellings_of

SECRET = 'tök/en+"=\\x &1'
SETTINGS = {"TASKACTION_LOG_LEVEL": "debug"}
REF = {"name": "login", "key": "key"}
FROM = {"secretKeyRef": REF}
AUTHS: dict[str, Body] = {
    "bearer": {"bearerSecretKeyRef": REF},
    "basic": {"basic": {"username": "ada", "passwordSecretKeyRef": REF}},
    "header": {"header": {"name": "X-Key", "secretKeyRef": REF}},
}


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with Mirror(SECRET) as server:
        yield server


@pytest.fixture
def readers(victim: Kubectl) -> Kubectl:
    """The namespace of the Secret, whose `default` account reads it."""
    create_object(victim, secret("login", SECRET))
    make_account(victim, "default", SECRETS)
    return victim


def actions(mirror: Mirror) -> Iterator[Body]:
    """Yield an action for each form, and for each place of an outcome."""

    def http(name: str, path: str, parameters: Body, **spec: Any) -> Body:
        return action(name, "http", {"url": f"{mirror.url}/{path}"} | parameters, **spec)

    for number, form in enumerate(spellings_of(SECRET)):
        for status in (200, 400, 503):
            path = f"{status}/{quote(form)}"
            shown = {"auth": AUTHS["basic"], "outputHeaders": ["x-echo"]}
            yield http(f"form-{number}-{status}", path, shown)
        polled = {"url": f"{mirror.url}/200/{quote(form)}", "success": {"path": "state.is", "equals": "DONE"}}
        polling = {"auth": AUTHS["bearer"], "polling": {**polled, "externalId": "job"}}
        yield http(f"poll-{number}", f"200/{quote(form)}", polling, timeouts={"total": "3s"})
        named = {"auth": AUTHS["bearer"], "polling": {**polled, "externalId": "{{ response.body.id }}"}}
        yield http(f"name-{number}", f"200/{quote(form)}", named, timeouts={"total": "3s"})
    for name, auth in AUTHS.items():
        yield http(f"auth-{name}", "400/request", {"auth": auth})
        yield http(f"good-{name}", "200/request", {"auth": auth})
    for name, (parameters, place) in {
        "query": ({}, "query.token"),
        "json": ({"method": "POST", "json": {"a": 1}}, "json.token"),
        "form": ({"method": "POST", "form": {"a": 1}}, "form.token"),
        "body": ({"method": "POST"}, "body"),
    }.items():
        for status in (200, 400):
            sources = [{"parameter": place, **FROM}]
            yield http(f"sent-{name}-{status}", f"{status}/request", parameters, parametersFrom=sources)
    nowhere = [{"parameter": "query.t", **FROM}]
    yield action("unreachable", "http", {"url": "http://127.0.0.1:9/"}, parametersFrom=nowhere)
    yield action("returned", "noop", parametersFrom=[{"parameter": "output.token", **FROM}])


def test_s04_no_form_and_no_place_of_an_answer_shows_a_secret(
    operators: Operators, operator: Operator, readers: Kubectl, mirror: Mirror
) -> None:
    items = list(actions(mirror))
    create(readers, items)
    wait_for_all(readers, lambda found: len(found) == len(items) and all(map(is_finished, found.values())), 120)
    seen = sightings(readers, operators, operator)
    assert leaks(seen, SECRET) == []
    assert "[redacted]" in seen["objects"]
    assert SECRET in "".join(mirror.heard)  # the target itself got it


def test_s04_items_that_are_called_inline_show_no_secret(
    operators: Operators, operator: Operator, readers: Kubectl, mirror: Mirror
) -> None:
    parameters = {"url": f"{mirror.url}/200/request", "auth": AUTHS["bearer"]}
    item = {"Type": "Action", "ActionUrl": "taskaction://executor/http", "Parameters": parameters, "End": True}
    each = {
        "Type": "Map",
        "Inline": True,
        "ItemsPath": "$.items",
        "ItemProcessor": {"StartAt": "Call", "States": {"Call": item}},
        "ResultPath": "$.out",
        "End": True,
    }
    spec = {
        "definition": {"StartAt": "Each", "States": {"Each": each}},
        "input": {"items": [1, 2]},
        "runAs": {"serviceAccountName": "default"},
    }
    run = {"apiVersion": "taskaction.dev/v1alpha1", "kind": "ActionFlowRun", "metadata": {"name": "run"}, "spec": spec}
    create_objects(readers, [run])
    readers("wait", "--for=condition=Finished", "afr/run", "--timeout=30s")
    seen = sightings(readers, operators, operator)
    assert leaks(seen, SECRET) == []
    assert SECRET.encode().decode("latin-1") in "".join(mirror.heard), seen["objects"]
    assert "Bearer [redacted]" in seen["objects"]


@pytest.mark.parametrize("executor", ["http", "job"])
def test_s04_a_value_that_cannot_be_recognized_is_refused(
    operator: Operator, readers: Kubectl, mirror: Mirror, executor: str
) -> None:
    create_object(readers, secret("short", "1234567"))
    given = {"http": {"url": f"{mirror.url}/200/request"}, "job": {"image": "busybox"}}[executor]
    source = {
        "parameter": "headers.X-Pin" if executor == "http" else "env.PIN",
        "secretKeyRef": {"name": "short", "key": "key"},
    }
    create(readers, [action("short", executor, given, parametersFrom=[source])])
    status = wait_for(readers, "short")["status"]
    assert (status["phase"], status["error"]["code"]) == ("Failed", "SecretTooShort")
    assert "use a longer one" in status["message"]
    assert "1234567" not in str(status)
    assert mirror.heard == []
