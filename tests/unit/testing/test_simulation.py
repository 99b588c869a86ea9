"""The fixtures that users get: a cluster in memory whose time they move, and targets that obey them."""

import subprocess
import sys

import pytest

from taskaction.cluster.errors import InvalidError
from taskaction.cluster.gateway import CONFIG_MAPS, SECRETS
from taskaction.testing.simulation import NotReachedError
from taskaction.testing.targets import says


def action(name, executor, parameters=None, **spec):
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "TaskAction",
        "metadata": {"name": name},
        "spec": {"executor": executor, "parameters": parameters or {}, **spec},
    }


def test_time_stands_still_until_it_is_moved(taskactions) -> None:
    taskactions.apply(action("nap", "sleep", {"duration": "8h"}))
    taskactions.advance("7h59m")
    assert taskactions.phase("nap") == "Running"
    taskactions.advance("2m")
    assert taskactions.phase("nap") == "Succeeded"
    assert taskactions.action("nap").status.attempt == 1


def test_retries_come_at_their_moments(taskactions) -> None:
    policy = {"limit": 2, "backoff": {"initial": "10s", "factor": 2, "jitter": 0}}
    taskactions.apply(action("flaky", "fail", {"times": 2}, retryPolicy=policy))
    for seconds, attempt in ((9, 1), (2, 2), (18, 2), (3, 3)):
        taskactions.advance(seconds)
        assert taskactions.action("flaky").status.attempt == attempt
    assert taskactions.phase("flaky") == "Succeeded"


def test_what_people_do_is_done(taskactions) -> None:
    taskactions.apply(action("ask", "approval", {"prompt": "ship?"}))
    assert taskactions.phase("ask") == "Paused"
    taskactions.signal("ask", value=True, by="eve")
    assert taskactions.action("ask").status.output["by"] == "eve"
    taskactions.apply(action("nap", "sleep", {"duration": "1h"}))
    taskactions.abort("nap", "enough")
    assert taskactions.action("nap").status.phase == "Aborted"
    taskactions.delete("nap")
    assert taskactions.names() == ["ask"]


def test_an_end_is_waited_for_in_the_test_s_own_time(taskactions) -> None:
    assert taskactions.run(action("nap", "sleep", {"duration": "3h"})).status.phase == "Succeeded"
    with pytest.raises(NotReachedError, match=r"ask has not ended within 1m: Paused"):
        taskactions.run(action("ask", "approval"), within="1m")


def test_what_the_api_server_would_refuse_is_refused(taskactions) -> None:
    with pytest.raises(InvalidError, match=r"spec\.prio: unknown field, did you mean 'priority'"):
        taskactions.apply(action("a", "noop", prio=1))
    taskactions.apply(action("b", "noop"))
    with pytest.raises(InvalidError, match="is immutable"):
        taskactions.change("b", executor="fail")
    with pytest.raises(LookupError, match="there is no action or run of a flow c; there are b"):
        taskactions.phase("c")


def test_a_crash_is_followed_by_a_take_over(taskactions) -> None:
    taskactions.apply(action("nap", "sleep", {"duration": "1m"}))
    taskactions.advance(5)
    taskactions.crash()
    taskactions.advance("1h")
    assert taskactions.phase("nap") == "Running"
    taskactions.start()
    taskactions.advance("1m")
    assert taskactions.phase("nap") == "Succeeded"
    assert taskactions.action("nap").status.attempt == 1


def test_children_go_with_their_parent(taskactions) -> None:
    taskactions.apply(action("parent", "sleep", {"duration": "1h"}))
    taskactions.apply(action("child", "sleep", {"duration": "1h"}, parentRef={"name": "parent"}))
    taskactions.abort("parent")
    assert taskactions.phase("child") == "Aborted"


def test_requests_reach_a_target_that_answers_as_it_is_told(taskactions, http_target) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"word": "aHVzaA=="}}
    taskactions.apply(secret)
    assert taskactions.names(SECRETS) == ["s"]
    assert taskactions.names(CONFIG_MAPS) == []
    http_target.on("POST /deploy", says({"error": "busy"}, 503), says({"version": 7}))
    done = taskactions.run(
        action(
            "deploy",
            "http",
            {"method": "POST", "url": f"{http_target.url}/deploy"},
            retryPolicy={"limit": 3},
        )
    )
    assert done.status.phase == "Succeeded", done.status.message
    assert len(http_target.asked("POST /deploy")) == 2


def test_a_provider_s_actions_stand_as_they_are_told(taskactions, action_provider) -> None:
    taskactions.apply(action("move", "globus", {"url": action_provider.url, "body": {"from": "a"}}))
    taskactions.until(lambda: action_provider.actions != [])
    taskactions.until(lambda: taskactions.action("move").status.external_id is not None)
    action_provider.last.succeed({"moved": 3})
    done = taskactions.finish("move")
    assert done.status.phase == "Succeeded"
    assert done.status.output["details"] == {"moved": 3}
    assert action_provider.last.asked["body"] == {"from": "a"}
    assert list(action_provider.requests.values()) == [1]


def test_the_plugin_loads_nothing_while_it_is_not_used(tmp_path) -> None:
    (tmp_path / "test_nothing.py").write_text(
        "import sys\n\n\n"
        "def test_nothing():\n"
        "    assert 'taskaction.testing.plugin' in sys.modules\n"
        "    heavy = {'pydantic', 'kopf', 'kubernetes', 'aiohttp', 'taskaction.app.wiring'}\n"
        "    assert not heavy & set(sys.modules)\n"
    )
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:hypothesispytest",
        str(tmp_path),
    ]
    told = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert told.returncode == 0, told.stdout


def schedule(template, **spec):
    return {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionSchedule",
        "metadata": {"name": "s"},
        "spec": {"template": template, **spec},
    }


def test_a_schedule_makes_its_objects_when_time_passes(taskactions) -> None:
    body = schedule(
        {"spec": {"executor": "noop"}}, cron="0 9 * * *", timeZone="Europe/Berlin", endAt="2026-01-03T00:00:00Z"
    )
    taskactions.apply(body)
    taskactions.advance("36h")
    (name,) = taskactions.names()
    assert name == "s-1767340800"
    assert taskactions.phase(name) == "Succeeded"


@pytest.mark.parametrize(
    ("template", "spec", "says"),
    [
        ({"spec": {"executor": "noop", "prio": 1}}, {"interval": "1m"}, r"spec\.template\.spec\.prio: unknown field"),
        ({"spec": {}}, {"interval": "1m"}, r"spec\.template\.spec: set exactly one"),
        ({"kind": "ActionFlowRun", "spec": {"input": 1}}, {"interval": "1m"}, r"spec\.template\.spec\.input: "),
        ({"spec": {"executor": "noop"}}, {"cron": "* * * *"}, r"spec\.cron: "),
        ({"spec": {"executor": "noop"}}, {"cron": "0 0 * * *", "timeZone": "Mars"}, r"spec\.timeZone: "),
    ],
)
def test_a_schedule_that_cannot_work_is_refused(taskactions, template, spec, says) -> None:
    with pytest.raises(InvalidError, match=says):
        taskactions.apply(schedule(template, **spec))
