"""Every example does what its README promises: the same files that a user applies, on a real API server."""

import pytest

from cluster.kubectl import Kubectl
from local.examples import Example, read_all
from support.stages import Stage


@pytest.mark.parametrize("example", read_all(), ids=lambda example: example.name)
def test_an_example_ends_as_it_promises(example: Example, stage: Stage) -> None:
    with stage.play(example) as kubectl:
        assert_it_keeps_its_promise(example, kubectl)


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
        assert name.rpartition("/")[2] in "\n".join(path.read_text() for path in example.manifests)
