"""Ports of programs on loopback: what one process has picked, no other process picks."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from cluster import ports

HACK = Path(ports.__file__).parents[1]
PICK = "from cluster.ports import free_port; print(*(free_port() for _ in range({})), flush=True); input()"


def pick_in_another_process(count: int) -> subprocess.Popen[str]:
    """Start a process that picks ports and lives until its standard input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", PICK.format(count)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(HACK)},
    )  # fmt: skip


def test_processes_that_pick_at_the_same_time_never_get_the_same_port() -> None:
    others = [pick_in_another_process(ports.BLOCK // 2) for _ in range(4)]
    try:
        taken = [int(port) for other in others for port in other.stdout.readline().split()]
        own = [ports.free_port() for _ in range(20)]
    finally:
        for other in others:
            other.communicate("\n")
    assert len(taken) == 2 * ports.BLOCK
    assert len({*taken, *own}) == len(taken) + len(own)


def test_a_process_picks_a_port_again_only_after_all_others() -> None:
    picked = [ports.free_port() for _ in range(ports.BLOCK // 2)]
    assert len(set(picked)) == len(picked)


def test_a_port_on_which_a_program_listens_is_not_picked() -> None:
    with socket.create_server((ports.HOST, ports.free_port())) as server:
        busy = server.getsockname()[1]
        assert busy not in [ports.free_port() for _ in range(ports.BLOCK)]
