"""Every example does what its README promises: the same files that a user applies, on a real API server."""

import sys
from collections.abc import Iterator

import pytest

from cluster.kubectl import Kubectl
from cluster.ports import is_listening
from cluster.processes import start, wait_until
from local.demo import SERVER, SERVER_PORT
from local.examples import Example, read_all


@pytest.fixture(scope="module", autouse=True)
def outside_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The server that the http examples call."""
    log = tmp_path_factory.mktemp("server") / "server.log"
    server = start("demo server", [sys.executable, str(SERVER)], mark=str(SERVER), log=log, tied=True)
    wait_until(lambda: is_listening(SERVER_PORT), timeout=15, what="the demo server to answer", program=server)
    yield
    server.end()


PLAIN = [example for example in read_all() if not example.needs_pods]
WITH_PODS = [example for example in read_all() if example.needs_pods]


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("example", PLAIN, ids=lambda example: example.name)
def test_an_example_ends_as_it_promises(example: Example, kubectl: Kubectl) -> None:
    assert_it_keeps_its_promise(example, kubectl)


@pytest.mark.usefixtures("node_operator")
@pytest.mark.parametrize("example", WITH_PODS, ids=lambda example: example.name)
def test_an_example_with_pods_ends_as_it_promises(example: Example, node_kubectl: Kubectl) -> None:
    assert_it_keeps_its_promise(example, node_kubectl)


def assert_it_keeps_its_promise(example: Example, kubectl: Kubectl) -> None:
    said: list[str] = []
    results = example.run(kubectl, say=said.append)
    assert results
    assert [(result.action, result.phase) for result in results] == list(example.expected.items()), "\n".join(said)


@pytest.mark.parametrize("example", read_all(), ids=lambda example: example.name)
def test_an_example_says_what_it_shows(example: Example) -> None:
    text = (example.folder / "README.md").read_text()
    assert text.startswith("# ")
    assert "kubectl apply" in text
    for name in example.expected:
        assert name in "\n".join(path.read_text() for path in example.manifests)
