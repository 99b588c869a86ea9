"""`taskaction schedule`: what it lists, and what it makes in addition to the times of a schedule."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.terminal import Terminal, Told
from taskaction.cluster.gateway import ACTION_SCHEDULES
from taskaction.core.names import scheduled_name

TEMPLATE = {"kind": "TaskAction", "spec": {"executor": "noop", "parameters": {"output": "{{ schedule.time }}"}}}
START = datetime(2026, 1, 1, 12, tzinfo=UTC)


@pytest.fixture
def taskaction() -> Terminal:
    terminal = Terminal(works=False)
    status = {"activeCount": 1, "nextTime": "2026-01-02T00:00:00.000Z", "conditions": []}
    put(terminal, "daily", status, cron="0 0 * * *", timeZone="Europe/Berlin")
    return terminal


def put(terminal: Terminal, name: str, status: dict[str, Any] | None = None, **spec: Any) -> None:
    terminal.put(ACTION_SCHEDULES, name, status=status or {"missed": 0}, **{"template": TEMPLATE, **spec})


def made(terminal: Terminal) -> dict[str, dict[str, Any]]:
    return {name: body for (plural, _, name), body in terminal.cluster.objects.items() if plural == "taskactions"}


def test_schedules_are_listed(taskaction: Terminal) -> None:
    put(taskaction, "often", interval="15m", suspend=True)
    rows = [line.split() for line in taskaction("schedule list").out.splitlines()]
    assert rows[0] == ["NAME", "SCHEDULE", "ZONE", "SUSPEND", "ACTIVE", "LAST", "NEXT", "READY", "AGE"]
    assert [row[0] for row in rows[1:]] == ["daily", "often"]
    assert rows[2][1:4] == ["every", "15m", "True"]
    assert taskaction("schedule list -o name").out.splitlines()[1] == "actionschedule.taskaction.dev/often"
    assert "no schedules in namespace other" in taskaction("schedule list -n other").err


def test_next_times_are_shown_in_utc_and_in_the_zone(taskaction: Terminal) -> None:
    lines = taskaction("schedule next daily --count 3").out.splitlines()
    assert len(lines) == 3
    assert all("00:00:00 CE" in line for line in lines)
    put(taskaction, "over", interval="1m", endAt="2026-01-01T12:00:30Z")
    assert "set a later spec.endAt" in taskaction("schedule next over").err


def test_a_schedule_is_triggered_now_without_taking_a_time(taskaction: Terminal) -> None:
    told = taskaction("schedule trigger daily")
    assert (told.code, told.err) == (0, "")
    ((name, body),) = made(taskaction).items()
    assert name.startswith("daily-manual-")
    time = datetime.fromisoformat(body["metadata"]["annotations"]["taskaction.dev/scheduled-time"])
    assert name != scheduled_name("daily", time)
    (owner,) = body["metadata"]["ownerReferences"]
    assert (owner["kind"], "controller" in owner) == ("ActionSchedule", False)
    assert "kind: TaskAction" in taskaction("schedule trigger daily --dry-run").out


def test_a_range_is_backfilled_once(taskaction: Terminal) -> None:
    put(taskaction, "often", interval="1m")
    line = "schedule backfill often --from 2026-01-01T12:01:00Z --until 2026-01-01T12:03:00Z"
    assert taskaction(f"{line} --dry-run").out.count("kind: TaskAction") == 3
    assert made(taskaction) == {}
    told = taskaction(line)
    names = [f"often-{(START + timedelta(minutes=minute)).timestamp():.0f}" for minute in (1, 2, 3)]
    assert sorted(made(taskaction)) == names
    assert told.out.count(" created") == 3
    assert made(taskaction)[names[1]]["spec"]["parameters"] == {"output": "2026-01-01T12:02:00Z"}
    assert taskaction(line).out.count(" exists") == 3


def test_no_time_after_the_end_is_backfilled(taskaction: Terminal) -> None:
    put(taskaction, "over", interval="1m", startAt="2026-01-01T12:02:00Z", endAt="2026-01-01T12:03:00Z")
    line = "schedule backfill over --limit 3 --from 2026-01-01T12:01:00Z --until 2026-01-02T00:00:00Z"
    assert taskaction(line).out.count(" created") == 3
    assert max(made(taskaction)) == f"over-{(START + timedelta(minutes=3)).timestamp():.0f}"
    assert "no times in this range" in taskaction("schedule backfill over --from 2026-01-01T12:04:00Z").err


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("backfill often --from yesterday", ("--from", "yesterday", "RFC 3339")),
        ("backfill often --from 2026-01-01T12:00:00", ("--from", "with a zone")),
        ("backfill often --from 2026-01-01T12:00:00Z --until 2100-01-01T00:00:00Z", ("--until", "omit it")),
        ("backfill often --from 2026-01-02T00:00:00Z --until 2026-01-01T00:00:00Z", ("--from", "earlier time")),
        (
            "backfill often --from 2026-01-01T12:00:00Z --until 2026-01-01T13:00:00Z --limit 5",
            ("--limit", "more than 5", "raise --limit"),
        ),
        ("next absent", ("absent not found", "taskaction schedule list")),
        ("next wrong", ("spec.cron",)),
        ("trigger no-account", ("no-account", "spec.template.spec.runAs")),
    ],
)
def test_errors_name_the_field_and_the_fix(
    taskaction: Terminal, line: str, says: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    put(taskaction, "often", interval="1m")
    put(taskaction, "wrong", cron="61 * * * *")
    put(taskaction, "no-account", interval="1m", template={"kind": "TaskAction", "spec": {"executor": "job"}})
    told: Told = taskaction(f"schedule {line}")
    said = capsys.readouterr().err + told.err
    assert told.code != 0
    assert all(part in said for part in says), said
    assert made(taskaction) == {}


def test_schedules_are_suspended_and_resumed(taskaction: Terminal) -> None:
    assert "daily suspended" in taskaction("schedule suspend daily").out
    assert taskaction.cluster.objects["actionschedules", "default", "daily"]["spec"]["suspend"] is True
    assert "already suspended" in taskaction("schedule suspend daily").out
    assert "daily resumed" in taskaction("schedule resume daily").out
    assert "not suspended" in taskaction("schedule resume daily").out
