"""Limits of providers on a real API server: how many at a time, how many over time, how many may wait."""

import itertools
import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from cluster.kubectl import Kubectl
from local.operator_process import Operator
from support.actions import (
    Body,
    action,
    all_finished,
    create,
    get,
    is_finished,
    patch,
    phase,
    reason,
    wait_for,
    wait_for_all,
    wait_for_phase,
)
from support.api import get_object
from support.operators import metric

pytestmark = pytest.mark.usefixtures("operator")
SETTINGS = {"TASKACTION_WORKERS_COUNT": "16"}
REF = {"kind": "ActionProvider", "name": "offer"}


def provider(executor: str = "sleep", **spec: object) -> Body:
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": "offer"},
        "spec": {"executor": executor, **spec},
    }


def offered(name: str, seconds: float = 1.0, **spec: object) -> Body:
    return action(name, parameters={"duration": f"{seconds}s"}, providerRef=REF, **spec)


def spans(found: dict[str, Body]) -> list[tuple[datetime, datetime, str]]:
    """Give when each action was under way."""
    return sorted(
        (moment(item["status"]["startedAt"]), moment(item["status"]["finishedAt"]), name)
        for name, item in found.items()
        if "startedAt" in item["status"]
    )


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def most_at_once(found: dict[str, Body]) -> int:
    return max(sum(begin <= other < end for begin, end, _ in spans(found)) for other, _, _ in spans(found))


def provider_status(kubectl: Kubectl) -> Body:
    return get_object(kubectl, "ap", "offer").get("status", {})


def test_no_more_than_max_concurrent_are_under_way_and_others_wait_for_nothing(kubectl: Kubectl) -> None:
    create(kubectl, [provider(limits={"maxConcurrent": 2}), *(offered(f"a{n}", 0.7) for n in range(6)), action("free")])
    wait_for_phase(kubectl, "free", "Succeeded", seconds=5)
    found = wait_for_all(kubectl, all_finished)
    del found["free"]

    assert {phase(item) for item in found.values()} == {"Succeeded"}
    assert most_at_once(found) == 2


def test_a_key_goes_one_at_a_time_in_order_and_keys_side_by_side(kubectl: Kubectl) -> None:
    create(kubectl, [provider()])
    for number in range(3):
        create(kubectl, [offered(f"{key}{number}", 0.4, partitionKey=key) for key in "ab"])
        time.sleep(1.05)  # creation times have seconds, and this is about their order
    found = wait_for_all(kubectl, all_finished)
    for key in "ab":
        mine = spans({name: item for name, item in found.items() if name.startswith(key)})
        assert [name for _, _, name in mine] == [f"{key}{number}" for number in range(3)]
        assert all(end <= begin for (_, end, _), (begin, _, _) in itertools.pairwise(mine))


def test_a_rate_is_kept_and_those_that_wait_for_it_say_until_when(kubectl: Kubectl) -> None:
    create(
        kubectl,
        [
            provider(limits={"rate": {"requests": 2, "per": "6s", "burst": 2}}),
            *(offered(f"a{n}", 0.01) for n in range(5)),
        ],
    )
    waiting = wait_for_all(kubectl, lambda found: sum(reason(item) == "RateLimited" for item in found.values()) >= 2)
    shown = next(item for item in waiting.values() if reason(item) == "RateLimited")
    assert phase(shown) == "WaitingForResources"
    assert "until" in shown["status"]["message"]
    assert moment(shown["status"]["nextAttemptAt"]) > moment(shown["metadata"]["creationTimestamp"])
    assert moment(provider_status(kubectl)["rateUsedUntil"])

    starts = [begin.timestamp() for begin, _, _ in spans(wait_for_all(kubectl, all_finished))]
    for first, last in itertools.combinations(range(5), 2):
        assert last - first + 1 <= 2 + (starts[last] - starts[first]) / 3 + 0.01
    assert starts[4] - starts[0] < 12, "no token is wasted"


def test_who_is_too_many_is_refused_with_the_field(kubectl: Kubectl) -> None:
    limits = {"maxConcurrent": 1, "maxQueued": 1, "whenFull": "Refuse"}
    create(kubectl, [provider(limits=limits), offered("running", 3600)])
    wait_for_phase(kubectl, "running", "Running")
    create(kubectl, [offered("waiting")])
    create(kubectl, [offered("refused")])
    refused = wait_for_phase(kubectl, "refused", "Failed")

    assert reason(refused) == "QueueFull"
    assert "limits.maxQueued: 1" in refused["status"]["message"]
    assert phase(get(kubectl, "waiting")) == "Queued"
    patch(kubectl, "running", {"abort": {"reason": "enough"}})
    wait_for_phase(kubectl, "waiting", "Succeeded")


def test_who_is_too_many_waits_outside_and_says_so(kubectl: Kubectl) -> None:
    create(kubectl, [provider(limits={"maxConcurrent": 1, "maxQueued": 1}), offered("running", 3600)])
    wait_for_phase(kubectl, "running", "Running")
    create(kubectl, [offered(f"a{n}", 0.01) for n in range(4)])
    wait_for_all(kubectl, lambda found: sum(reason(item) == "QueueFull" for item in found.values()) == 3)
    patch(kubectl, "running", {"abort": {"reason": "enough"}})
    found = wait_for_all(kubectl, all_finished)

    assert phase(found.pop("running")) == "Aborted"
    assert {phase(item) for item in found.values()} == {"Succeeded"}


def test_a_provider_tells_how_much_waits_and_goes_on(kubectl: Kubectl) -> None:
    create(kubectl, [provider(limits={"maxConcurrent": 2}), *(offered(f"a{n}", 8) for n in range(5))])
    deadline = time.monotonic() + 20
    while {key: provider_status(kubectl).get(key) for key in ("queued", "running")} != {"queued": 3, "running": 2}:
        assert time.monotonic() < deadline, provider_status(kubectl)
        time.sleep(0.2)
    for number in range(5):
        patch(kubectl, f"a{number}", {"abort": {"reason": "enough"}})
    wait_for_all(kubectl, all_finished)


def test_a_limit_that_is_raised_lets_more_start_at_once(kubectl: Kubectl) -> None:
    create(kubectl, [provider(limits={"maxConcurrent": 1}), *(offered(f"a{n}", 5) for n in range(3))])
    wait_for_all(kubectl, lambda found: any(phase(item) == "Running" for item in found.values()))
    kubectl("patch", "ap", "offer", "--type=merge", "-p", json.dumps({"spec": {"limits": {"maxConcurrent": 3}}}))
    found = wait_for_all(kubectl, all_finished, seconds=12)

    assert most_at_once(found) == 3


def test_replace_keeps_only_the_newest(kubectl: Kubectl) -> None:
    create(kubectl, [provider(overlapPolicy="Replace"), offered("old", 60, partitionKey="k")])
    wait_for_phase(kubectl, "old", "Running")
    for name in "middle", "newest":
        time.sleep(1.05)  # creation times have seconds, and this is about their order
        create(kubectl, [offered(name, 2 if name == "newest" else 60, partitionKey="k")])
    newest = wait_for_phase(kubectl, "newest", "Succeeded")

    for name in "old", "middle":
        item = get(kubectl, name)
        assert (phase(item), reason(item)) == ("Aborted", "Replaced")
    assert "newest" in get(kubectl, "middle")["status"]["message"]
    assert moment(get(kubectl, "old")["status"]["finishedAt"]) <= moment(newest["status"]["startedAt"])


def test_drop_lets_nobody_into_a_busy_partition(kubectl: Kubectl) -> None:
    create(kubectl, [provider(overlapPolicy="Drop"), offered("first", 3, partitionKey="k")])
    wait_for_phase(kubectl, "first", "Running")
    create(kubectl, [offered("second", partitionKey="k"), offered("other", 0.01, partitionKey="l")])
    second = wait_for(kubectl, "second")

    assert (phase(second), reason(second)) == ("Aborted", "Dropped")
    assert "first" in second["status"]["message"]
    wait_for_phase(kubectl, "other", "Succeeded")
    wait_for_phase(kubectl, "first", "Succeeded")
    create(kubectl, [offered("third", 0.01, partitionKey="k")])
    wait_for_phase(kubectl, "third", "Succeeded")


def test_ocean_d06_a_limited_run_holds_no_worker_and_is_shown_once(
    kubectl: Kubectl, operator: Operator, tmp_path: Path
) -> None:
    (tmp_path / "quota").write_text("30")
    create(kubectl, [action(f"l{n:02}", "limited", {"folder": str(tmp_path)}) for n in range(40)])
    wait_for_all(kubectl, lambda found: all(reason(item) == "RateLimited" for item in found.values()))
    assert (metric(operator, "workers_busy"), metric(operator, "actions_parked")) == (0, 40)
    before = {name: item["metadata"]["resourceVersion"] for name, item in wait_for_all(kubectl, bool).items()}
    asked = len((tmp_path / "asked").read_text().splitlines())
    create(kubectl, [action("free")])
    wait_for_phase(kubectl, "free", "Succeeded", seconds=5)
    wait_for_asks(tmp_path, asked + 1)
    after = {name: item["metadata"]["resourceVersion"] for name, item in wait_for_all(kubectl, bool).items()}
    assert {name: after[name] for name in before} == before, "nothing has changed, so nothing is written"

    (tmp_path / "quota").write_text("0")
    found = wait_for_all(kubectl, all_finished, seconds=20)
    assert {phase(item) for item in found.values()} == {"Succeeded"}
    assert {item["status"]["attempt"] for item in found.values()} == {1}


def wait_for_asks(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 20
    while len((folder / "asked").read_text().splitlines()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_limited_action_can_be_aborted_and_suspended(kubectl: Kubectl, tmp_path: Path) -> None:
    (tmp_path / "quota").write_text("3600")
    create(kubectl, [action(name, "limited", {"folder": str(tmp_path)}) for name in ("a", "b")])
    wait_for_all(kubectl, lambda found: all(reason(item) == "RateLimited" for item in found.values()))
    patch(kubectl, "a", {"abort": {"reason": "enough"}})
    patch(kubectl, "b", {"suspend": True})
    assert phase(wait_for(kubectl, "a", is_finished)) == "Aborted"
    wait_for(kubectl, "b", lambda item: reason(item) == "Suspended")
    (tmp_path / "quota").write_text("0")
    patch(kubectl, "b", {"suspend": False})
    wait_for_phase(kubectl, "b", "Succeeded", seconds=5)
