"""The programs themselves, as people start them, against a real API server and an operator at work."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.actions import action, create, wait_for_phase

BIN = Path(sys.executable).parent
PATIENCE = 100
NOBODY = "https://127.0.0.1:9"
"""The port of a service that no machine has any more."""


class CommandLine:
    """Runs `taskaction` in a namespace."""

    def __init__(self, kubeconfig: Path, namespace: str) -> None:
        self.kubeconfig, self.namespace = kubeconfig, namespace

    def environment(self) -> dict[str, str]:
        path = os.pathsep.join((str(BIN), os.environ["PATH"]))
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "PATH": path}

    def start(self, *words: str, program: str = "taskaction", **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [program if program == "kubectl" else str(BIN / program), *words, f"--namespace={self.namespace}"],
            env=self.environment() | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str, code: int = 0, **more: str) -> tuple[str, str]:
        with self.start(*words, **more) as running:
            out, err = running.communicate(timeout=PATIENCE)
        assert running.returncode == code, out + err
        return out, err


@pytest.fixture
def taskaction(operator, kubeconfig: Path, namespace: str) -> CommandLine:
    """The command line beside the module's operator."""
    return CommandLine(kubeconfig, namespace)


def test_actions_are_run_followed_and_told_by_their_exit_codes(taskaction: CommandLine) -> None:
    started = [
        taskaction.start("run", "good", "-e", "noop", "-p", 'output={"answer": 42}'),
        taskaction.start("run", "bad", "-e", "fail", "-p", "message=oops"),
        taskaction.start("run", "late", "-e", "sleep", "-p", "duration=1h", "--total-timeout", "1s"),
    ]
    told = [running.communicate(timeout=PATIENCE) for running in started]
    assert [running.returncode for running in started] == [0, 1, 4], told
    assert json.loads(told[0][0]) == {"answer": 42}
    assert "FailedOnPurpose" in told[1][1]


def test_kubectl_finds_the_plugin(taskaction: CommandLine, kubectl: Kubectl) -> None:
    create(kubectl, [action("one", executor="sleep", parameters={"duration": "1h"})])
    wait_for_phase(kubectl, "one", "Running")
    (own, _), by_kubectl = taskaction("get", "one"), kubectl("get", "taskaction", "one")
    with taskaction.start("taskaction", "get", "one", program=str(kubectl.program)) as running:
        plugged, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0, err
    headers = {text.splitlines()[0].replace(" ", "") for text in (own, plugged, by_kubectl)}
    assert headers == {"NAMEPHASEEXECUTORPROVIDERTASKATTEMPTMESSAGEAGE"}
    assert plugged.splitlines()[1].split()[:3] == ["one", "Running", "sleep"]


def test_kubectl_completes_names(taskaction: CommandLine, kubectl: Kubectl) -> None:
    create(kubectl, [action(name, executor="approval", parameters={"prompt": "?"}) for name in ("first", "second")])
    words = ["taskaction", "get", f"--namespace={taskaction.namespace}", "first", "s"]
    told = subprocess.run(
        [kubectl.program, "__complete", *words],
        env=taskaction.environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    assert [line.split("\t")[0] for line in told.stdout.splitlines()] == ["second", ":4"], told.stderr


def test_an_action_is_answered_described_and_aborted(taskaction: CommandLine, kubectl: Kubectl) -> None:
    create(kubectl, [action(name, executor="approval", parameters={"prompt": "ship?"}) for name in ("ask", "never")])
    for name in ("ask", "never"):
        wait_for_phase(kubectl, name, "Paused")
    aborting = taskaction.start("abort", "never", "-r", "not today", "--wait")
    taskaction("signal", "ask", "yes")
    taskaction("wait", "ask", "--timeout", "20s")
    assert aborting.communicate(timeout=PATIENCE)[0] == "taskaction.taskaction.dev/never is being aborted\n"
    out, _ = taskaction("describe", "never")
    assert "not today" in out
    assert "by " in out, "the policy has stamped who it was"
    again, _ = taskaction("retry", "never", "--no-wait", "-o", "json")
    assert json.loads(again)["metadata"]["annotations"]["taskaction.dev/retry-of"] == "never"


def test_a_tree_and_a_log_are_followed_to_the_end(taskaction: CommandLine, kubectl: Kubectl) -> None:
    nap = {"duration": "3s"}
    parent = action("parent", executor="sleep", parameters=nap)
    create(kubectl, [parent, action("child", executor="sleep", parameters=nap, parentRef={"name": "parent"})])
    following = [taskaction.start("tree", "parent", "-w"), taskaction.start("logs", "child", "-f")]
    (tree, _), (log, err) = [running.communicate(timeout=PATIENCE) for running in following]
    above, below = tree.splitlines()
    assert above.startswith("parent  Succeeded")
    assert below.startswith("└── child  Succeeded")
    assert log.splitlines()[-1].split()[1] == "Succeeded", err


def test_ctrl_c_leaves_the_action_at_work_and_says_so(taskaction: CommandLine, kubectl: Kubectl) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job begins without it
    running = taskaction.start("run", "long", "-e", "sleep", "-p", "duration=1h")
    signal.signal(signal.SIGINT, before)
    assert running.stderr is not None
    assert next(line for line in running.stderr if "Running" in line)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == 130
    assert "`taskaction abort long`" in err
    assert "Traceback" not in err
    wait_for_phase(kubectl, "long", "Running")


def test_a_flow_is_run(taskaction: CommandLine, tmp_path: Path) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text("StartAt: A\nStates:\n  A: {Type: Pass, Parameters: {said: hello}, End: true}\n")
    out, err = taskaction("flow", "run", "-f", str(file), "--name", "one")
    assert "hello" in out
    assert "one  Succeeded" in err


def test_a_doctor_finds_a_healthy_cluster_healthy(taskaction: CommandLine) -> None:
    out, _ = taskaction("doctor", "-o", "json")
    levels = {one["what"]: one["level"] for one in json.loads(out) if one["level"] != "note"}
    assert levels.items() >= {("cluster", "ok"), ("crds", "ok"), ("policies", "ok"), ("your rights", "ok")}


def poor(crds: Cluster, namespace: str, folder: Path) -> Path:
    """Give the kubeconfig of an account that may do nothing."""
    crds.kubectl("create", "serviceaccount", "poor", f"--namespace={namespace}")
    token = crds.kubectl("create", "token", "poor", f"--namespace={namespace}").strip()
    config = yaml.safe_load(crds.kubectl("config", "view", "--raw", "--minify", "--flatten"))
    config["users"] = [{"name": config["users"][0]["name"], "user": {"token": token}}]
    path = folder / "poor"
    path.write_text(yaml.safe_dump(config))
    return path


def elsewhere(kubeconfig: Path, folder: Path, **cluster: str) -> Path:
    """Give the same kubeconfig with something of its cluster changed."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"] |= cluster
    path = folder / "elsewhere"
    path.write_text(yaml.safe_dump(config))
    return path


def test_what_stands_in_the_way_is_said_in_a_sentence(
    crds: Cluster, kubeconfig: Path, namespace: str, tmp_path: Path
) -> None:
    dead = elsewhere(kubeconfig, tmp_path, server=NOBODY)
    cases = [
        (
            CommandLine(poor(crds, namespace, tmp_path), namespace),
            ["get"],
            "ask an administrator for a RoleBinding in namespace",
        ),
        (CommandLine(dead, namespace), ["get"], "cannot reach"),
        (
            CommandLine(kubeconfig, "no-such-namespace"),
            ["run", "-e", "noop"],
            'namespaces "no-such-namespace" not found',
        ),
        (CommandLine(kubeconfig, namespace), ["get", "nobody"], "nobody not found in namespace"),
        (
            CommandLine(kubeconfig, namespace),
            ["run", "-e", "noop", "--ttl", "1h", "--priority", "9999"],
            "spec.priority",
        ),
        (CommandLine(kubeconfig, namespace), ["get", "--context", "other"], "context 'other' not found"),
    ]
    started = [line.start(*words) for line, words, _ in cases]
    for running, (_, words, says) in zip(started, cases, strict=True):
        out, err = running.communicate(timeout=PATIENCE)
        assert running.returncode in {2, 6}, (words, out, err)
        assert says in err, words
        assert len(err.splitlines()) == 1, err
