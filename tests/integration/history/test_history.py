"""Real operators with a history: each action and run is recorded once before it is deleted, also across a crash."""

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from local.operator_process import Operator
from support.actions import action, create, get, get_all, wait_for_phase
from support.api import create_object
from support.histories import migrated, postgres
from support.operators import Operators, metric
from taskaction.core.constants import API_VERSION
from taskaction.history.addresses import parse_address
from taskaction.history.store import HistoryStore

QUICK = {"TASKACTION_SCAN_INTERVAL": "1s"}


def rows(file: Path) -> dict[str, dict[str, Any]]:
    """Return the records by the names of their objects."""
    with sqlite3.connect(file) as connection:
        connection.row_factory = sqlite3.Row
        found = [dict(row) for row in connection.execute("SELECT * FROM taskaction_history")]
    assert len({row["uid"] for row in found}) == len(found)
    return {row["name"]: row for row in found}


@pytest.fixture(scope="module")
def file(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("history") / "history.db"


@pytest.fixture(scope="module")
def operator(operators: Operators, file: Path) -> Operator:
    return operators.start({**QUICK, "TASKACTION_HISTORY": migrated(f"sqlite:///{file}")})


@pytest.fixture(scope="module")
def postgres_address(tmp_path_factory) -> Iterator[str]:
    with postgres(tmp_path_factory.mktemp("postgres")) as address:
        yield address


@pytest.mark.usefixtures("operator")
def test_an_action_is_recorded_before_it_is_deleted(kubectl: Kubectl, file: Path) -> None:
    large = {"output": {"text": "x" * 3_000}}
    failing = action("failing", "fail", {"message": "no luck"}, ttlSecondsAfterFinished=1)
    create(kubectl, [action("large", parameters=large, ttlSecondsAfterFinished=1), failing])
    wait_until(lambda: not get_all(kubectl), timeout=30, what="both to be deleted")
    found = rows(file)
    assert (found["large"]["phase"], found["large"]["executor"], found["large"]["attempts"]) == ("Succeeded", "noop", 1)
    assert json.loads(found["large"]["body"])["spec"]["parameters"] == large
    assert (found["failing"]["phase"], found["failing"]["deleted_at"]) == ("Failed", None)
    assert "no luck" in found["failing"]["message"]


@pytest.mark.usefixtures("operator")
def test_an_action_that_a_person_deletes_unfinished_is_recorded(kubectl: Kubectl, file: Path) -> None:
    create(kubectl, [action("asked", "approval", {"prompt": "?"})])
    wait_for_phase(kubectl, "asked", "Paused")
    kubectl("delete", "taskaction", "asked")
    wait_until(lambda: "asked" in rows(file), timeout=30, what="the record of its end")
    assert rows(file)["asked"]["ended_at"] >= rows(file)["asked"]["started_at"]


@pytest.mark.usefixtures("operator")
def test_a_run_and_its_action_are_recorded_with_their_relation(kubectl: Kubectl, file: Path) -> None:
    definition = {
        "StartAt": "Only",
        "States": {
            "Only": {"Type": "Action", "ActionUrl": "taskaction://executor/noop", "Parameters": {}, "End": True}
        },
    }
    run = {"apiVersion": API_VERSION, "kind": "ActionFlowRun", "metadata": {"name": "flow"}}
    create_object(kubectl, run | {"spec": {"definition": definition, "input": {"a": 1}}})
    wait_until(lambda: "flow" in rows(file), timeout=30, what="the record of the run")
    found = rows(file)
    assert (found["flow"]["kind"], found["flow"]["phase"]) == ("ActionFlowRun", "Succeeded"), found["flow"]["message"]
    assert json.loads(found["flow"]["body"])["spec"]["input"] == {"a": 1}
    children = [row for row in found.values() if row["owner_uid"] == found["flow"]["uid"]]
    assert [child["phase"] for child in children] == ["Succeeded"]


def test_a_database_that_is_away_delays_deletion_and_a_crash_loses_nothing(
    kubectl: Kubectl, operators: Operators, postgres_address: str
) -> None:
    operators.stop()
    settings = {**QUICK, "TASKACTION_HISTORY": postgres_address}
    first = operators.start(settings)  # without tables, the database is as good as away
    create(kubectl, [action("brief", ttlSecondsAfterFinished=0)])
    uid = wait_for_phase(kubectl, "brief", "Succeeded")["metadata"]["uid"]
    wait_until(lambda: metric(first, "history_failures_total") >= 3, timeout=30, what="the database to be tried")
    assert metric(first, "history_away_seconds") > 0
    assert get(kubectl, "brief")["metadata"]["uid"] == uid
    operators.kill()

    migrated(postgres_address)
    operators.start(settings)
    wait_until(lambda: not get_all(kubectl), timeout=40, what="the action to be deleted")
    store = HistoryStore.open(parse_address(postgres_address, None))

    async def read() -> Any:
        try:
            return await store.read(uid)
        finally:
            await store.close()

    record = asyncio.run(read())
    assert record is not None
    assert (record.name, record.phase) == ("brief", "Succeeded")
