"""Commands that tests start by a fork are processes as those that are started by their name."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.processes import Program, start, wait_until
from local.operator_process import Launch, mark
from support import preloaded

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are ended with their server by Linux only")
COMMAND = [str(Path(sys.executable).with_name("taskaction")), "operator", "run"]


@pytest.fixture(params=[start, preloaded.fork], ids=["command", "fork"])
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


def test_a_fork_leads_a_group_and_tells_its_end(tmp_path: Path) -> None:
    program = run(preloaded.fork, tmp_path)
    assert os.getpgid(program.pid) == program.pid
    program.signal(signal.SIGSTOP)
    assert program.is_running()
    program.end()
    assert not program.is_running()
    assert program.popen is not None
    assert program.popen.returncode == -signal.SIGKILL


def test_forks_end_with_their_server(tmp_path: Path) -> None:
    server = preloaded.ForkServer()
    with (tmp_path / "log").open("wb") as log:
        child = server.fork(COMMAND, {**os.environ, "KUBECONFIG": str(tmp_path / "none")}, log, log)
    os.killpg(child.pid, signal.SIGSTOP)
    server.close()
    assert child.poll(seconds=20) == -signal.SIGKILL


@pytest.mark.parametrize("words", [["--version"], ["get", "one"], ["--help"], ["none"]], ids=" ".join)
def test_a_command_prints_the_same_and_ends_with_the_same_code(words: list[str], tmp_path: Path) -> None:
    env = {**os.environ, "KUBECONFIG": str(tmp_path / "none")}
    started = subprocess.run([COMMAND[0], *words], env=env, capture_output=True, text=True, check=False, timeout=60)
    forked = preloaded.run(words, env)
    assert (forked.returncode, forked.stdout, forked.stderr) == (started.returncode, started.stdout, started.stderr)
    assert forked.stdout + forked.stderr
