"""The seed's example as a program: an ``ExecutionManager`` in a process of its own is a replica of the operator."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import start, wait_until
from local.manifests import ROOT
from local.operator_process import Operator
from support.actions import action, create, wait_for_phase
from support.operators import QUICK_LEASES, Operators

PROGRAM = ROOT / "examples" / "11-ocean" / "my_integration.py"


@pytest.fixture
def program(operators: Operators, tmp_path: Path) -> Iterator[Callable[[], Operator]]:
    """Start the example's program, ready to work."""
    running: list[Operator] = []

    def begin() -> Operator:
        bind = f"{HOST}:{free_port()}"
        env = {
            **os.environ,
            **QUICK_LEASES,
            "KUBECONFIG": str(operators.kubeconfig),
            "TASKACTION_BIND": bind,
            "TASKACTION_NAMESPACE": operators.namespace,
        }
        env.pop("PYTHONPATH", None)
        log = tmp_path / f"program-{len(running)}.log"
        process = start("the program", [sys.executable, str(PROGRAM)], mark=str(PROGRAM), log=log, tied=True, env=env)
        found = Operator(process, f"http://{bind}")
        running.append(found)
        wait_until(found.is_ready, timeout=60, what="the program to be ready", program=process)
        return found

    yield begin
    for one in running:
        one.program.end()


def test_the_seeds_example_runs_actions_as_a_program_and_ends_gracefully(
    kubectl: Kubectl, program: Callable[[], Operator]
) -> None:
    first = program()
    create(kubectl, [action("one", "my-action", {"resource_id": "r-1"}), action("beside", "noop")])
    status = wait_for_phase(kubectl, "one", "Succeeded")["status"]
    assert status["message"] == "Successfully updated resource r-1"
    wait_for_phase(kubectl, "beside", "Succeeded")
    create(kubectl, [action("last", "my-action", {"resource_id": "r-1"})])
    wait_for_phase(kubectl, "last", "Running")
    first.program.signal(signal.SIGTERM)
    wait_until(lambda: not first.program.is_running(), timeout=40, what="the program to end")
    assert first.program.popen is not None
    assert first.program.popen.returncode == 0
    wait_for_phase(kubectl, "last", "Succeeded")  # the call was let end, and its outcome written


def test_a_program_takes_up_what_another_has_left(kubectl: Kubectl, program: Callable[[], Operator]) -> None:
    program().stop()
    create(kubectl, [action("one", "my-action", {"resource_id": "r-1"})])
    program()
    wait_for_phase(kubectl, "one", "Succeeded")
