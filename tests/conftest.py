"""Fixtures for everything that needs a real API server; tests without one never start it."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from cluster import clusters
from cluster.clusters import Cluster
from cluster.controlplane import ControlPlane
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.resolve import Build, Choice, Existing, Kind, Programs, Surroundings, choose
from local import manifests
from support.cluster import new_namespace
from support.scheduling import SharedStart

pytest_plugins = ["support.operators", "support.node", "support.port_fixtures", "support.stages", "support.slowest"]

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # how busy it is says nothing about the code

MOST_CLUSTERS = 4
"""Clusters at the same time; one with its operators takes about 1 GiB of memory."""

GC_THRESHOLDS = (20_000, 20, 50)
"""Collections of garbage of each generation; reference counts free almost everything that a test leaves."""

AS_IN_THE_IMAGE = Path(__file__).parent / "support" / "as_in_the_image"

STARTERS = {"cluster", "programs", "node_cluster", "node_programs", "simulated_cluster"}
"""The fixtures that everything on a real API server depends on."""

PODS = {"node_cluster", "node_programs", "simulated_cluster"}
"""Those of them that need more than a control plane."""


SLOWEST = (
    "e2e",
    "integration/node/test_true_pods",
    "integration/node/test_node.",
    "integration/results/test_pods.",
    "integration/operator/test_tree",
    "integration/chart/test_chart_install",
    "integration/replicas",
    "integration/node",
    "integration/hack/test_controlplane",
    "integration/actions/test_flyte_sdk.",
    "integration/webhooks/test_inbox.",
    "integration/portagent",
    "integration/operator/test_limits",
    "integration/operator/test_outages",
    "integration/operator/test_api_server_faults",
    "integration/flows",
    "integration/cli",
    "integration/testing",
    "integration/globus",
    "integration/chart",
)
"""Files, by how their paths begin, that take more than half a minute: they start first, so that none is last alone."""


def pytest_configure() -> None:
    """Start processes of tests with what the image has, and let them share the modules that they compile.

    Where the environment forbids to write bytecode, each of hundreds of processes would compile the package again.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(AS_IN_THE_IMAGE), os.environ.get("PYTHONPATH"))))


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Return how many files run at the same time: each has a cluster of its own, because operators watch all of it.

    These tests wait more than they compute, so two more than there are cores. Tests without a cluster say
    `-n logical`, and get what xdist itself would give.
    """
    if config.option.numprocesses == "logical":
        return None
    if not isinstance(resolved(), Build | Programs):
        return 0
    return min(MOST_CLUSTERS, (os.cpu_count() or 1) + 2)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep together what starts something together; other ways to share tests out are xdist's own."""
    return SharedStart(config, log) if config.option.dist == "loadfile" else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _place(item.path))
    for item in items:
        if STARTERS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.cluster)
        if PODS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.pods)


def _place(path: Path) -> int:
    file = path.relative_to(manifests.ROOT / "tests").as_posix()
    return next((place for place, slow in enumerate(SLOWEST) if file.startswith(slow)), len(SLOWEST))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Collect without searches for garbage, which take a quarter of the CPU time: what is imported and found stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build before the first test, outside of its timeout and where the progress can be seen."""
    collect_garbage_less_often()
    if session.config.option.collectonly or not any(item.get_closest_marker("cluster") for item in session.items):
        return
    choice = resolved()
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    say = terminal.write_line if terminal is not None else print  # a worker of xdist has none
    if isinstance(choice, Build):
        clusters.programs_folder(choice, say=say)
    if isinstance(choice, Build | Programs) and any(item.get_closest_marker("pods") for item in session.items):
        clusters.prepare_pods(clusters.programs_folder(choice), say=say)


def collect_garbage_less_often() -> None:
    """Save the fifth of the CPU time of unit tests that searches among modules and collected tests would take."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def resolved(*, own: bool = False) -> Choice:
    try:
        return choose(Surroundings.here(manifests.ROOT / ".run"), own=own)
    except ClusterError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The session's cluster, whichever way it came to be."""
    choice = resolved()
    if isinstance(choice, Existing):
        found: Cluster = clusters.ExistingCluster(choice)
    elif isinstance(choice, Kind):
        clusters.use_current_kind()
        kind = request.getfixturevalue("kind_cluster")  # ends it, too
        yield clusters.KindCluster(kind)
        return
    else:
        found = ControlPlane(clusters.programs_folder(choice)).start()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def control_plane(cluster: Cluster) -> ControlPlane:
    """The session's cluster where its API server may be killed, paused and counted; put it right again afterwards."""
    if not isinstance(cluster, ControlPlane):
        pytest.skip("needs a control plane of its own: unset KUBECONFIG, or build one by `make up`")
    return cluster


@pytest.fixture(scope="session")
def programs() -> Path:
    """The folder of etcd, kube-apiserver, kube-controller-manager and kubectl, to start further control planes from."""
    return clusters.programs_folder(resolved(own=True))


@pytest.fixture(scope="session")
def crds(cluster: Cluster) -> Cluster:
    """The cluster with CRDs and admission policies."""
    manifests.install(cluster.kubectl)
    return cluster


@pytest.fixture(scope="session")
def kubeconfig(crds: Cluster) -> Path:
    """The path of a kubeconfig with all rights."""
    return crds.kubeconfig


@pytest.fixture
def namespace(crds: Cluster) -> Iterator[str]:
    """A namespace of the test's own."""
    with new_namespace(crds, "test") as name:
        yield name


@pytest.fixture
def kubectl(crds: Cluster, namespace: str) -> Kubectl:
    """Kubectl in the test's namespace; `kubectl("get", "ta")` gives the stdout, a refusal raises KubectlError."""
    return crds.kubectl.within(namespace)
