"""Targets, inbox and operator as real processes on a real API server: what was answered with 2xx is never lost."""

import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from support.actions import API_VERSION, action, create, is_finished, phase, reason, wait_for, wait_for_all
from support.api import list_objects
from support.inboxes import SECRET, Inboxes, Target, post, signed
from support.operators import QUICK_LEASES, Operators

Body = dict[str, Any]
WORKERS = 16
SETTINGS = {**QUICK_LEASES, "TASKACTION_WORKERS_COUNT": str(WORKERS)}
KILLS = 12
ACTIONS = 120


@pytest.fixture(scope="module")
def inboxes(operators: Operators, crds: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inboxes]:
    found = Inboxes(operators, crds.kubectl, tmp_path_factory.mktemp("inboxes"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def processes(operators: Operators, inboxes: Inboxes) -> Inboxes:
    """One operator and one inbox, for all tests that kill none."""
    operators.start({**SETTINGS, **inboxes.operator_settings})
    inboxes.start()
    return inboxes


@pytest.fixture
def target() -> Iterator[Target]:
    with Target() as found:
        yield found


@pytest.fixture
def hook(kubectl: Kubectl, target: Target, processes: Inboxes) -> str:
    """The address of a provider's webhooks."""
    return offer(kubectl, processes, target)


def offer(kubectl: Kubectl, inboxes: Inboxes, target: Target, **config: Any) -> str:
    """Make the provider `ci` and what its webhooks need; give their address once the inbox knows it."""
    name = str(kubectl.namespace)
    secret = {"metadata": {"name": "hook"}, "stringData": {"key": SECRET}}
    may_read = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    rbac = "rbac.authorization.k8s.io"
    items = [
        {"apiVersion": "v1", "kind": "Secret", **secret},
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "read"}, "rules": [may_read]},
        {
            "apiVersion": f"{rbac}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "read"},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": "read"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": name}],
        },
        provider(target, **config),
    ]
    create(kubectl, items)
    address = f"{inboxes.url}/providers/{name}/ci"
    until(lambda: post(address, {})[0] == 401, "the inbox knows the provider")
    return address


def provider(target: Target, **config: Any) -> Body:
    webhook = {
        "authentication": {
            "hmac": {
                "header": "X-Hub-Signature-256",
                "prefix": "sha256=",
                "secretKeyRef": {"name": "hook", "key": "key"},
            }
        },
        "deliveryIdHeader": "X-GitHub-Delivery",
        "externalIdPath": "job.id",
        "filter": {"path": "action", "equals": "completed"},
    }
    callback = {
        "externalId": "{{ response.body.id }}",
        "success": {"path": "job.conclusion", "equals": "success"},
        "failure": {"path": "job.conclusion", "equals": "failure"},
        "timeout": "10m",
    }
    request = {
        "method": "POST",
        "url": f"{target.url}/jobs",
        "json": {"name": "{{ action.name }}"},
        "idempotencyHeader": "Idempotency-Key",
        "callback": callback,
    }
    spec = {"executor": "http", "sharding": "Action", "config": request | config, "webhook": webhook}
    return {"apiVersion": API_VERSION, "kind": "ActionProvider", "metadata": {"name": "ci"}, "spec": spec}


def ended(name: str, conclusion: str = "success") -> Body:
    return {"action": "completed", "job": {"id": f"job-{name}", "conclusion": conclusion}}


def by_provider(name: str) -> Body:
    return action(name, providerRef={"name": "ci"})


def calling_back(name: str, target: Target, **callback: Any) -> Body:
    parameters = {
        "method": "POST",
        "url": f"{target.url}/jobs",
        "json": {"name": name, "notify": "{{ callbackUrl }}"},
        "callback": {"success": {"path": "state", "equals": "done"}, "timeout": "10m", **callback},
    }
    return action(name, "http", parameters)


def until(check: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def events(kubectl: Kubectl) -> list[str]:
    return [item["metadata"]["name"] for item in list_objects(kubectl, "ae")]


def none_left(kubectl: Kubectl) -> None:
    until(lambda: events(kubectl) == [], "events are left")


def has_begun(item: Body) -> bool:
    return "externalId" in item.get("status", {})


# -- webhooks of a provider --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("conclusion", "end"), [("success", "Succeeded"), ("failure", "Failed")])
def test_a_signed_webhook_ends_its_action(hook: str, kubectl: Kubectl, conclusion: str, end: str) -> None:
    create(kubectl, [by_provider("one"), by_provider("two")])
    wait_for(kubectl, "one", has_begun)
    body = ended("one", conclusion)
    assert post(hook, body, signed(body)) == (202, "accepted")
    found = wait_for(kubectl, "one")
    assert phase(found) == end
    if end == "Succeeded":
        assert found["status"]["output"] == body
    none_left(kubectl)
    assert not is_finished(wait_for(kubectl, "two", has_begun))


def test_ocean_d12_a_webhook_that_is_faster_than_the_external_id_is_not_lost(
    hook: str, kubectl: Kubectl, target: Target
) -> None:
    answers: list[tuple[int, str]] = []
    target.before_answer = lambda name: answers.append(post(hook, ended(name), signed(ended(name))))
    create(kubectl, [by_provider("one")])
    assert phase(wait_for(kubectl, "one")) == "Succeeded"
    assert answers == [(202, "accepted")]
    none_left(kubectl)


def test_ocean_d12_a_webhook_that_is_lost_is_made_up_for_by_polling(
    kubectl: Kubectl, processes: Inboxes, target: Target
) -> None:
    asked = {
        "url": f"{target.url}/jobs/{{{{ externalId }}}}",
        "externalId": "{{ response.body.id }}",
        "success": {"path": "state", "equals": "done"},
        "interval": "1s",
        "maxInterval": "1s",
    }
    offer(kubectl, processes, target, polling=asked)
    create(kubectl, [by_provider("one")])
    wait_for(kubectl, "one", has_begun)
    target.states["one"] = "done"
    assert phase(wait_for(kubectl, "one")) == "Succeeded"


def test_ocean_d15_a_delivery_that_is_repeated_counts_once(hook: str, kubectl: Kubectl, target: Target) -> None:
    create(kubectl, [by_provider("one")])
    wait_for(kubectl, "one", has_begun)
    body = ended("one")
    headers = {**signed(body), "X-GitHub-Delivery": "72d3162e"}
    assert [post(hook, body, headers)[1] for _ in range(3)] == ["accepted", "duplicate", "duplicate"]
    assert phase(wait_for(kubectl, "one")) == "Succeeded"
    assert post(hook, body, headers) == (200, "duplicate")
    none_left(kubectl)
    assert target.starts == ["one"]


def test_ocean_d15_what_is_forged_malformed_or_too_large_is_refused_at_once(
    hook: str, kubectl: Kubectl, processes: Inboxes
) -> None:
    create(kubectl, [by_provider("one")])
    wait_for(kubectl, "one", has_begun)
    body = ended("one")
    large = {**body, "log": random.Random(1).randbytes(300_000).hex()}  # more than 256 KiB compressed
    huge = b" " * (2 * 1024 * 1024)
    assert post(hook, body)[0] == 401
    assert post(hook, body, signed(body, "guessed"))[0] == 401
    assert post(hook, body, signed(ended("two")))[0] == 401
    assert post(hook, "", signed(""), content=b'""')[1] == "ignored"
    assert post(hook, large, signed(large))[0] == 413
    assert post(hook, {}, content=huge)[0] in {413, 0}  # 0: the connection was closed before all of it was sent
    assert post(hook.replace("/ci", "/other"), body, signed(body))[0] == 404
    assert post(f"{processes.url}/callbacks/a.b", body)[0] == 404
    assert events(kubectl) == []
    assert not is_finished(wait_for(kubectl, "one", has_begun))
    assert SECRET not in processes.logs()


def test_a_full_inbox_asks_senders_to_come_back(kubectl: Kubectl, processes: Inboxes, target: Target) -> None:
    hook = offer(kubectl, processes, target)
    kubectl("patch", "ap", "ci", "--type=merge", "-p", json.dumps({"spec": {"webhook": {"maxPending": 2}}}))

    def full() -> bool:
        body = ended(f"nobody-{time.monotonic_ns()}")
        return post(hook, body, signed(body)) == (429, "busy")

    until(full, "the inbox is full")
    kubectl("delete", "ae", "--all")
    until(lambda: not full(), "the inbox has room again")


# -- callbacks ---------------------------------------------------------------------------------------------------------


def test_a_callback_ends_the_attempt_that_it_is_for_and_no_other(
    kubectl: Kubectl, processes: Inboxes, target: Target
) -> None:
    create(kubectl, [calling_back("one", target), calling_back("two", target)])
    for name in ("one", "two"):
        wait_for(kubectl, name, has_begun)
    address = target.notify["one"]
    assert address.startswith(f"{processes.url}/callbacks/")
    assert post(address, {"state": "running"}) == (202, "accepted")
    assert post(address, {"state": "done", "size": 3}) == (202, "accepted")
    found = wait_for(kubectl, "one")
    assert (phase(found), found["status"]["output"]) == ("Succeeded", {"state": "done", "size": 3})
    none_left(kubectl)
    assert post(address, {"state": "failed"})[0] == 202  # it is known by the address alone, and thrown away
    none_left(kubectl)
    assert not is_finished(wait_for(kubectl, "two", has_begun))
    assert address.rpartition("/")[2] not in processes.logs()


def test_ocean_d12_a_callback_that_is_faster_than_the_answer_is_not_lost(
    kubectl: Kubectl, processes: Inboxes, target: Target
) -> None:
    target.before_answer = lambda name: assert_accepted(post(target.notify[name], {"state": "done"}))
    create(kubectl, [calling_back("one", target)])
    assert phase(wait_for(kubectl, "one")) == "Succeeded"


def test_ocean_d12_a_callback_that_never_comes_ends_the_attempt(
    kubectl: Kubectl, processes: Inboxes, target: Target
) -> None:
    create(kubectl, [calling_back("one", target, timeout="2s")])
    found = wait_for(kubectl, "one")
    assert found["status"]["error"]["code"] == "CallbackTimeout"
    assert (phase(found), reason(found)) != ("Succeeded", "Completed")


def assert_accepted(answer: tuple[int, str]) -> None:
    assert answer == (202, "accepted")


# -- crashes: last, since they end the processes of the others ---------------------------------------------------------


@pytest.mark.timeout(600)
def test_ocean_d12_nothing_that_was_accepted_is_lost_when_inbox_and_operator_are_killed_under_load(
    kubectl: Kubectl, operators: Operators, processes: Inboxes, target: Target
) -> None:
    luck = random.Random(11)
    hook = offer(kubectl, processes, target)
    names = [f"n{number}" for number in range(ACTIONS)]
    accepted: set[str] = set()
    kills = 0
    over = threading.Event()

    def send(name: str) -> None:
        """Send until it is accepted, and never again after that."""
        body = ended(name)
        while name not in target.starts:
            if over.wait(0.05):
                return
        while post(hook, body, {**signed(body), "X-GitHub-Delivery": name})[0] not in {200, 202}:
            if over.wait(0.1):
                return
        accepted.add(name)

    senders = [threading.Thread(target=send, args=[name]) for name in names]
    for sender in senders:
        sender.start()
    try:
        create(kubectl, [by_provider(name) for name in names])
        for _ in range(KILLS):
            time.sleep(luck.uniform(0.05, 1.0))  # the moment of the crash is the case, not a wait
            if luck.random() < 0.5:
                processes.kill()
                processes.start()
            else:
                operators.kill()
                operators.start({**SETTINGS, **processes.operator_settings})
                kills += 1
        found = wait_for_all(kubectl, lambda all_: all(is_finished(item) for item in all_.values()), seconds=240)
    finally:
        over.set()
        for sender in senders:
            sender.join()
    assert accepted == set(names)
    assert {name for name, item in found.items() if phase(item) != "Succeeded"} == set()
    assert [item["status"]["attempt"] for item in found.values()] == [1] * ACTIONS
    # What was applied and not yet deleted when the operator was killed stays until its time is over.
    assert len(events(kubectl)) <= kills * WORKERS
