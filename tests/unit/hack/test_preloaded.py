"""Operators that tests start by a fork are processes as those of the command."""

import os
import signal
import sys
from pathlib import Path

import pytest

from cluster.processes import Program, command_line, start, wait_until
from local.operator_process import Launch, mark
from support import preloaded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are ended with their server by Linux only")
COMMAND = [str(Path(sys.executable).with_name("taskaction")), "operator", "run"]


@pytest.fixture(params=[start, preloaded.start], ids=["command", "fork"])
def launch(request: pytest.FixtureRequest) -> Launch:
    found: Launch = request.param
    return found


def run(launch: Launch, folder: Path, **settings: str) -> Program:
    env = {**os.environ, "KUBECONFIG": str(folder / "none"), **settings}
    return launch("operator", COMMAND, mark=mark(), log=folder / "log", tied=True, env=env)


def wait_until_ended(program: Program) -> str:
    wait_until(lambda: not program.is_running(), timeout=60, what="the end", program=None)
    return program.log.read_text()


def test_a_setting_that_is_wrong_ends_it_and_is_logged(launch: Launch, tmp_path: Path) -> None:
    said = wait_until_ended(run(launch, tmp_path, TASKACTION_WORKERS_COUNT="none"))
    assert "TASKACTION_WORKERS_COUNT" in said
    assert "Traceback" not in said


def test_the_environment_is_that_of_the_start_alone(
    launch: Launch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKACTION_SHARDS", "none")
    said = wait_until_ended(launch("operator", COMMAND, mark=mark(), log=tmp_path / "log", tied=True, env={}))
    assert "TASKACTION_SHARDS" not in said
    assert said


def test_a_fork_leads_a_group_and_is_recognized_by_its_command_line(tmp_path: Path) -> None:
    program = run(preloaded.start, tmp_path)
    again = Program.from_record(program.to_record())
    assert mark() in command_line(program.pid)
    assert os.getpgid(program.pid) == program.pid
    program.signal(signal.SIGSTOP)
    assert again.is_running()
    program.end()
    assert not again.is_running()


def test_forks_end_with_their_server(tmp_path: Path) -> None:
    server = preloaded.ForkServer(tuple(COMMAND))
    pid = server.fork({**os.environ, "KUBECONFIG": str(tmp_path / "none")}, tmp_path / "log")
    program = Program("operator", pid, mark(), tmp_path / "log")
    program.signal(signal.SIGSTOP)
    server.close()
    wait_until(lambda: not program.is_running(), timeout=20, what="the end of the fork")
