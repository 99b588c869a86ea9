"""Schedules in a whole operator in memory: what is made at which time, and what the status then says."""

from typing import Any

import pytest

from support.fake_cluster import FakeCluster
from support.memory_operator import MemoryOperator
from support.records import NAMESPACE, body
from support.schedule_stage import (
    NAME,
    UID,
    Births,
    at,
    begin,
    change,
    made_name,
    readiness,
    schedule_body,
    schedule_of,
)
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import ACTION_SCHEDULES, TASK_ACTIONS, ServerTime
from taskaction.testing.clock import START, FakeClock

SLEEP: dict[str, Any] = {"spec": {"executor": "sleep", "parameters": {"duration": "25s"}}}


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def births(cluster: FakeCluster) -> Births:
    return Births(cluster)


async def test_an_action_is_made_at_each_time_and_the_status_has_it(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        template = {
            "metadata": {"labels": {"team": "a"}, "annotations": {"note": "n"}},
            "spec": {
                "executor": "noop",
                "parameters": {"output": ["{{ schedule.time }}", "{{ schedule.name }}", "{{ x }}"]},
            },
        }
        await begin(operator, schedule_body(template=template))
        assert (schedule_of(cluster).status.next_time, births.names) == (at(10), [])
        await operator.pass_time(21)
        assert births.names == [made_name(10), made_name(20)]
        found = operator.stored(made_name(20))
        metadata = found["metadata"]
        assert metadata["labels"] == {"team": "a", "taskaction.dev/schedule": NAME}
        assert metadata["annotations"] == {"note": "n", "taskaction.dev/scheduled-time": "2026-01-01T12:00:20Z"}
        assert [(one["kind"], one["uid"], one["controller"]) for one in metadata["ownerReferences"]] == [
            ("ActionSchedule", UID, True)
        ]
        assert found["spec"]["parameters"]["output"] == ["2026-01-01T12:00:20Z", NAME, "{{ x }}"]
        await operator.pass_time(2)
        status = schedule_of(cluster).status
        assert (status.last_scheduled_time, status.next_time) == (at(20), at(30))
        assert (status.missed, status.active_count, status.observed_generation) == (0, 0, 1)
        assert status.time_zone_data_version
        assert readiness(cluster) == ("Ready", "")


async def test_a_run_of_a_flow_is_made_as_well(cluster: FakeCluster) -> None:
    births = Births(cluster, "actionflowruns")
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
    template = {"kind": "ActionFlowRun", "spec": {"definition": definition, "input": {"at": "{{ schedule.time }}"}}}
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(template=template))
        await operator.pass_time(11)
        (found,) = operator.of_kind("actionflowruns")
        assert births.names == [made_name(10)]
        assert found["spec"]["input"] == {"at": "2026-01-01T12:00:10Z"}
        assert found["status"]["phase"] == "Succeeded"


async def test_times_overlap_with_the_policy_allow(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(template=SLEEP))
        await operator.pass_time(21)
        assert births.seconds == [10, 20]
        assert [one.name for one in schedule_of(cluster).status.active] == births.names


async def test_a_time_waits_for_the_end_of_the_earlier_object_with_the_policy_forbid(
    cluster: FakeCluster, births: Births
) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(template=SLEEP, concurrencyPolicy="Forbid"))
        await operator.pass_time(33)
        assert (births.seconds, operator.phase(made_name(10))) == ([10], "Running")
        await operator.pass_time(15)
        assert operator.phase(made_name(10)) == "Succeeded"
        assert len(births.seconds) == 2
        assert schedule_of(cluster).status.missed == births.seconds[1] / 10 - 2


async def test_a_time_that_waits_starts_with_the_end_of_the_earlier_object(
    cluster: FakeCluster, births: Births
) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        template = {"spec": {"executor": "approval"}}
        await begin(operator, schedule_body(template=template, concurrencyPolicy="Forbid", interval="1m"))
        await operator.pass_time(400)
        assert births.seconds == [60]
        await operator.change(made_name(60), abort={})
        assert operator.phase(made_name(60)) == "Aborted"
        assert births.seconds == [60, 360]
        await operator.change(made_name(360), abort={})
        assert births.seconds == [60, 360]


async def test_the_earlier_object_is_deleted_with_the_policy_replace(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(template=SLEEP, concurrencyPolicy="Replace"))
        await operator.pass_time(21)
        assert births.seconds == [10, 20]
        assert [one["metadata"]["name"] for one in operator.of_kind("taskactions")] == [made_name(20)]
        assert [one.name for one in schedule_of(cluster).status.active] == [made_name(20)]


@pytest.mark.parametrize(
    ("catch_up", "made"), [({"policy": "All", "limit": 3}, [480, 490, 500]), ({"policy": "Last"}, [500]), (None, [500])]
)
async def test_missed_times_are_made_up_for(
    cluster: FakeCluster, births: Births, catch_up: dict[str, Any] | None, made: list[int]
) -> None:
    clock = FakeClock(at(505))
    cluster.store(ACTION_SCHEDULES, schedule_body(**({} if catch_up is None else {"catchUp": catch_up})))
    async with MemoryOperator(cluster=cluster, clock=clock) as operator:
        await operator.pass_time(1)
        assert births.seconds == made
        assert (schedule_of(cluster).status.last_scheduled_time, schedule_of(cluster).status.missed) == (
            at(500),
            50 - len(made),
        )
        assert [one["reason"] for one in operator.of_kind("events")].count("TimeMissed") == 1


async def test_nothing_is_made_while_suspended(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(suspend=True))
        await operator.pass_time(25)
        assert (births.seconds, readiness(cluster)[0]) == ([], "Suspended")
        await change(operator, suspend=False)
        await operator.pass_time(1)
        assert (births.seconds, readiness(cluster)[0]) == ([20], "Ready")


async def test_there_are_no_times_after_the_end(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(endAt=at(20).isoformat()))
        await operator.pass_time(60)
        assert (births.seconds, readiness(cluster)[0]) == ([10, 20], "ScheduleEnded")
        assert schedule_of(cluster).status.next_time is None


async def test_an_object_of_somebody_else_is_not_adopted(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        cluster.store(TASK_ACTIONS, body(made_name(10), executor="approval"))
        await begin(operator, schedule_body(interval="1m"), schedule_body())
        await operator.pass_time(11)
        reason, message = readiness(cluster)
        assert (reason, made_name(10) in message, "delete it" in message) == ("NameTaken", True, True)
        assert (schedule_of(cluster).status.missed, schedule_of(cluster).status.active_count) == (1, 0)
        await operator.pass_time(10)
        assert births.names[1:] == [made_name(20)]
        assert (readiness(cluster)[0], schedule_of(cluster).status.missed) == ("Ready", 1)


@pytest.mark.parametrize("policy", ["Allow", "Forbid"])
async def test_an_object_of_another_name_takes_no_time_whatever_its_annotation_says(
    cluster: FakeCluster, births: Births, policy: str
) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(concurrencyPolicy=policy))
        found = body("copied", executor="approval")
        owner = {"apiVersion": "taskaction.dev/v1alpha1", "kind": "ActionSchedule", "name": NAME, "uid": UID}
        claimed = {
            "labels": {"taskaction.dev/schedule": NAME},
            "annotations": {"taskaction.dev/scheduled-time": at(10).isoformat()},
            "ownerReferences": [owner],
        }
        cluster.store(TASK_ACTIONS, found | {"metadata": found["metadata"] | claimed})
        await operator.pass_time(11)
        assert births.names == ["copied", *([made_name(10)] if policy == "Allow" else [])]
        assert schedule_of(cluster).status.active_count == 1 or policy == "Allow"
        await operator.change("copied", abort={})
        await operator.pass_time(2)
        assert births.names == ["copied", made_name(10)]


@pytest.mark.parametrize(
    ("spec", "reason", "parts"),
    [
        ({"cron": "61 * * * *"}, "InvalidSchedule", ("spec.cron",)),
        ({"cron": "* * * * *", "timeZone": "Mars/Base"}, "InvalidSchedule", ("spec.timeZone", "Mars/Base")),
        ({"template": {"spec": {"executor": "job"}}}, "InvalidTemplate", ("spec.template.spec.runAs", "set ")),
        (
            {"template": {"spec": {"executor": "noop", "priority": "x"}}},
            "InvalidTemplate",
            ("spec.template.spec.priority",),
        ),
        ({"template": {"spec": {"executor": "noop", "abort": {}}}}, "InvalidTemplate", ("abort", "remove it")),
        *(
            (
                {"template": {"spec": {"executor": "noop"}, "metadata": {field: {f"taskaction.dev/{key}": "x"}}}},
                "InvalidTemplate",
                (f"spec.template.metadata.{field}", f"taskaction.dev/{key}", "remove it"),
            )
            for field in ("labels", "annotations")
            for key in ("origin", "port-run", "schedule", "anything")
        ),
        (
            {"template": {"spec": {"executor": "noop", "parameters": {"a": "{{ schedule.tme }}"}}}},
            "InvalidTemplate",
            ("schedule.tme", "{{ schedule.time }}"),
        ),
    ],
)
async def test_what_cannot_work_is_shown(
    cluster: FakeCluster, births: Births, spec: dict[str, Any], reason: str, parts: tuple[str, ...]
) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(**spec))
        await operator.pass_time(11)
        shown, message = readiness(cluster)
        assert shown == reason
        assert all(part in message for part in parts), message
        assert births.names == []


async def test_a_refused_object_is_tried_again(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(interval="1m"))
        cluster.fail("create", *[ForbiddenError("no right")] * 2, name=made_name(60))
        await operator.pass_time(61)
        assert (readiness(cluster), births.names) == (("Forbidden", "no right"), [])
        assert schedule_of(cluster).status.last_scheduled_time is None
        await operator.pass_time(20)
        assert (readiness(cluster)[0], births.seconds) == ("Ready", [60])
        assert schedule_of(cluster).status.missed == 0


async def test_a_time_is_decided_again_after_an_outage(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(startingDeadlineSeconds=5))
        cluster.fail("create", *[UnavailableError("down")] * 6, name=made_name(10))
        await operator.pass_time(19)
        assert births.seconds == []  # the last try comes after the deadline
        await operator.pass_time(2)
        assert (births.seconds, schedule_of(cluster).status.missed) == ([20], 1)


async def test_an_unexpected_error_does_not_stop_a_schedule(
    cluster: FakeCluster, births: Births, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(interval="1m"))
        with monkeypatch.context() as broken:
            broken.setattr(operator.control.schedules.reconciler._objects, "list_all", None)
            await operator.pass_time(61)
            assert births.seconds == []
        await operator.pass_time(10)
        assert (births.seconds, schedule_of(cluster).status.missed) == ([60], 0)


async def test_finished_objects_are_deleted_beyond_the_limits(cluster: FakeCluster) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        fails = {"spec": {"executor": "fail"}}
        await begin(operator, schedule_body(successfulHistoryLimit=2), schedule_body("f", fails))
        await operator.pass_time(62)
        names = {one["metadata"]["name"] for one in operator.of_kind("taskactions")}
        assert (
            {made_name(60), made_name(50), made_name(60, "f")}
            <= names
            <= {
                *(made_name(second) for second in (40, 50, 60)),
                *(made_name(second, "f") for second in (50, 60)),
            }
        )


async def test_no_time_runs_twice_when_the_clock_is_set_back(cluster: FakeCluster, births: Births) -> None:
    clock = FakeClock()
    async with MemoryOperator(cluster=cluster, clock=clock) as operator:
        await begin(operator, schedule_body())
        await operator.pass_time(31)
        clock.set_wall(START)
        await operator.pass_time(35)
        assert births.seconds == [10, 20, 30]
        await operator.pass_time(6)
        assert births.seconds == [10, 20, 30, 40]


async def test_a_clock_that_was_a_day_ahead_stops_nothing_after_it_is_set_right(
    cluster: FakeCluster, births: Births
) -> None:
    clock = FakeClock()
    async with MemoryOperator(cluster=cluster, clock=clock) as operator:
        await begin(operator, schedule_body(interval="1m", successfulHistoryLimit=100))
        await operator.pass_time(65)
        clock.set_wall(at(65 + 86_400))
        await operator.pass_time(60)
        clock.set_wall(at(125))
        await operator.pass_time(200)
        assert births.seconds[0] == 60
        assert births.seconds[-3:] == [180, 240, 300]
        assert len(set(births.names)) == len(births.names)
        assert schedule_of(cluster).status.last_scheduled_time == at(300)


@pytest.mark.parametrize("spec", [{"catchUp": {"policy": "None"}}, {"startingDeadlineSeconds": 1}, {}])
async def test_a_replica_whose_clock_differs_from_the_api_servers_moves_no_mark(
    cluster: FakeCluster, births: Births, spec: dict[str, Any]
) -> None:
    clock = FakeClock()
    async with MemoryOperator(cluster=cluster, clock=clock) as operator:
        await begin(operator, schedule_body(**spec))
        await operator.pass_time(11)
        server_time = ServerTime(wall=clock.now().timestamp(), monotonic=clock.monotonic())
        operator.control.tenures.clock_guard.update(server_time)
        clock.set_wall(at(86_400))
        for _ in range(60):
            await clock.advance(1)
            await operator.settle()
        assert (births.seconds, schedule_of(cluster).status.last_scheduled_time) == ([10], at(10))
        assert not schedule_of(cluster).status.missed


async def test_an_object_that_is_deleted_before_the_status_has_its_time_is_not_made_again(
    cluster: FakeCluster, births: Births
) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(interval="1m"))
        cluster.fail("replace_status", UnavailableError("down"), name=NAME)
        await operator.pass_time(60)
        assert (births.seconds, schedule_of(cluster).status.last_scheduled_time) == ([60], None)
        await cluster.delete(TASK_ACTIONS, made_name(60), NAMESPACE)
        await operator.pass_time(30)
        assert (births.seconds, schedule_of(cluster).status.last_scheduled_time) == ([60], at(60))
        assert schedule_of(cluster).status.missed == 0


async def test_a_template_that_makes_no_object_replaces_nothing(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(template=SLEEP, concurrencyPolicy="Replace"))
        await operator.pass_time(11)
        await change(operator, template={"kind": "TaskAction", "spec": {"executor": "job"}})
        await operator.pass_time(10)
        assert (births.seconds, readiness(cluster)[0]) == ([10], "InvalidTemplate")
        assert operator.phase(made_name(10)) == "Running"
        assert [one.name for one in schedule_of(cluster).status.active] == births.names


async def test_what_was_made_is_deleted_with_the_schedule(cluster: FakeCluster, births: Births) -> None:
    async with MemoryOperator(cluster=cluster) as operator:
        await begin(operator, schedule_body(template=SLEEP))
        await operator.pass_time(11)
        await cluster.delete(ACTION_SCHEDULES, NAME, NAMESPACE)
        await operator.pass_time(30)
        assert (births.seconds, operator.of_kind("taskactions")) == ([10], [])
        assert len(operator.control.base.schedules) == 0
