"""Real control planes: side by side, with their API server killed, and gone without a trace."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from cluster import controlplane
from cluster.controlplane import ControlPlane
from cluster.errors import ClusterError
from cluster.processes import command_line, wait_until

HACK = Path(controlplane.__file__).parents[1]


def processes_of(folder: Path) -> list[int]:
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if str(folder) in command_line(pid)]


def test_two_side_by_side_keep_their_data_over_a_killed_api_server_and_leave_nothing(programs: Path) -> None:
    with ControlPlane(programs) as one, ControlPlane(programs, kube_api_qps=50) as other:
        folders = [one.folder.path, other.folder.path]
        one.kubectl("create", "configmap", "only-here")
        assert "only-here" not in other.kubectl("get", "configmaps", "-o", "name")

        before = one.pids
        one.kill_apiserver()
        assert not one.is_running()
        assert other.is_running()
        one.start_apiserver()
        assert "only-here" in one.kubectl("get", "configmaps", "-o", "name")
        assert {name for name, pid in one.pids.items() if pid != before[name]} == {"kube-apiserver"}

        served = one.kubectl("api-resources", "--api-group=admissionregistration.k8s.io", "-o", "name").split()
        assert "mutatingadmissionpolicies.admissionregistration.k8s.io" in served
        assert "apiserver_request_total" in one.apiserver_metrics()
        assert all(processes_of(folder) for folder in folders)
    assert [processes_of(folder) for folder in folders] == [[], []]
    assert not any(folder.exists() for folder in folders)


def test_a_kept_one_outlives_its_starter_and_is_found_again(programs: Path, tmp_path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from cluster.controlplane import ControlPlane
        ControlPlane(Path(sys.argv[1]), state=Path(sys.argv[2])).start().kubectl("create", "configmap", "kept")
    """
    run_python(script, programs, tmp_path / "state")
    plane = ControlPlane.attach(tmp_path / "state")
    assert plane is not None
    try:
        plane.start()  # finds everything running
        assert "kept" in plane.kubectl("get", "configmaps", "-o", "name")
        plane.stop(keep_state=True)
        assert processes_of(tmp_path / "state") == []
        assert ControlPlane.attach(tmp_path / "state") is None
        with ControlPlane(programs, state=tmp_path / "state") as again:
            assert again.url == plane.url
            assert "kept" in plane.kubectl("get", "configmaps", "-o", "name")
    finally:
        plane.stop()
    assert processes_of(tmp_path / "state") == []
    assert not (tmp_path / "state").exists()


def test_kill_9_of_the_starter_leaves_nothing_behind(programs: Path, tmp_path: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from cluster.controlplane import ControlPlane
        plane = ControlPlane(Path(sys.argv[1])).start()
        print(plane.folder.path, flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(programs)]
    env = {**os.environ, "PYTHONPATH": str(HACK), "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        folder = Path(starter.stdout.readline().strip())
        assert len(processes_of(folder)) == 3
        starter.send_signal(signal.SIGKILL)
    wait_until(lambda: processes_of(folder) == [], timeout=20, what="the kernel to end the programs")
    assert folder.exists()  # files cannot tidy themselves up: the next start does
    run_python("from cluster.state import StateFolder; StateFolder.throw_away().remove()", TMPDIR=str(tmp_path))
    assert list(tmp_path.glob("taskaction-*")) == []


def test_an_api_server_that_cannot_start_says_why_and_takes_etcd_along(programs: Path) -> None:
    plane = ControlPlane(programs, apiserver_flags=["--no-such-flag"])
    folder = plane.folder.path
    with pytest.raises(ClusterError, match="unknown flag: --no-such-flag"):
        plane.start()
    assert processes_of(folder) == []
    assert not folder.exists()


def run_python(script: str, *arguments: Path, **env: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(script), *map(str, arguments)]
    subprocess.run(command, env={**os.environ, "PYTHONPATH": str(HACK), **env}, check=True)
