"""Runs that an earlier release began go on in this one: recorded histories give the same, step by step."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.flow_histories import HISTORIES, events, shown
from support.flow_runs import program
from taskaction.flows.machine import start, step
from taskaction.flows.state import FlowState

FILES = sorted(HISTORIES.glob("*.json"))


def test_there_are_histories() -> None:
    assert len(FILES) >= 6


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_recorded_run_is_carried_on_as_it_was(file: Path) -> None:
    history: dict[str, Any] = json.loads(file.read_text())
    definition = history["definition"]
    ready = program(definition["States"], definition["StartAt"])
    first, *steps = history["steps"]
    decision = start(ready, "run-1", history["input"], {}, datetime.fromisoformat(first["now"]))
    assert shown(decision) == {name: first[name] for name in ("state", "effects")}
    before = first["state"]
    for one in steps:
        now = datetime.fromisoformat(one["now"])
        decision = step(ready, FlowState.from_json(before), events(one["events"]), now)
        assert shown(decision) == {name: one[name] for name in ("state", "effects")}
        before = one["state"]
    assert decision.outcome is not None
