"""Where the e2e tests play: the chart's image on kind where Docker answers, else an operator of the checkout.

The tests are the same. A plug-in of pytest, named in `conftest.py`; its summary says what it was, and what was not run.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from cluster import clusters
from cluster.kubectl import Kubectl
from cluster.ports import is_listening
from cluster.processes import start, wait_until
from cluster.resolve import Existing, Kind, Surroundings
from image.build import Image, build
from local import manifests
from local.demo import SERVER, SERVER_PORT
from local.examples import Example
from support import shipped
from support.node import namespaced

in_namespace = contextmanager(namespaced)
NOT_SHIPPED = "cannot be played by the image that is shipped: "
ON_KIND = "the chart with the image of this checkout, on kind"
AS_PROCESS = "an operator of this checkout as a process, with the rights that the chart grants"
NO_DOCKER = "no Docker daemon answers here"
THEIR_CLUSTER = "KUBECONFIG names a cluster, and an image is put into no registry"


@dataclass
class Stage:
    """One way to play an example: gives a namespace in which an operator is at work, or skips with a reason."""

    title: str
    not_run: str = ""
    enter: Callable[[Example], AbstractContextManager[Kubectl]] = field(kw_only=True)

    def play(self, example: Example) -> AbstractContextManager[Kubectl]:
        """Give kubectl in a namespace for one example."""
        return self.enter(example)


SUMMARY = pytest.StashKey[tuple[str, str]]()
"""The title of the stage that was played on, and what was not run."""


@pytest.fixture(scope="module")
def stage(request: pytest.FixtureRequest) -> Iterator[Stage]:
    """The truest stage that can be had; it is set only once a test asks for it."""
    choice = shipped.choose_stage(Surroundings.here(manifests.ROOT / ".run"))
    if isinstance(choice, Kind):
        clusters.use_current_kind()
        cluster = clusters.KindCluster(request.getfixturevalue("kind_cluster"))
        with on_shipped(cluster, build()) as found:
            remember(request.config, found)
            yield found
        return
    why = THEIR_CLUSTER if isinstance(choice, Existing) else NO_DOCKER
    with outside_world():
        found = Stage(AS_PROCESS, f"{ON_KIND}: {why}", enter=as_process(request))
        remember(request.config, found)
        yield found


def remember(config: pytest.Config, stage: Stage) -> None:
    """Keep for the summary where was played; a worker of xdist tells it at its end."""
    config.stash[SUMMARY] = (stage.title, stage.not_run)
    if hasattr(config, "workeroutput"):
        config.workeroutput["stage"] = config.stash[SUMMARY]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in where a worker has played."""
    told = getattr(node, "workeroutput", {}).get("stage")
    if told is not None:
        node.config.stash[SUMMARY] = told


@contextmanager
def on_shipped(cluster: shipped.Importing, image: Image) -> Iterator[Stage]:
    """Install the chart with the image; the cluster may be kind, or a node of this project's."""
    helm = shipped.find_helm(cluster.kubeconfig)
    shipped.install(cluster, image, helm)

    def enter(example: Example) -> AbstractContextManager[Kubectl]:
        if why := shipped.lacks(example):
            pytest.skip(f"{NOT_SHIPPED}{why}")
        return in_namespace(cluster)

    yield Stage(ON_KIND, enter=enter)
    shipped.uninstall(cluster, helm)


def as_process(request: pytest.FixtureRequest) -> Callable[[Example], AbstractContextManager[Kubectl]]:
    """Run operators as processes: one beside a node for the examples that need pods, and one for the others."""

    def enter(example: Example) -> AbstractContextManager[Kubectl]:
        names = ("node_operator", "node_cluster") if example.needs_pods else ("operator", "crds")
        _, cluster = (request.getfixturevalue(name) for name in names)
        return in_namespace(cluster)

    return enter


@contextmanager
def outside_world() -> Iterator[None]:
    """Run the server that the http examples call."""
    log = manifests.ROOT / ".run" / "e2e-server.log"
    log.parent.mkdir(exist_ok=True)
    server = start("demo server", [sys.executable, str(SERVER)], mark=str(SERVER), log=log, tied=True)
    wait_until(lambda: is_listening(SERVER_PORT), timeout=15, what="the demo server to answer", program=server)
    yield
    server.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs a cluster, although it is asked for only at the end."""
    for item in items:
        if "stage" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.cluster)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say where the e2e tests have played, and what was not run."""
    found = config.stash.get(SUMMARY, None)
    if found is None:
        return
    title, not_run = found
    terminalreporter.write_line(f"e2e: played by {title}")
    if not_run:
        terminalreporter.write_line(f"e2e: NOT RUN by {not_run}", yellow=True)
    for report in terminalreporter.getreports("skipped"):
        if NOT_SHIPPED in str(report.longrepr):
            why = str(report.longrepr).partition(NOT_SHIPPED)[2].rstrip("')")
            terminalreporter.write_line(f"e2e: NOT RUN, {report.nodeid} {NOT_SHIPPED}{why}", yellow=True)
