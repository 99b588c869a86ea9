"""What shells and kubectl are told of names that are half-written."""

import asyncio
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.terminal import Terminal
from taskaction.cli import completion
from taskaction.cli.kubectl import complete
from taskaction.cli.session import Connect, Flags, Session, consoles
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import (
    ACTION_FLOW_RUNS,
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    NAMESPACES,
    TASK_ACTIONS,
)
from taskaction.cluster.memory import MemoryCluster
from taskaction.core.clock import SystemClock

KUBECONFIG = "contexts: [{name: near, context: {}}, {name: far, context: {}}]\n"


@pytest.fixture
def connect() -> Connect:
    terminal = Terminal(works=False)
    terminal.put(TASK_ACTIONS, "nap", status={"phase": "Running"})
    terminal.put(TASK_ACTIONS, "noon")
    terminal.put(TASK_ACTIONS, "night", namespace="elsewhere")
    terminal.put(ACTION_FLOW_RUNS, "nightly", status={"phase": "Failed"})
    terminal.put(ACTION_FLOWS, "deploy")
    terminal.put(ACTION_PROVIDERS, "own")
    terminal.put(CLUSTER_ACTION_PROVIDERS, "shared", namespace="")
    terminal.put(NAMESPACES, "elsewhere", namespace="")
    return to(terminal.cluster)


def to(cluster: MemoryCluster) -> Connect:
    @asynccontextmanager
    async def connect(flags: Flags) -> AsyncIterator[Session]:
        yield Session(cluster, "the cluster in memory", flags.namespace or "default", *consoles())

    return connect


@pytest.mark.parametrize(
    ("line", "offered"),
    {
        "get n": ["nap\tRunning", "noon\tQueued"],
        "get nap n": ["noon\tQueued"],
        "get -n elsewhere n": ["night\tQueued"],
        "describe ''": ["nap\tRunning", "noon\tQueued"],
        "abort noo": ["noon\tQueued"],
        "logs ta/na": ["ta/nap\tRunning"],
        "wait afr/": ["afr/nightly\tFailed"],
        "retry ActionFlowRun/n": ["ActionFlowRun/nightly\tFailed"],
        "get pods/": [],
        "get none": [],
        "run -e slee": ["sleep"],
        "run --provider ''": ["own"],
        "run --cluster-provider ''": ["shared"],
        "run --parent na": ["nap\tRunning"],
        "flow run ''": ["deploy"],
        "get -n e": ["elsewhere"],
        "get --phase Ab": ["Aborted"],
        "get -o js": ["json"],
        "logs nap --fol": ["--follow\tFollow until the action has ended."],
        "flow gr": ["graph\tDraw a definition as a Mermaid flowchart."],
    }.items(),
)
def test_kubectl_is_offered_names(
    line: str, offered: list[str], connect: Connect, capsys: pytest.CaptureFixture[str]
) -> None:
    assert complete(shlex.split(line), connect) == 0
    *words, directive = capsys.readouterr().out.splitlines()
    assert words == offered
    assert directive == (":4" if offered else ":0"), "names of files are offered where nothing else is"


def test_contexts_are_those_of_the_kubeconfig(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "config"
    complete(["get", "--kubeconfig", str(file), "--context", ""])
    assert capsys.readouterr().out.split() == [":0"], "there is no such file"
    file.write_text(KUBECONFIG)
    complete(["get", "--kubeconfig", str(file), "--context", "n"])
    assert capsys.readouterr().out.split() == ["near", ":4"]


class Refusing(MemoryCluster):
    """Lets nobody list anything."""

    def list(self, *_: object, **__: object):  # type: ignore[no-untyped-def, override]
        raise ForbiddenError("no")


class Silent(MemoryCluster):
    """Never answers."""

    async def list(self, *_: object, **__: object):  # type: ignore[no-untyped-def, override]
        await asyncio.Event().wait()
        yield {}


@pytest.mark.parametrize("cluster", [Refusing, Silent])
def test_a_cluster_that_does_not_tell_offers_nothing_and_breaks_nothing(
    cluster: type[MemoryCluster], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(completion, "PATIENCE_SECONDS", 0.01)
    complete(["get", ""], to(cluster(SystemClock())))
    told = capsys.readouterr()
    assert (told.out, told.err) == (":0\n", "")
