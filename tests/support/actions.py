"""TaskActions as tests write and read them."""

import json
from collections.abc import Callable, Iterable
from typing import Any

from cluster.kubectl import Kubectl
from support.api import create_objects, get_object, list_objects, patch_object, wait_for_answer, wait_for_object

API_VERSION = "taskaction.dev/v1alpha1"
TERMINAL = frozenset({"Succeeded", "Failed", "Aborted", "TimedOut"})

Body = dict[str, Any]


def action(name: str, executor: str = "noop", parameters: Body | None = None, **spec: Any) -> Body:
    """Give a manifest."""
    said = {"executor": executor} if "providerRef" not in spec else {}
    if parameters is not None:
        said["parameters"] = parameters
    return {"apiVersion": API_VERSION, "kind": "TaskAction", "metadata": {"name": name}, "spec": {**said, **spec}}


def create(kubectl: Kubectl, items: Iterable[Body]) -> None:
    """Create objects in their order."""
    create_objects(kubectl, items)


def patch(kubectl: Kubectl, name: str, spec: Body, *options: str) -> None:
    """Merge into an action's spec."""
    patch_object(kubectl, "ta", name, {"spec": spec}, *options)


def get(kubectl: Kubectl, name: str) -> Body:
    """Give one action."""
    return get_object(kubectl, "ta", name)


def get_all(kubectl: Kubectl) -> dict[str, Body]:
    """Give every action of the namespace by name."""
    return {item["metadata"]["name"]: item for item in list_objects(kubectl, "ta")}


def phase(item: Body) -> str:
    """Give an action's phase."""
    return str(item.get("status", {}).get("phase"))


def condition(item: Body, kind: str) -> Body:
    """Give one condition; empty where it is not set."""
    return next((one for one in item["status"].get("conditions", []) if one["type"] == kind), {})


def reason(item: Body) -> str:
    """Give why an action stands as it does."""
    return str(condition(item, "Finished" if phase(item) in TERMINAL else "Progressing").get("reason"))


def is_finished(item: Body) -> bool:
    """Tell whether an action has ended."""
    return phase(item) in TERMINAL


def wait_for(kubectl: Kubectl, name: str, check: Callable[[Body], bool] = is_finished, seconds: float = 30) -> Body:
    """Give the action once `check` holds; the time limit is only there to end a test that has failed."""
    return wait_for_object(kubectl, "ta", name, check, seconds)


def wait_for_phase(kubectl: Kubectl, name: str, expected: str, seconds: float = 30) -> Body:
    """Give the action once it is in a phase; another end fails at once."""
    found = wait_for(kubectl, name, lambda item: phase(item) == expected or is_finished(item), seconds)
    assert phase(found) == expected, json.dumps(found["status"], indent=1)
    return found


def wait_for_all(kubectl: Kubectl, check: Callable[[dict[str, Body]], bool], seconds: float = 60) -> dict[str, Body]:
    """Give every action of the namespace once `check` holds."""

    def describe(found: dict[str, Body]) -> str:
        return f"after {seconds} s: {_states(found, check)[:4000]}"

    return wait_for_answer(lambda: get_all(kubectl), check, seconds, describe)


def _states(found: dict[str, Body], check: Callable[[dict[str, Body]], bool]) -> str:
    """Give the states of the actions that fail the check alone, or of all when only the whole fails it."""
    late = {name: item for name, item in found.items() if not check({name: item})}
    return json.dumps({name: [phase(item), _metadata(item)] for name, item in (late or found).items()}, indent=1)


def _metadata(item: Body) -> Body:
    """Give what says why an object is still there."""
    told = ("creationTimestamp", "deletionTimestamp", "finalizers", "ownerReferences", "resourceVersion", "labels")
    return {field: item["metadata"][field] for field in told if field in item["metadata"]}


def all_finished(found: dict[str, Body]) -> bool:
    """Tell whether every action has ended."""
    return all(is_finished(item) for item in found.values())


def all_finished_and_free(found: dict[str, Body]) -> bool:
    """Tell whether every action has ended and been let go of, which comes after its end is on record."""
    return all_finished(found) and not any("finalizers" in item["metadata"] for item in found.values())


def none_left(found: dict[str, Body]) -> bool:
    """Tell whether every action is gone."""
    return not found
