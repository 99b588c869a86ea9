"""S8 and S14: whatever a namespace keeps busy, and however urgent its actions, others start within a second or two."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import pytest

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import Body, action, create, wait_for
from support.operators import QUICK_LEASES, Operators
from support.serving import LoopbackServer

WORKERS = 64
CALLS = WORKERS + 2
NEIGHBOUR_SECONDS = 5.0
"""A second for the loan of a worker, the rest for a busy machine; without shares it is never."""
SETTINGS = QUICK_LEASES


class Dripping(LoopbackServer):
    """A server whose answers take for ever: a byte at a time."""

    request_queue_size = CALLS

    def __init__(self) -> None:
        super().__init__(_Handler)
        self.closing = threading.Event()
        self.open_calls = 0


class _Handler(BaseHTTPRequestHandler):
    server: Dripping

    def do_GET(self) -> None:
        self.server.open_calls += 1
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        while not self.server.closing.wait(1.0):
            try:
                self.wfile.write(b" ")
            except OSError:
                return

    def log_message(self, *_: object) -> None:
        """Write nothing."""


@contextmanager
def dripping() -> Iterator[Dripping]:
    with Dripping() as server:
        try:
            yield server
        finally:
            server.closing.set()


@pytest.fixture
def target() -> Iterator[Dripping]:
    with dripping() as server:
        yield server


def slow_call(name: str, target: Dripping, **spec: object) -> Body:
    parameters = {"url": target.url, "method": "GET", "timeout": "8760h"}
    return action(name, executor="http", parameters=parameters, **spec)


def occupy_workers(attacker: Kubectl, target: Dripping, **spec: object) -> None:
    create(attacker, [slow_call(f"slow-{number}", target, **spec) for number in range(CALLS)])
    until = time.monotonic() + 60
    while target.open_calls < WORKERS and time.monotonic() < until:
        time.sleep(0.05)
    assert target.open_calls >= WORKERS, "the attack needs all workers"


@pytest.mark.parametrize("priority", [0, 1000], ids=["s08_slow_calls", "s14_urgent_slow_calls"])
def test_s08_slow_calls_of_a_namespace_delay_no_other(
    crds: Cluster, attacker: Kubectl, victim: Kubectl, operator: Operator, target: Dripping, priority: int
) -> None:
    occupy_workers(attacker, target, priority=priority)
    for number in range(3):
        started = time.monotonic()
        create(victim, [action(f"neighbour-{number}")])
        wait_for(victim, f"neighbour-{number}")
        assert time.monotonic() - started < NEIGHBOUR_SECONDS


def test_s08_the_platform_bounds_how_long_a_call_lasts(
    crds: Cluster, attacker: Kubectl, operators: Operators, target: Dripping
) -> None:
    operators.kill()  # one with another timeout would share the work
    operators.start({**SETTINGS, "TASKACTION_CALL_TIMEOUT": "2s"})
    create(attacker, [slow_call("slow", target, retryPolicy={"limit": 0})])
    status = wait_for(attacker, "slow")["status"]
    assert (status["phase"], status["reason"]) == ("TimedOut", "AttemptTimeout")
    assert "TASKACTION_CALL_TIMEOUT (2s)" in status["message"]


def test_s14_a_priority_orders_the_actions_of_its_own_namespace_only(
    crds: Cluster, attacker: Kubectl, victim: Kubectl, operator: Operator
) -> None:
    create(attacker, [action(f"flood-{number}", priority=1000) for number in range(300)])
    started = time.monotonic()
    create(victim, [action("neighbour", priority=-1000)])
    wait_for(victim, "neighbour")
    assert time.monotonic() - started < NEIGHBOUR_SECONDS
