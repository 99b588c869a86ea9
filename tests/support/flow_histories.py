"""Histories of runs as JSON: what happened, and what the machine made of it; recorded once, replayed for ever.

`python -m support.flow_histories` in `tests/` records the flows of the examples anew. Do that only for a change of the
machine that runs under way are meant to feel: they go on from what an earlier release has written.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter

from local.manifests import ROOT
from support.flow_runs import FlowRun, failed, program, succeeded
from taskaction.flows.effects import ActionEnded, Effect, Event, FlowDecision, StartAction

HISTORIES = Path(__file__).parents[1] / "data" / "flows"
_EFFECTS: TypeAdapter[tuple[Effect, ...]] = TypeAdapter(tuple[Effect, ...])
_ENDS: TypeAdapter[list[ActionEnded]] = TypeAdapter(list[ActionEnded])


def shown(decision: FlowDecision) -> dict[str, Any]:
    """Give what must stay the same of a decision: what is kept of the run, and what is asked for."""
    return {"state": decision.state.to_json(), "effects": _EFFECTS.dump_python(decision.effects, mode="json")}


def events(documents: Any) -> list[ActionEnded]:
    """Read what happened."""
    return _ENDS.validate_python(documents)


def recorded(definition: dict[str, Any], given: Any) -> dict[str, Any]:
    """Run a flow, and give its history; actions end as their executors would end them."""
    run = FlowRun(program(definition["States"], definition["StartAt"]), ends)
    decision = run.begin(given)
    steps = [{"now": run.now.isoformat(), "events": [], **shown(decision)}]
    while decision.outcome is None:
        happened: list[Event] = [ends(one) for one in decision.effects if isinstance(one, StartAction)]
        if not happened and decision.wake_at is not None:
            run.now = max(run.now, decision.wake_at)
        decision = run.step(*happened)
        told = _ENDS.dump_python([one for one in happened if isinstance(one, ActionEnded)], mode="json")
        steps.append({"now": run.now.isoformat(), "events": told, **shown(decision)})
    return {"definition": definition, "input": given, "steps": steps}


def ends(effect: StartAction) -> ActionEnded:
    """Let an action end: approvals are answered by the first option, ``noop`` gives its output, ``fail`` fails."""
    executor = effect.url.rpartition("/")[2]
    if executor == "approval":
        return succeeded(effect, {"value": effect.body["schema"]["enum"][0], "by": "ann"})
    if executor == "fail":
        return failed(effect, {"code": effect.body["code"], "description": effect.body["message"]})
    return succeeded(effect, effect.body["output"])


def of_the_examples() -> Iterator[tuple[str, dict[str, Any]]]:
    """Give a history of each run of the examples."""
    for file in sorted((ROOT / "examples").glob("*/flow.yaml")):
        flow, *runs = yaml.safe_load_all(file.read_text())
        for run in runs:
            name = f"{file.parent.name}.{run['metadata']['name']}"
            yield name, recorded(flow["spec"]["definition"], run["spec"]["input"])


if __name__ == "__main__":
    HISTORIES.mkdir(parents=True, exist_ok=True)
    for name, history in of_the_examples():
        (HISTORIES / f"{name}.json").write_text(json.dumps(history, indent=1, sort_keys=True) + "\n")
