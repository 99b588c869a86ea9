"""An API server that refuses, stalls, hangs up or forgets to answer costs time, never an action or a second call."""

from collections.abc import Iterator

import pytest

from cluster.kubectl import Kubectl
from support.actions import action, all_finished_and_free, create, phase, wait_for_all, wait_for_phase
from support.lying_server import (
    Answer,
    LyingServer,
    do_it_and_say_nothing,
    hang_up,
    refuse,
    say_nothing,
    speak_html,
)
from support.operators import QUICK_LEASES, Operators
from support.world import World, job, once


@pytest.fixture(scope="module")
def liar(operators: Operators, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LyingServer]:
    with LyingServer(operators.kubeconfig) as liar:
        operators.start(QUICK_LEASES, kubeconfig=liar.write_kubeconfig(tmp_path_factory.mktemp("liar") / "kubeconfig"))
        yield liar
        operators.close()


@pytest.fixture
def world() -> Iterator[World]:
    with World() as world:
        yield world


STATUS = ("PUT", "/taskactions/victim/status")
FAULTS = {
    "409 conflict": refuse(409, "Conflict"),
    "429 with Retry-After": refuse(429, "TooManyRequests", retry_after="1"),
    "500": refuse(500, "InternalError"),
    "503 with Retry-After": refuse(503, "ServiceUnavailable", retry_after="1"),
    "504 timeout": refuse(504, "Timeout"),
    "502 in HTML": speak_html,
    "403 for a moment": refuse(403, "Forbidden"),
    "401 for a moment": refuse(401, "Unauthorized"),
    "connection closed": hang_up,
    "half-open": say_nothing,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_status_write_that_fails_is_done_later(liar: LyingServer, kubectl: Kubectl, world: World, fault: str) -> None:
    lie = liar.tell(*STATUS, answer=FAULTS[fault], times=2)
    create(kubectl, [action("victim", "http", once(world.url, "victim")), action("bystander")])
    wait_for_phase(kubectl, "bystander", "Succeeded", seconds=5)
    victim = wait_for_phase(kubectl, "victim", "Succeeded", seconds=60)
    assert lie.told == 2
    assert victim["status"]["attempt"] == 1
    assert world.effects == {"once/victim": 1}


def test_a_status_write_whose_answer_was_lost_is_not_done_twice(
    liar: LyingServer, kubectl: Kubectl, world: World
) -> None:
    lie = liar.tell(*STATUS, answer=do_it_and_say_nothing(liar.kubeconfig), times=2)
    create(kubectl, [action("victim", "http", once(world.url, "victim"))])
    victim = wait_for_phase(kubectl, "victim", "Succeeded")
    assert lie.told == 2
    assert victim["status"]["attempt"] == 1
    assert world.effects == {"once/victim": 1}


def test_a_status_that_the_server_calls_invalid_ends_the_action_with_the_servers_words(
    liar: LyingServer, kubectl: Kubectl
) -> None:
    lie = liar.tell(*STATUS, answer=refuse(422, "Invalid"))
    create(kubectl, [action("victim"), action("bystander")])
    victim = wait_for_phase(kubectl, "victim", "Failed")
    assert lie.told == 1
    assert victim["status"]["error"]["code"] == "SystemError"
    assert "a lie: 422" in victim["status"]["error"]["message"]
    wait_for_phase(kubectl, "bystander", "Succeeded")


@pytest.mark.parametrize("fault", ["500", "connection closed", "409 conflict"])
def test_a_finalizer_that_cannot_be_set_delays_the_effect(
    liar: LyingServer, kubectl: Kubectl, world: World, fault: str
) -> None:
    answer: Answer = FAULTS[fault]
    lie = liar.tell("PATCH", "/taskactions/victim", answer=answer, times=2)
    create(kubectl, [action("victim", "http", job(world.url, "victim"))])
    found = wait_for_all(kubectl, all_finished_and_free)
    assert phase(found["victim"]) == "Succeeded"
    assert lie.told == 2
    assert world.effects == {"jobs/victim": 1}
