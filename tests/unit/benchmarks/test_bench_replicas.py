"""How the benchmark compares the world's account with the records, and finds when work went on."""

from datetime import UTC, datetime

import pytest

from benchmarks.counter import Effect
from benchmarks.figures.chaos import disordered, lost, repeated
from benchmarks.figures.takeover import owners, standstill

ENDED = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def item(name: str, phase: str, code: str | None = None, **claim: str) -> dict:
    status: dict = {"phase": phase}
    if code is not None:
        status["attempts"] = [{"error": {"code": code}}]
    if claim:
        status["claim"] = claim
    return {"metadata": {"name": name}, "spec": {"partitionKey": name.partition("-")[0]}, "status": status}


@pytest.mark.parametrize(
    ("action", "effects", "expected"),
    [
        (item("a-0", "Succeeded"), ["a-0"], 0),
        (item("a-0", "Succeeded"), [], 1),
        (item("a-0", "Failed", "Interrupted"), [], 0),
        (item("a-0", "Failed", "Interrupted"), ["a-0"], 0),
        (item("a-0", "Failed", "HttpStatus"), [], 1),
        (item("a-0", "Running"), ["a-0"], 1),
        (item("a-0", "Queued"), [], 1),
    ],
    ids=["done", "a success that was none", "unknown", "unknown, but done", "failed", "unfinished", "never started"],
)
def test_an_action_is_lost_where_its_record_does_not_tell_what_is_so(action, effects, expected) -> None:
    assert lost([action], [Effect(name, 0.0) for name in effects]) == expected


def test_an_action_that_took_effect_twice_is_repeated() -> None:
    assert repeated([Effect("a-0", 0.0), Effect("a-1", 1.0), Effect("a-0", 2.0)]) == 1


@pytest.mark.parametrize(
    ("effects", "expected"),
    [
        ([("a-0", 0.0), ("a-1", 1.0), ("b-0", 0.0)], 0),
        ([("a-0", 0.0), ("a-2", 1.0)], 0),
        ([("a-1", 0.0), ("a-0", 1.0)], 1),
        ([("a-0", 0.0), ("a-1", 0.01)], 1),
        ([("a-9", 0.0), ("a-10", 1.0)], 0),
    ],
    ids=["in order", "one left out", "out of order", "two at a time", "by number and not by letter"],
)
def test_a_key_is_disordered_where_it_was_not_served_in_order_and_one_at_a_time(effects, expected) -> None:
    assert disordered([Effect(name, at) for name, at in effects], 0.05) == expected


def test_the_owner_of_a_partition_is_who_claimed_last() -> None:
    found = [
        item("a-0", "Succeeded", holder="ada", at="2026-01-01T11:00:00.000Z"),
        item("a-1", "Running", holder="bob", at="2026-01-01T11:00:01.000Z"),
        item("b-0", "Queued"),
    ]
    assert owners(found) == {"a": "bob"}


def test_work_goes_on_when_another_holder_has_started_something_and_looked_at_what_goes_on_outside() -> None:
    started = item("a-1", "Running", holder="bob", at="2026-01-01T12:00:01.500Z")
    looked = item("outside0-x", "Running", holder="bob", at="2026-01-01T12:00:02.000Z")
    before = {"a": "ada", "outside0": "ada", "c": "bob"}
    own = item("c-7", "Running", holder="bob", at="2026-01-01T12:00:00.100Z")

    assert standstill(before, [started, own], ENDED) is None
    assert standstill(before, [started, looked, own], ENDED) == 2.0
