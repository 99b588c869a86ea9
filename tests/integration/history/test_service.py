"""The history service on a real API server: each caller gets what their own rights allow, and learns nothing else."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from cluster.clusters import Cluster
from support.history_stage import NOW, HistoryStage, history_stage, past
from taskaction.history.records import Record

RIVAL = "rival-namespace"
MARK = "rivalsecret"
"""Part of everything in the rival's rows."""
HOUR = 3_600_000
RANGE = {"since": "2023-11-10T00:00:00Z", "until": "2023-11-20T00:00:00Z"}


@pytest.fixture(scope="module")
def stage(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HistoryStage]:
    with history_stage(crds, tmp_path_factory.mktemp("history")) as found:
        yield found


def rival_rows() -> list[Record]:
    """Return rows of another namespace, two of which claim to be children of the tenant's."""
    claims = (past(100, RIVAL, MARK, owner_uid="mine-1"), past(101, RIVAL, MARK, owner_uid="mine-0"))
    return [*(past(number, RIVAL, MARK) for number in range(40)), *claims]


@pytest.fixture
def rival(stage: HistoryStage) -> Iterator[None]:
    """Rows of another namespace, as long as the test runs."""
    stage.write(*rival_rows())
    yield
    stage.delete(RIVAL)


@pytest.mark.usefixtures("rival")
def test_a_list_has_the_rows_of_the_namespaces_that_the_caller_may_list(stage: HistoryStage) -> None:
    mine = [f"mine-{number}" for number in range(11, -1, -1)]
    assert stage.names(namespace=stage.namespace) == mine
    assert set(mine) < set(stage.names("admin", namespace=[stage.namespace, RIVAL], limit=500))
    assert len(stage.names("admin", limit=500)) == 12 + 42
    assert stage.names("runs-only", namespace=stage.namespace) == ["mine-9", "mine-6", "mine-3", "mine-0"]


def test_pages_follow_each_other_by_their_tokens(stage: HistoryStage) -> None:
    found: list[str] = []
    query: dict[str, Any] = {"namespace": stage.namespace, "limit": 5}
    while True:
        status, page = stage.ask("/v1/objects", **query)
        assert status == 200
        found += [item["name"] for item in page["items"]]
        if "nextPageToken" not in page:
            break
        query["pageToken"] = page["nextPageToken"]
    assert found == [f"mine-{number}" for number in range(11, -1, -1)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"kind": "ActionFlowRun", "phase": "Failed"}, ["mine-9", "mine-3"]),
        ({"labelSelector": "team=mine", "name": "mine-4"}, ["mine-4"]),
        ({"message": "MESSAGE 1"}, ["mine-11", "mine-10", "mine-1"]),
        ({"parent": "mine-4"}, ["mine-5"]),
        ({"root": "mine-4"}, ["mine-5", "mine-4"]),
        ({"minDuration": "3.01s"}, ["mine-11", "mine-10"]),
        ({"since": "2023-11-14T22:13:30Z"}, ["mine-11", "mine-10"]),
        ({"provider": "mine-ci", "until": "2023-11-14T22:13:22Z"}, ["mine-1", "mine-0"]),
    ],
    ids=str,
)  # fmt: skip
def test_a_list_is_filtered(stage: HistoryStage, query: dict[str, Any], expected: list[str]) -> None:
    assert stage.names(namespace=stage.namespace, **query) == expected


def test_one_object_is_whole_and_a_list_has_no_object(stage: HistoryStage) -> None:
    status, found = stage.ask(f"/v1/namespaces/{stage.namespace}/objects/mine-1")
    assert status == 200
    assert found["object"]["kind"] == "TaskAction"
    assert found["object"]["status"]["phase"] == "Succeeded"
    item = found["item"]
    assert (item["name"], item["phase"], item["durationMs"], item["parent"]["uid"]) == (
        "mine-1",
        "Failed",
        3001,
        "mine-0",
    )
    assert item["endedAt"] == "2023-11-14T22:13:21.000Z"
    status, tree = stage.ask(f"/v1/namespaces/{stage.namespace}/objects/mine-1/tree")
    assert (status, [one["name"] for one in tree["items"]]) == (200, ["mine-0", "mine-1"])
    assert "object" not in json.dumps(tree)


def test_statistics_count_the_rows_of_the_callers_namespaces(stage: HistoryStage) -> None:
    status, found = stage.ask("/v1/statistics", namespace=stage.namespace, provider="mine-ci", **RANGE)
    assert status == 200
    assert (found["count"], found["phases"]) == (12, {"Failed": 6, "Succeeded": 6})
    assert found["reasons"] == [{"reason": "Reasonmine", "count": 6, "share": 0.5}]
    assert (found["duration"]["p50"], found["duration"]["p99"]) == (3005, 3011)
    assert found["queueWait"] == {"p50": 2000, "p90": 2000, "p95": 2000, "p99": 2000}
    assert [hour["count"] for hour in found["hours"]] == [12]
    status, found = stage.ask("/v1/providers", namespace=stage.namespace, **RANGE)
    assert [(one["provider"], one["count"], one["failed"]) for one in found["items"]] == [("mine-ci", 12, 6)]


ONE = "/v1/namespaces/{}/objects/{}"


def attacks(mine: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Return requests of a tenant after the rival's rows, in every way that the service has."""
    filters: list[dict[str, Any]] = [
        {}, {"name": f"{MARK}-1"}, {"labelSelector": f"team={MARK}"}, {"message": MARK}, {"parent": f"{MARK}-0"},
        {"root": f"{MARK}-0"}, {"root": "mine-0"}, {"root": "mine-1"}, {"parent": "mine-1"}, {"phase": "Failed"},
        {"reason": f"Reason{MARK}"}, {"provider": f"{MARK}-ci"},
        {"pageToken": "MTcwMDAwMDAwMDAwMDpyaXZhbHNlY3JldC0w"}, {"limit": 3},
        {"message": "' OR namespace <> '"}, {"name": "x' OR '1'='1"}, {"labelSelector": "a')) OR 1=1 --=x"},
    ]  # fmt: skip
    places: list[dict[str, Any]] = [
        {"namespace": mine}, {"namespace": RIVAL}, {"namespace": [mine, RIVAL]}, {"namespace": "no-such-namespace"}, {},
        {"namespace": ""}, {"namespace": f"{mine},{RIVAL}"}, {"namespace": f"{mine}' OR '1'='1"}, {"namespace": "*"},
    ]  # fmt: skip
    ranged = [{**place, **RANGE, **query} for place in places for query in ({}, {"provider": f"{MARK}-ci"})]
    found = [("GET", "/v1/objects", {**place, **query}) for place in places for query in filters]
    found += [("DELETE", "/v1/objects", {**place, "name": f"{MARK}-1", "dryRun": "true"}) for place in places]
    found += [("GET", "/v1/statistics", query) for query in ranged]
    found += [("GET", "/v1/providers", {**place, **RANGE}) for place in places]
    for namespace in (mine, RIVAL, f"{mine}%2F..%2F{RIVAL}"):
        for uid in (f"{MARK}-0", "mine-0", "none", f"..%2F..%2F{RIVAL}%2Fobjects%2F{MARK}-0"):
            found += [("GET", ONE.format(namespace, uid) + end, {}) for end in ("", "/tree", f"?namespace={RIVAL}")]
    return found


def answers_without_and_with_rival(stage: HistoryStage, who: str) -> tuple[list[Any], list[Any]]:
    requests = attacks(stage.namespace)
    without = [stage.ask(path, who, method, **query) for method, path, query in requests]
    stage.write(*rival_rows())
    try:
        return without, [stage.ask(path, who, method, **query) for method, path, query in requests]
    finally:
        stage.delete(RIVAL)


@pytest.mark.parametrize("who", ["tenant", "runs-only", "nobody", "deleter"])
def test_a_caller_learns_nothing_of_other_namespaces(stage: HistoryStage, who: str) -> None:
    """Each answer is the same whether the rival has rows or not."""
    without, there = answers_without_and_with_rival(stage, who)
    for request, first, second in zip(attacks(stage.namespace), without, there, strict=True):
        assert first == second, request
    assert {status for status, _ in there} == ({400, 403} if who == "nobody" else {200, 400, 403, 404})


def test_whoever_may_list_the_rivals_rows_gets_other_answers(stage: HistoryStage) -> None:
    """The requests above would show the rows."""
    without, there = answers_without_and_with_rival(stage, "admin")
    compared = zip(attacks(stage.namespace), without, there, strict=True)
    changed = {path for (_, path, _), first, second in compared if first != second}
    assert {"/v1/objects", "/v1/statistics", "/v1/providers"} <= changed


def test_deleting_requires_the_right_and_says_how_many(stage: HistoryStage) -> None:
    stage.write(*(past(number, stage.namespace, "gone", ended_at=NOW - HOUR) for number in range(5)))
    query = {"namespace": stage.namespace, "labelSelector": "team=gone"}
    status, refused = stage.ask("/v1/objects", "tenant", "DELETE", **query)
    assert (status, refused["error"]["code"]) == (403, "Forbidden")
    assert "may not delete" in refused["error"]["message"]
    assert stage.ask("/v1/objects", "deleter", "DELETE", dryRun="true", **query) == (
        200, {"matched": 5, "deleted": 0, "complete": True},
    )  # fmt: skip
    assert len(stage.names(labelSelector="team=gone", namespace=stage.namespace)) == 5
    assert stage.ask("/v1/objects", "deleter", "DELETE", **query) == (
        200,
        {"matched": 5, "deleted": 5, "complete": True},
    )
    assert stage.names(labelSelector="team=gone", namespace=stage.namespace) == []
    status, refused = stage.ask("/v1/objects", "deleter", "DELETE", namespace=stage.namespace)
    assert (status, "all=true" in refused["error"]["message"]) == (400, True)
    assert len(stage.names(namespace=stage.namespace)) == 12


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer nonsense"}, 401),
        ({"Authorization": "Basic {tenant}"}, 401),
        ({"Authorization": "Bearer {tenant}"}, 200),
        ({"Authorization": "bearer {tenant}"}, 200),
        ({"X-Taskaction-Token": "{tenant}"}, 200),
        ({"X-Taskaction-Token": "nonsense", "Authorization": "Bearer {tenant}"}, 401),
        ({"Authorization": "Bearer {nobody}", "Impersonate-User": "system:admin"}, 403),
        ({"Authorization": "Bearer {nobody}", "X-Remote-User": "admin", "X-Remote-Group": "system:masters"}, 403),
    ],
    ids=str,
)  # fmt: skip
def test_a_caller_is_whose_token_it_is(stage: HistoryStage, headers: dict[str, str], status: int) -> None:
    sent = {name: value.format(**stage.tokens) for name, value in headers.items()}
    answer = stage.services.send(f"/v1/objects?namespace={stage.namespace}", sent)
    assert answer[0] == status, answer
    assert not any(token in json.dumps(answer) for token in stage.tokens.values())


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ({"limit": "501"}, "limit: invalid number '501'; use 1 to 500"),
        ({"limit": "٣"}, "limit: invalid number"),
        ({"phase": "Done"}, "phase: invalid value 'Done'; use one of Queued"),
        ({"since": "yesterday"}, "since: invalid time 'yesterday'; use e.g. 2026"),
        ({"since": "2026-01-01"}, "since: invalid time"),
        ({"minDuration": "5"}, "minDuration: invalid duration"),
        ({"message": "ab"}, "message: must have 3 to 200 characters"),
        ({"message": "a\x00bc"}, "message: invalid value; use at most"),
        ({"labelSelector": "a!=b"}, "labelSelector: invalid selector"),
        ({"pageToken": "x"}, "pageToken: invalid token; use the `nextPageToken`"),
        ({"reason": ["a", "b"]}, "reason: given more than once"),
        ({"owner": "x"}, "owner: unknown parameter; use"),
        ({"namespace": ["a"] * 101}, "namespace: more than 100 namespaces"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_a_wrong_parameter_is_named_with_its_remedy(stage: HistoryStage, query: dict[str, Any], problem: str) -> None:
    status, found = stage.ask("/v1/objects", **({"namespace": stage.namespace} | query))
    assert (status, found["error"]["code"]) == (400, "Invalid")
    assert found["error"]["message"].startswith(problem)


def test_an_unknown_address_is_not_found_and_statistics_have_a_bound(stage: HistoryStage) -> None:
    assert stage.ask("/v1/nothing")[0] == 404
    assert stage.ask("/v1/objects", method="POST")[0] == 404
    status, found = stage.ask("/v1/statistics", namespace=stage.namespace, since="2020-01-01T00:00:00Z")
    assert (status, "31 days" in found["error"]["message"]) == (400, True)
