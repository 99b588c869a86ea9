"""Inputs that `make fuzz` has found, or begins with, are refused or served: nothing raises, and nothing hangs."""

import pytest

from support.fuzz_targets import CORPUS, TARGETS

INPUTS = [(name, path) for name in TARGETS for path in sorted((CORPUS / name).iterdir())]


@pytest.mark.parametrize(("name", "path"), INPUTS, ids=[f"{name}-{path.name}" for name, path in INPUTS])
@pytest.mark.timeout(5)
def test_an_input_of_the_corpus_is_refused_or_served(name, path) -> None:
    TARGETS[name](path.read_bytes())


def test_every_target_has_a_corpus() -> None:
    assert {name for name, _ in INPUTS} == set(TARGETS)
