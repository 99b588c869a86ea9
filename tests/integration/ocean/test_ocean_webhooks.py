"""Webhooks of Ocean executors, through a real inbox and operator, on a real API server."""

import hmac
import json
import os
import time
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.actions import action, create, get_all, phase, wait_for, wait_for_phase
from support.inboxes import Inboxes, post
from support.operators import PLUGIN, QUICK_LEASES, Operators
from support.plugin.ocean_executors import SECRET

Body = dict[str, Any]


@pytest.fixture(scope="module")
def inboxes(operators: Operators, crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Inboxes]:
    found = Inboxes(operators, crds.kubectl, tmp_path_factory.mktemp("inboxes"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(PLUGIN), os.environ.get("PYTHONPATH")))))
        found.start()
        yield found
    found.close()


@pytest.fixture
def hook(inboxes: Inboxes, operators: Operators) -> str:
    """The address of the integration's webhooks, with an operator at work."""
    if not operators.running:
        operators.start(QUICK_LEASES)
    return f"{inboxes.url}/integration/webhook/ocean"


def send(hook: str, body: Body, *, secret: bytes = SECRET, kind: str = "job") -> tuple[int, str]:
    signature = hmac.new(secret, json.dumps(body).encode(), "sha256").hexdigest()
    return post(hook, body, {"X-Kind": kind, "X-Signature": signature})


def triggered(kubectl: Kubectl, **parameters: Any) -> str:
    job = str(kubectl.namespace)
    create(kubectl, [action("one", "ocean-trigger", {"job": job, **parameters})])
    return job


def waits(found: Body) -> bool:
    return "externalId" in found.get("status", {})


@pytest.mark.parametrize(("ok", "expected"), [(True, "Succeeded"), (False, "Failed")])
def test_a_webhook_ends_the_run_that_it_is_about(kubectl: Kubectl, hook: str, ok: bool, expected: str) -> None:
    job = triggered(kubectl)
    wait_for(kubectl, "one", waits)
    assert send(hook, {"job": job, "ok": ok, "text": "as the job said"})[0] == 202
    status = wait_for_phase(kubectl, "one", expected)["status"]
    assert (status["message"], status["attempt"]) == ("as the job said", 1)


def test_ocean_d12_a_webhook_that_comes_before_the_external_id_ends_the_run(kubectl: Kubectl, hook: str) -> None:
    job = triggered(kubectl, seconds=2)
    wait_for_phase(kubectl, "one", "Running")
    assert send(hook, {"job": job, "ok": True})[0] == 202
    assert not waits(get_all(kubectl)["one"])
    wait_for_phase(kubectl, "one", "Succeeded")


def test_ocean_d12_a_webhook_that_comes_while_no_operator_runs_ends_the_run(
    kubectl: Kubectl, hook: str, operators: Operators
) -> None:
    job = triggered(kubectl)
    wait_for(kubectl, "one", waits)
    operators.kill()
    assert send(hook, {"job": job, "ok": True})[0] == 202
    operators.start(QUICK_LEASES)
    assert wait_for_phase(kubectl, "one", "Succeeded")["status"]["attempt"] == 1


def test_ocean_d15_a_forged_webhook_is_refused_and_changes_nothing(kubectl: Kubectl, hook: str) -> None:
    job = triggered(kubectl)
    wait_for(kubectl, "one", waits)
    assert send(hook, {"job": job, "ok": False}, secret=b"guessed")[0] == 401
    assert send(hook, {"work": job})[0] == 400
    assert post(hook, None, {"X-Kind": "job"}, content=b"{")[0] == 400
    assert send(hook, {"job": job, "ok": True})[0] == 202
    wait_for_phase(kubectl, "one", "Succeeded")


def test_a_webhook_of_another_kind_or_about_nobody_harms_nothing(kubectl: Kubectl, hook: str) -> None:
    job = triggered(kubectl)
    wait_for(kubectl, "one", waits)
    assert send(hook, {"job": job, "ok": True}, kind="push")[0] == 200
    assert send(hook, {"job": "of nobody", "ok": True})[0] == 202
    assert send(hook, {"job": job})[0] == 202  # says nothing final
    create(kubectl, [action("probe")])
    wait_for_phase(kubectl, "probe", "Succeeded")
    assert phase(get_all(kubectl)["one"]) == "Running"


def test_fifty_runs_end_each_by_its_own_webhook(kubectl: Kubectl, hook: str) -> None:
    jobs = {f"run-{number}": f"{kubectl.namespace}-{number}" for number in range(50)}
    create(kubectl, [action(name, "ocean-trigger", {"job": job}) for name, job in jobs.items()])
    for name, job in jobs.items():
        assert send(hook, {"job": job, "ok": True, "text": f"for {name}"})[0] == 202
    deadline = time.monotonic() + 60
    while {phase(found) for found in get_all(kubectl).values()} != {"Succeeded"}:
        assert time.monotonic() < deadline, get_all(kubectl)
        time.sleep(0.2)
    assert all(found["status"]["message"] == f"for {name}" for name, found in get_all(kubectl).items())
