"""`get`, `watch`, `tree`, `describe`, `logs` and `providers`: what people are shown, in a pipe and on a terminal."""

import json
import re

import pytest
import yaml

from support.terminal import Terminal
from taskaction.cli import output
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, TASK_ACTIONS
from taskaction.crdgen.manifest import KINDS

ENDED = {
    "phase": "Failed",
    "reason": "HttpStatus",
    "message": "the target says 500",
    "finishedAt": "2026-01-01T12:00:09Z",
}


@pytest.fixture
def taskaction() -> Terminal:
    """A cluster with some objects, where nobody works."""
    terminal = Terminal(works=False)
    terminal.put(TASK_ACTIONS, "one", executor="sleep", status={"phase": "Running", "attempt": 1, "message": "sleeps"})
    terminal.put(TASK_ACTIONS, "two", providerRef={"name": "api"}, status=ENDED, partitionKey="k")
    terminal.put(TASK_ACTIONS, "far", namespace="elsewhere", executor="noop")
    return terminal


def rows(text: str) -> list[list[str]]:
    return [re.split(" {2,}", line) for line in text.splitlines()]


def test_actions_are_listed_as_kubectl_would(taskaction: Terminal) -> None:
    header, one, two = rows(taskaction("get").out)
    assert header == ["NAME", "PHASE", "EXECUTOR", "PROVIDER", "TASK", "ATTEMPT", "MESSAGE", "AGE"]
    assert one[:5] == ["one", "Running", "sleep", "1", "sleeps"]
    assert two[:4] == ["two", "Failed", "api", "the target says 500"]


@pytest.mark.parametrize("kind", ["TaskAction", "ActionFlowRun"])
@pytest.mark.parametrize("wide", [False, True])
def test_the_columns_are_those_of_kubectl(kind: str, wide: bool) -> None:
    columns = next(one.columns for one in KINDS if one.name == kind)
    theirs = ["NAME", *(column.name.upper() for column in columns if wide or not column.wide)]
    assert [column.title for column in output.COLUMNS[kind] if wide or not column.wide] == theirs


def test_lists_can_be_narrowed_and_widened(taskaction: Terminal) -> None:
    assert [row[0] for row in rows(taskaction("get --phase Failed").out)] == ["NAME", "two"]
    assert [row[:2] for row in rows(taskaction("get -A").out)][-1] == ["elsewhere", "far"]
    assert "PARTITION" in taskaction("get -o wide").out
    assert "no matching actions" in taskaction("get -l a=b").err
    assert "no actions in namespace nowhere" in taskaction("get -n nowhere").err


def test_objects_are_printed_whole_for_programs(taskaction: Terminal) -> None:
    assert [one["metadata"]["name"] for one in json.loads(taskaction("get -o json").out)["items"]] == ["one", "two"]
    assert yaml.safe_load(taskaction("get one -o yaml").out)["spec"] == {"executor": "sleep"}
    assert taskaction("get -o name").out.split() == ["taskaction.taskaction.dev/one", "taskaction.taskaction.dev/two"]


def test_runs_of_flows_are_listed_below(taskaction: Terminal) -> None:
    status = {"phase": "Running", "states": [{"name": "Copy", "visit": "2"}]}
    taskaction.put(ACTION_FLOW_RUNS, "nightly", flowRef={"name": "backup"}, status=status)
    told = taskaction("get").out
    assert rows(told)[-1][:4] == ["nightly", "Running", "backup", "Copy"]
    assert rows(taskaction("get afr/nightly").out)[1][0] == "nightly"


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("get three", 6, "taskaction.taskaction.dev/three not found in namespace default"),
        ("get one pod/x", 2, "use NAME, taskaction/NAME"),
        ("get one -A", 2, "names cannot be combined with"),
        ("describe three", 6, "not found"),
        ("tree three", 6, "not found"),
        ("logs three", 6, "not found"),
    ],
)
def test_what_is_not_there_is_named(taskaction: Terminal, line: str, code: int, says: str, capsys) -> None:
    assert taskaction(line).code == code
    assert says in capsys.readouterr().err


def test_a_terminal_gets_colours_and_rows_of_one_line(taskaction: Terminal) -> None:
    taskaction.put(TASK_ACTIONS, "long", executor="noop", status={"phase": "Failed", "message": "very " * 50})
    taskaction.width, taskaction.looks = 80, True
    told = taskaction("get").out
    plain = re.sub("\x1b\\[[0-9;]*m", "", told).splitlines()
    assert told != "\n".join(plain)
    assert len(plain) == 4
    assert all(len(line) <= 80 for line in plain)
    assert "…" in plain[1]
    assert plain[1].rstrip().endswith("d")  # the age is still there


def test_a_pipe_gets_whole_lines_without_colours(taskaction: Terminal) -> None:
    taskaction.put(TASK_ACTIONS, "long", executor="noop", status={"phase": "Failed", "message": "very " * 100})
    told = taskaction("get").out
    assert "\x1b" not in told
    assert "very " * 99 in told


def owned(terminal: Terminal, name: str, parent: str, **more) -> None:
    terminal.put(TASK_ACTIONS, name, executor="noop", parentRef={"name": parent}, **more)


def test_a_tree_shows_what_is_below(taskaction: Terminal) -> None:
    owned(taskaction, "child", "one", status={"phase": "Paused", "message": "go on?"})
    owned(taskaction, "grandchild", "child")
    owned(taskaction, "second", "one")
    told = [re.split("  [A-Z]", line)[0] for line in taskaction("tree").out.splitlines()]
    assert told == ["one", "├── child", "│   └── grandchild", "└── second"]
    assert [line.split()[1] for line in taskaction("tree child").out.splitlines()] == ["Paused", "grandchild"]


def test_parents_that_are_each_others_children_end_a_tree(taskaction: Terminal) -> None:
    owned(taskaction, "a", "b")
    owned(taskaction, "b", "a")
    assert len(taskaction("tree a").out.splitlines()) == 3


def test_a_tree_is_watched_until_all_of_it_has_ended() -> None:
    terminal = Terminal()
    terminal("run parent -e sleep -p duration=600ms --no-wait")
    terminal("run child -e sleep -p duration=700ms --parent parent --no-wait")
    told = terminal("tree parent -w")
    assert told.code == 0
    lines = told.out.splitlines()
    assert ["Succeeded" in line for line in lines] == [True, True]


def test_a_description_holds_all_that_is_known(taskaction: Terminal) -> None:
    status = {
        "phase": "Failed",
        "reason": "HttpStatus",
        "message": "the target says 500",
        "error": {"code": "HttpStatus", "kind": "System", "message": "500"},
        "attempt": 2,
        "attempts": [
            {
                "number": 1,
                "phase": "Failed",
                "startedAt": "2026-01-01T12:00:01Z",
                "endedAt": "2026-01-01T12:00:02Z",
                "error": {"code": "HttpStatus", "kind": "System", "message": "502"},
            }
        ],
        "history": [{"phase": "Running", "at": "2026-01-01T12:00:01.5Z", "reason": "Executing"}],
        "links": [{"name": "console", "url": "https://x.example"}],
        "finishedAt": "2026-01-01T12:00:09Z",
    }
    reads = [{"parameter": "auth.token", "secretKeyRef": {"name": "github", "key": "token"}}]
    taskaction.put(
        TASK_ACTIONS, "bad", executor="http", parameters={"url": "https://x"}, parametersFrom=reads, status=status
    )
    owned(taskaction, "child", "bad")
    told = taskaction("describe bad").out
    for text in (
        "HttpStatus: 500 (the platform team can fix it)",
        "url: https://x",
        "auth.token is read from Secret github, key token",
        "https://x.example",
        "1   Failed   502",
        "taskaction.taskaction.dev/child",
    ):
        assert text in told
    history = told[told.index("History:") :].splitlines()
    assert [line.split()[-1] for line in history[1:3]] == ["Created", "Executing"]


def test_the_log_of_an_action_is_what_it_has_been_through() -> None:
    terminal = Terminal()
    terminal("run a -e fail -p message=oops --retries 1 --no-wait")
    told = terminal("logs a -f").out
    assert "attempt 1 of 2 failed" in told
    assert told.splitlines()[0].split()[1] == "Created"
    assert "Failed" in told.splitlines()[-1]
    assert told.count("oops (attempt 2 of 2)") == 1


def test_providers_say_whether_they_are_ready(taskaction: Terminal) -> None:
    ready = {
        "conditions": [{"type": "Ready", "status": "False", "reason": "UnknownExecutor", "message": "no executor x"}]
    }
    taskaction.put(ACTION_PROVIDERS, "api", executor="x", status=ready)
    taskaction.put(CLUSTER_ACTION_PROVIDERS, "shared", namespace="", executor="http", status={})
    _, own, shared = rows(taskaction("providers").out)
    assert own[:5] == ["api", "default", "x", "False", "UnknownExecutor"]
    assert shared[:4] == ["shared", "cluster", "http", "Unknown"]
    assert "no executor x" in taskaction("providers -o wide").out
    assert len(json.loads(taskaction("providers -o json").out)["items"]) == 2
    assert "no providers in namespace" in Terminal(works=False)("providers").err


SHORT = {
    "phase": "Succeeded",
    "reason": "Completed",
    "attempt": 1,
    "startedAt": "2026-01-01T12:00:01.5Z",
    "finishedAt": "2026-01-01T12:00:02Z",
}
FORMER = SHORT | {
    "attempts": [{"number": 1, "phase": "Succeeded", "startedAt": SHORT["startedAt"], "endedAt": SHORT["finishedAt"]}],
    "history": [
        {"phase": "Running", "at": SHORT["startedAt"], "reason": "Executing", "message": ""},
        {"phase": "Succeeded", "at": SHORT["finishedAt"], "reason": "Completed", "message": ""},
    ],
    "links": [],
}


def test_a_short_success_is_described_as_before_its_status_left_anything_out(taskaction: Terminal) -> None:
    told = []
    for status in (FORMER, SHORT):
        taskaction.put(TASK_ACTIONS, "one", executor="noop", status=status)
        told.append(re.sub(r" \([^)]* ago\)", "", taskaction("describe one").out))
    assert told[1] == told[0]
    assert "1   Succeeded" in told[1]
    assert [line.split()[-1] for line in told[1][told[1].index("History:") :].splitlines()[1:4]] == [
        "Created",
        "Executing",
        "Completed",
    ]
