"""Programs are recognised before they get a signal, and end with their starter."""

import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from cluster import processes
from cluster.errors import ClusterError
from cluster.processes import Program, command_line, start, wait_until

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_a_program_is_started_found_again_and_ended(tmp_path: Path) -> None:
    mark = str(tmp_path)
    program = start("sleeper", [*SLEEP, mark], mark=mark, log=tmp_path / "log", tied=True)
    again = Program.from_record(program.to_record())
    assert again.popen is None
    wait_until(again.is_running, timeout=10, what="the exec")
    program.end()
    assert not again.is_running()
    again.end()


def test_a_stranger_with_the_same_pid_gets_no_signal(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as stranger:
        taken = Program("sleeper", stranger.pid, str(tmp_path), tmp_path / "log")
        assert not taken.is_running()
        taken.signal(signal.SIGKILL)
        taken.end()
        assert stranger.poll() is None
        stranger.kill()


def test_a_program_that_heeds_no_request_is_killed(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    )
    log = tmp_path / "log"
    program = start("stubborn", [sys.executable, "-c", stubborn, str(tmp_path)], mark=str(tmp_path), log=log, tied=True)
    wait_until(lambda: log.read_text() != "", timeout=10, what="its first word", program=program)
    program.end(grace=0.1)
    assert not program.is_running()


def test_a_program_that_dies_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('the port is taken')", str(tmp_path)]
    program = start("etcd", command, mark=str(tmp_path), log=tmp_path / "log", tied=False)
    with pytest.raises(ClusterError, match=r"etcd has ended(.|\n)*the port is taken"):
        wait_until(lambda: False, timeout=30, what="etcd", program=program)


def test_a_wait_in_vain_says_for_what() -> None:
    with pytest.raises(ClusterError, match="for the moon in vain"):
        wait_until(lambda: False, timeout=0, what="the moon")


@pytest.mark.parametrize(
    ("took", "every", "pause"),
    [(0.0, None, 0.05), (0.01, None, 0.05), (0.1, None, 0.4), (2.0, None, 0.5), (2.0, 0.1, 0.1)],
)
def test_the_pause_after_a_check_grows_with_the_time_that_it_takes_unless_it_is_set(
    took: float, every: float | None, pause: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, pauses = [0.0], []

    def check() -> bool:
        now[0] += took
        return len(pauses) == 2

    def sleep(seconds: float) -> None:
        now[0] += seconds
        pauses.append(seconds)

    monkeypatch.setattr(processes, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    wait_until(check, timeout=60, what="the third answer", every=every)
    assert pauses == pytest.approx([pause, pause])


def test_a_pid_that_is_gone_has_no_command_line() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as short:
        short.wait()
    assert command_line(short.pid) == ""


def test_what_a_program_has_started_ends_with_it(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; child = subprocess.Popen(sys.argv[2:]); print(child.pid, flush=True); child.wait()"
    )
    log, mark = tmp_path / "log", str(tmp_path)
    program = start("parent", [sys.executable, "-c", script, mark, *SLEEP], mark=mark, log=log, tied=True)
    wait_until(lambda: log.read_text() != "", timeout=10, what="the child", program=program)
    child = int(log.read_text())
    program.end()
    wait_until(lambda: command_line(child) == "", timeout=10, what="the end of the child")
