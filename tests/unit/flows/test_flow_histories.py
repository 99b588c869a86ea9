"""Runs that an earlier release has begun go on in the same way: recorded histories are replayed against today's code.

Where the machine decides otherwise on purpose, `support.flow_histories.replayed` gives the new steps, and the CHANGELOG
says what changes for runs that are under way.
"""

from pathlib import Path

import orjson
import pytest

from support.flow_histories import FOLDER, replayed

HISTORIES = sorted(FOLDER.glob("*.json"))


def test_there_are_histories() -> None:
    assert len(HISTORIES) >= 3


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_recorded_history_is_decided_as_it_was(path: Path) -> None:
    history = orjson.loads(path.read_bytes())
    assert replayed(history) == history["steps"]
