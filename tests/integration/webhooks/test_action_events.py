"""ActionEvents on a real API server: each has its action polled at once, early ones wait, and all go when applied."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import API_VERSION, action, create, is_finished, patch, phase, wait_for, wait_for_phase
from support.api import list_objects
from support.inboxes import Target
from support.operators import QUICK_LEASES, Operators
from support.world import World, job

SETTINGS = QUICK_LEASES
PATIENT = {"interval": "10m", "maxInterval": "10m"}
"""Polling that no test lives to see: whatever ends in time was told of."""


@pytest.fixture
def world() -> Iterator[World]:
    with World(job_seconds=0.0) as world:
        yield world


def patient_job(world: World, name: str) -> dict[str, Any]:
    parameters = job(world.url, name)
    return {**parameters, "polling": {**parameters["polling"], **PATIENT}}


def event(name: str, **spec: Any) -> dict[str, Any]:
    metadata = {"name": name}
    return {"apiVersion": API_VERSION, "kind": "ActionEvent", "metadata": metadata, "spec": {"type": "Webhook", **spec}}


def events(kubectl: Kubectl) -> list[str]:
    return [item["metadata"]["name"] for item in list_objects(kubectl, "ae")]


def wait_until(check: Callable[[], bool], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@pytest.mark.parametrize("key", ["name", "correlation"])
def test_an_event_ends_the_wait_for_what_was_started(
    operator: Operator, kubectl: Kubectl, world: World, key: str
) -> None:
    create(kubectl, [action("one", "http", patient_job(world, "one"))])
    wait_for(kubectl, "one", lambda item: "externalId" in item["status"])
    target = {"target": {"name": "one"}} if key == "name" else {"correlationKey": "one"}
    create(kubectl, [event("done", **target)])
    wait_for_phase(kubectl, "one", "Succeeded")
    wait_until(lambda: events(kubectl) == [], "the event is still there")


def test_ocean_d12_an_event_that_comes_before_the_external_id_is_not_lost(
    operator: Operator, kubectl: Kubectl, world: World
) -> None:
    early = event("early", correlationKey="one", scope={"executor": "http"})
    create(kubectl, [early, action("one", "http", patient_job(world, "one"))])
    wait_for_phase(kubectl, "one", "Succeeded")
    wait_until(lambda: events(kubectl) == [], "the event is still there")


def test_an_event_of_another_executor_wakes_nobody_and_goes_when_its_time_is_over(
    operator: Operator, kubectl: Kubectl, world: World
) -> None:
    create(kubectl, [action("one", "http", patient_job(world, "one"))])
    wait_for(kubectl, "one", lambda item: "externalId" in item["status"])
    create(kubectl, [event("foreign", correlationKey="one", scope={"executor": "job"}, ttlSeconds=2)])
    wait_until(lambda: events(kubectl) == [], "the event is still there")
    assert phase(wait_for(kubectl, "one", lambda item: not is_finished(item))) == "Running"


def test_an_event_stays_until_the_poll_that_it_led_to_has_ended(operator: Operator, kubectl: Kubectl) -> None:
    asked, answered = threading.Event(), threading.Event()

    def hold(_: str) -> None:
        asked.set()
        answered.wait(30)

    with Target() as target:
        target.before_state = hold
        target.states["one"] = "done"
        polling = {
            "url": f"{target.url}/jobs/{{{{ externalId }}}}",
            "externalId": "{{ response.body.id }}",
            "success": {"path": "state", "equals": "done"},
            **PATIENT,
        }
        request = {"method": "POST", "url": f"{target.url}/jobs", "json": {"name": "one"}, "polling": polling}
        create(kubectl, [action("one", "http", request)])
        wait_for(kubectl, "one", lambda item: "externalId" in item["status"])
        create(kubectl, [event("done", target={"name": "one"})])
        assert asked.wait(30)
        patch(kubectl, "one", {"suspend": True})
        wait_for(kubectl, "one", lambda item: "suspendedAt" in item["status"])  # another write, during the poll
        assert events(kubectl) == ["done"]
        answered.set()
        wait_for_phase(kubectl, "one", "Succeeded")
    wait_until(lambda: events(kubectl) == [], "the event is still there")


def test_ocean_d12_an_event_outlives_the_operator(operators: Operators, kubectl: Kubectl, world: World) -> None:
    operators.kill()
    operators.start(QUICK_LEASES)
    create(kubectl, [action("one", "http", patient_job(world, "one"))])
    wait_for(kubectl, "one", lambda item: "externalId" in item["status"])
    operators.kill()
    create(kubectl, [event("done", correlationKey="one")])
    operators.start(QUICK_LEASES)
    wait_for_phase(kubectl, "one", "Succeeded", seconds=60)
    wait_until(lambda: events(kubectl) == [], "the event is still there")
