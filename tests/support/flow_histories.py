"""Histories of runs as they were recorded: a definition, what happened, and what the machine made of it each time."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from taskaction.flows.effects import ActionEnded, ActionPaused, CancelAction, Event, FlowDecision, StartAction
from taskaction.flows.machine import start, step
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.flows.state import FlowState
from taskaction.testing.clock import START

FOLDER = Path(__file__).parents[1] / "data" / "flow_histories"


def replayed(history: dict[str, Any]) -> list[dict[str, Any]]:
    """Give what today's machine makes of each step, from the state as it was written before."""
    program = compile_definition(history["definition"])
    assert isinstance(program, FlowProgram), program
    told = [told_of(start(program, "run", history["input"], {"run_id": "run"}, START))]
    for number, happened in enumerate(history["happened"]):
        before = FlowState.from_json(history["steps"][number]["state"] if history.get("steps") else told[-1]["state"])
        told.append(told_of(step(program, before, [event_of(one) for one in happened["events"]], moment(happened))))
    return told


def moment(happened: dict[str, Any]) -> datetime:
    """Give when it happened."""
    return START + timedelta(seconds=happened["after"])


def event_of(one: dict[str, Any]) -> Event:
    """Give an event as the machine takes it."""
    if "paused" in one:
        return ActionPaused(one["visit"], one["paused"])
    result = {"action_id": one["visit"], "status": one["status"], "details": one.get("details", {})}
    return ActionEnded(one["visit"], result, error=one.get("error"))


def told_of(decision: FlowDecision) -> dict[str, Any]:
    """Give a decision as it is recorded."""
    effects = [[one.visit, one.url, one.body] for one in decision.effects if isinstance(one, StartAction)]
    stopped = [one.visit for one in decision.effects if isinstance(one, CancelAction)]
    state = orjson.loads(orjson.dumps(decision.state.to_json()))
    state.pop("entered", None)  # not counted when the histories were recorded
    return {
        "state": state,
        "starts": effects,
        "stops": stopped,
        "codes": [entry.code for entry in decision.entries],
        "wake_at": decision.wake_at.isoformat() if decision.wake_at is not None else None,
    }
