"""Fixtures for pods, true ones and simulated ones; a plug-in of pytest, named in `conftest.py`.

Where true pods cannot be had, the tests that need them are skipped, and the summary says which and why.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import clusters, equipment, pods
from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.nodes import has_node
from cluster.pods import Way
from cluster.resolve import Build, Existing, Programs, Surroundings, choose, docker_answers
from cluster.simulated import SimulatedNode
from local import manifests
from local.operator_process import Operator
from support.cluster import new_namespace
from support.operators import QUICK_LEASES, Operators
from support.scheduling import ON_THE_NODE

RUN = manifests.ROOT / ".run"
NO_PODS = "true pods could not be run: "
NODE = pytest.StashKey[Cluster]()


@pytest.fixture(scope="module")
def node_cluster(request: pytest.FixtureRequest) -> Cluster:
    """A cluster that truly runs pods, with the project's kinds: the user's own, one on this machine, or kind.

    The modules of `ON_THE_NODE` share it. It ends with the last of them, because a node that idles is costly.
    """
    stash = request.session.stash
    if NODE not in stash:
        stash[NODE] = true_pods(request)
        manifests.install(stash[NODE].kubectl)
    return stash[NODE]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Stop the node after the fixtures of the last test on it."""
    try:
        yield
    finally:
        stays = nextitem is not None and (nextitem.path == item.path or nextitem.path.name in ON_THE_NODE)
        if NODE in item.session.stash and not stays:
            stop_node(item.session.stash)


def stop_node(stash: pytest.Stash) -> None:
    """Stop and forget the cluster; that of kind is ended by its own fixture."""
    if not isinstance(stash[NODE], clusters.KindCluster):
        stash[NODE].stop()
    del stash[NODE]


def true_pods(request: pytest.FixtureRequest) -> Cluster:
    """Give the first such cluster that can be had."""
    choice = choose(Surroundings.here(RUN))
    if isinstance(choice, Existing):
        found = clusters.ExistingCluster(choice)
        if has_node(found.kubectl):
            return found
        found.stop()
        pytest.skip(f"{NO_PODS}the cluster of KUBECONFIG has no node that is ready")
    if isinstance(choice, Programs | Build):
        folder = clusters.programs_folder(choice)
        decided = pods.choose(pods.Surroundings.here(folder))
        if decided.way is Way.REAL:
            return clusters.control_plane(folder, Way.REAL).start()
        if not docker_answers():
            pytest.skip(f"{NO_PODS}{decided.why}")
    clusters.use_current_kind()
    return clusters.KindCluster(request.getfixturevalue("kind_cluster"))


@pytest.fixture(scope="session")
def node_programs() -> Path:
    """The programs of a control plane with a node, to start further ones from."""
    folder = clusters.programs_folder(own_choice())
    decided = pods.choose(pods.Surroundings.here(folder))
    if decided.way is not Way.REAL:
        pytest.skip(f"{NO_PODS}{decided.why}")
    return equipment.build(folder, equipment.REAL)


@pytest.fixture
def node_kubectl(node_cluster: Cluster) -> Iterator[Kubectl]:
    """Kubectl in a namespace of the test's own, in which pods truly run."""
    yield from namespaced(node_cluster)


@pytest.fixture(scope="module")
def node_operators(node_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    """Start operators on the cluster that truly runs pods, for the tests of one module."""
    found = Operators(node_cluster, tmp_path_factory.mktemp("operators"))
    yield found
    found.close()


@pytest.fixture(scope="module")
def node_operator(node_operators: Operators) -> Operator:
    """One operator on the cluster that truly runs pods, for the tests of one module."""
    return node_operators.start(QUICK_LEASES)


@pytest.fixture(scope="module")
def simulated_cluster() -> Iterator[SimulatedNode]:
    """A control plane whose pods kwok plays, with the project's kinds."""
    folder = clusters.programs_folder(own_choice())
    if missing := pods.Surroundings.here(folder).lacking(equipment.SIMULATED):
        pytest.skip(f"kwok cannot be had: {missing}")
    with SimulatedNode(equipment.build(folder, equipment.SIMULATED)) as found:
        manifests.install(found.kubectl)
        yield found


@pytest.fixture
def simulated_kubectl(simulated_cluster: SimulatedNode) -> Iterator[Kubectl]:
    """Kubectl in a namespace of the test's own, in which pods complete without running."""
    yield from namespaced(simulated_cluster)


def own_choice() -> Programs | Build:
    """Give the way to a control plane of one's own."""
    choice = choose(Surroundings.here(RUN), own=True)
    assert isinstance(choice, Programs | Build)
    return choice


def namespaced(cluster: Cluster) -> Iterator[Kubectl]:
    """Give a namespace for the time of a test."""
    with new_namespace(cluster, "test") as name:
        yield cluster.kubectl.within(name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which tests found no true pods; a line of its own, since skips are easily overlooked."""
    skipped = [report for report in terminalreporter.getreports("skipped") if NO_PODS in str(report.longrepr)]
    if skipped:
        why = str(skipped[0].longrepr[2]).partition(NO_PODS)[2]
        terminalreporter.write_line(f"NOT RUN, since {NO_PODS}{why}", yellow=True)
        for report in skipped:
            terminalreporter.write_line(f"  {report.nodeid}")
