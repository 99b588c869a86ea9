"""The one-node cluster on this machine: several at once, found again, and gone without a trace."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

from cluster import cgroups, controlplane
from cluster.node.link import Link
from cluster.node.nodecluster import NodeCluster
from cluster.processes import command_line, wait_until
from cluster.state import clear_abandoned

HACK = Path(controlplane.__file__).parents[1]
IMAGE = "--image=busybox:1.36"
SLEEP = ("--", "sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait")
GONE_SECONDS = 20


def what_is_left(folder: Path, link: Link) -> dict[str, list[object]]:
    """Give everything on the host that belongs to a cluster."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return {
        "processes": [pid for pid in pids if str(folder) in command_line(pid)],
        "pods": [path for path in Path("/proc").glob("[0-9]*/cgroup") if link.name in read(path)],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(folder) in line],
        "links": [link.name] if link.exists() else [],
        "control groups": list(cgroups.found(link.name)),
        "folder": [folder] if folder.exists() else [],
    }


def read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it has ended
        return ""


def nothing_but(left: dict[str, list[object]], *names: str) -> bool:
    return {name for name, found in left.items() if found} <= set(names)


def run_pod(cluster: NodeCluster) -> None:
    cluster.kubectl("run", "sleeper", IMAGE, *SLEEP)
    cluster.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=60s", timeout=70)


def test_two_side_by_side_know_nothing_of_each_other_and_leave_nothing(node_programs: Path) -> None:
    with NodeCluster(node_programs) as one, NodeCluster(node_programs) as other:
        run_pod(one)
        assert "sleeper" not in other.kubectl("get", "pods", "-o", "name")
        run_pod(other)
        pairs = [(one.folder.path, one.link), (other.folder.path, other.link)]
        for folder, link in pairs:
            left = what_is_left(folder, link)
            assert left["mounts"] == []  # they are in its own namespace
            assert [name for name, found in left.items() if not found] == ["mounts"]
    for folder, link in pairs:
        wait_until(lambda link=link: not link.exists(), timeout=GONE_SECONDS, what="the kernel to take the link away")
        assert nothing_but(what_is_left(folder, link))


def test_a_kept_one_goes_on_where_it_was_stopped(node_programs: Path, tmp_path: Path) -> None:
    state = tmp_path / "a-long-name-for-a-folder-so-that-no-socket-in-it-could-have-a-path-that-the-kernel-takes"
    first = NodeCluster(node_programs, state=state).start()
    try:
        run_pod(first)
        found = NodeCluster.attach(state)
        assert found is not None
        assert found.start().url == first.url
        found.stop(keep_state=True)
        assert NodeCluster.attach(state) is None
        first.start()
        restarts = "jsonpath={.status.containerStatuses[0].restartCount}"
        first.kubectl("wait", "pod/sleeper", f"--for={restarts}=1", "--timeout=60s", timeout=70)
        first.kubectl("wait", "pod/sleeper", "--for=condition=Ready", "--timeout=60s", timeout=70)
    finally:
        first.stop()
    wait_until(lambda: not first.link.exists(), timeout=GONE_SECONDS, what="the kernel to take the link away")
    assert nothing_but(what_is_left(state, first.link))


def test_kill_9_of_the_starter_ends_all_that_runs_and_the_next_start_removes_the_rest(node_programs: Path) -> None:
    script = """
        import sys
        from pathlib import Path
        from cluster.node.nodecluster import NodeCluster
        cluster = NodeCluster(Path(sys.argv[1])).start()
        print(cluster.folder.path, cluster.link.number, flush=True)
        sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(node_programs)]
    env = {**os.environ, "PYTHONPATH": str(HACK)}
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        place, number = starter.stdout.readline().split()
        folder, link = Path(place), Link(int(number))
        assert what_is_left(folder, link)["processes"]
        starter.send_signal(signal.SIGKILL)

    def ended() -> bool:
        return nothing_but(what_is_left(folder, link), "control groups", "folder")

    wait_until(ended, timeout=GONE_SECONDS, what="the kernel to end everything")
    clear_abandoned()
    assert nothing_but(what_is_left(folder, link))
