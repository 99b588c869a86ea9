"""The API server is away, or says nothing: results are kept, deletions are noticed, and nothing is done twice."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.controlplane import ControlPlane
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import action, all_finished_and_free, condition, create, get, phase, wait_for_all, wait_for_phase
from support.lying_server import Answer, LyingServer, expire, refuse
from support.operators import QUICK_LEASES, Operators, metric
from support.world import World, job, keyed, once

LEASE_SECONDS = 3
AWAY_SECONDS = 2 * LEASE_SECONDS
COUNT = 20


@pytest.fixture
def world() -> Iterator[World]:
    with World(seconds=2.0, job_seconds=1.0) as world:
        yield world


@pytest.mark.parametrize("away", [0, AWAY_SECONDS], ids=["restarted at once", "away for longer than the lease"])
def test_no_result_is_lost_while_the_api_server_is_away(
    operators: Operators, control_plane: ControlPlane, kubectl: Kubectl, world: World, away: float
) -> None:
    operator = operators.start(QUICK_LEASES)
    names = [f"{kind}-{number}" for number in range(COUNT) for kind in ("once", "keyed", "job")]
    kinds = {"once": once, "keyed": keyed, "job": job}
    create(kubectl, [action(name, "http", kinds[name.split("-")[0]](world.url, name)) for name in names])
    wait_until(lambda: sum(world.effects.values()) >= COUNT, timeout=30, what="effects")
    control_plane.kill_apiserver()
    time.sleep(away)  # the length of the outage is the case
    control_plane.start_apiserver()
    found = wait_for_all(kubectl, all_finished_and_free, seconds=90)
    assert {phase(item) for item in found.values()} == {"Succeeded"}
    assert all(item["status"]["attempt"] == 1 for item in found.values())
    assert set(world.effects.values()) == {1}
    assert len(world.effects) == len(names)
    assert operator.program.is_running()
    operators.stop()


def test_a_watch_that_is_cut_silently_is_noticed_and_what_vanished_meanwhile_is_aborted(
    operators: Operators, kubectl: Kubectl, world: World, tmp_path: Path
) -> None:
    with LyingServer(operators.kubeconfig) as liar:
        settings = {**QUICK_LEASES, "TASKACTION_WATCH_IDLE_TIMEOUT": "3s", "TASKACTION_WATCH_STALE_AFTER": "30s"}
        operators.start(settings, kubeconfig=liar.write_kubeconfig(tmp_path / "kubeconfig"))
        world.seconds, world.job_seconds = 0.0, 3600.0
        create(kubectl, [action("kept", "approval", {"prompt": "?"}), action("gone", "approval", {"prompt": "?"})])
        create(kubectl, [action("gone-outside", "http", job(world.url, "gone-outside"))])
        for name, at in {"kept": "Paused", "gone": "Paused", "gone-outside": "Running"}.items():
            wait_for_phase(kubectl, name, at)
        wait_until(
            lambda: "running" in condition(get(kubectl, "gone-outside"), "Progressing")["message"],
            timeout=30,
            what="the last write",
        )
        liar.freeze_watches()
        kubectl("delete", "ta", "gone", "gone-outside", "--wait=false")
        create(kubectl, [action("new")])
        time.sleep(1.0)  # long enough for a live watch to have told
        assert phase(get(kubectl, "new")) == "Queued"
        assert not world.cancelled
        liar.thaw_watches()
        wait_for_phase(kubectl, "new", "Succeeded")
        wait_until(lambda: "gone-outside" in world.cancelled, timeout=30, what="the job outside to be cancelled")
        wait_until(
            lambda: not kubectl("get", "ta", "gone-outside", "--ignore-not-found"), timeout=30, what="the object to go"
        )
        assert phase(get(kubectl, "kept")) == "Paused"
        operators.stop()


@pytest.mark.parametrize("answer", [expire, refuse(410, "Expired")], ids=["error event", "status 410"])
def test_what_was_deleted_while_the_api_server_forgot_its_history_is_swept(
    operators: Operators, kubectl: Kubectl, tmp_path: Path, answer: Answer
) -> None:
    """The watch is lost, objects vanish, and the list that follows shows only what is left."""
    with LyingServer(operators.kubeconfig) as liar:
        settings = {**QUICK_LEASES, "TASKACTION_WATCH_IDLE_TIMEOUT": "2s"}
        operator = operators.start(settings, kubeconfig=liar.write_kubeconfig(tmp_path / "kubeconfig"))
        create(kubectl, [action(f"paused-{number}", "approval", {"prompt": "?"}) for number in range(5)])
        wait_for_all(kubectl, lambda found: all(phase(item) == "Paused" for item in found.values()))
        liar.freeze_watches()
        lie = liar.tell("watch=true", "/taskactions", answer=answer)
        kubectl("delete", "ta", *(f"paused-{number}" for number in range(4)))
        liar.thaw_watches()
        wait_until(lambda: metric(operator, "actions_live") == 1, timeout=60, what="the vanished actions to be let go")
        assert lie.told == 1
        assert phase(get(kubectl, "paused-4")) == "Paused"
        operators.stop()
