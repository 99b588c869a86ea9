"""`taskaction doctor`: what it finds, and that each problem comes with its mend."""

import json

import pytest

from support.terminal import Terminal
from taskaction.cli import checks
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import ACTION_PROVIDERS, TASK_ACTIONS
from taskaction.cluster.memory import MemoryCluster


def findings(terminal: Terminal) -> dict[str, tuple[str, str]]:
    told = terminal("doctor -o json")
    found = {one["what"]: (one["level"], one["text"]) for one in json.loads(told.out)}
    assert told.code == (1 if "problem" in {level for level, _ in found.values()} else 0)
    assert all(one["mend"] for one in json.loads(told.out) if one["level"] == "problem")
    return found


def test_an_operator_at_work_is_found_by_its_leases() -> None:
    level, _ = findings(Terminal())["operator"]
    assert level == "note"  # in memory there is no pod of it
    told = Terminal()("doctor").out
    assert "1 replicas, 4 of 4 shards held" in told


def test_nobody_at_work_is_a_problem() -> None:
    assert findings(Terminal(works=False))["operator"] == (
        "problem",
        "no operator has ever had a Lease in namespace taskaction-system",
    )


def test_an_operator_that_is_gone_is_told_from_one_that_works() -> None:
    terminal = Terminal()
    terminal("get")
    for key, body in list(terminal.cluster.objects.items()):
        if key[0] == "leases":
            body["spec"] |= {"renewTime": "2026-01-01T12:00:00.000000Z", "holderIdentity": "gone"}
    assert "no operator is alive" in terminal.idle()("doctor").out


def test_a_cluster_that_does_not_answer_is_all_that_is_said(monkeypatch) -> None:
    async def away(self, path, **_):
        raise UnavailableError("connection refused")

    monkeypatch.setattr(MemoryCluster, "text", away)
    assert list(findings(Terminal(works=False))) == ["cluster"]


def test_what_may_not_be_looked_at_stops_nothing(monkeypatch) -> None:
    async def refuse(session):
        raise ForbiddenError("policies is forbidden")

    monkeypatch.setattr(checks, "policies", refuse)
    found = findings(Terminal(works=False))
    assert found["rights"] == ("note", "something cannot be looked at: policies is forbidden")
    assert "providers" in found


def test_providers_and_deletions_are_looked_at() -> None:
    terminal = Terminal(works=False)
    terminal.put(ACTION_PROVIDERS, "api", executor="x", status={"conditions": [{"type": "Ready", "status": "False"}]})
    body = terminal.put(TASK_ACTIONS, "old", executor="http")
    terminal.cluster.store(
        TASK_ACTIONS, body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-01-01T12:00:00Z"}}
    )
    found = findings(terminal)
    assert found["providers"] == ("problem", "api are not ready")
    assert found["deletions"][0] == "problem"
    assert "old (for " in found["deletions"][1]


@pytest.mark.parametrize("word", ["policies", "your rights"])
def test_what_is_missing_in_memory_is_said(word: str) -> None:
    assert findings(Terminal(works=False))[word][0] in {"problem", "note"}
