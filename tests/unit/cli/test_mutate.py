"""`abort`, `signal`, `suspend` and `resume`: what they write, and what they say of what is too late."""

from typing import Any

import pytest

from support.terminal import Terminal
from taskaction.cluster.errors import ConflictError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS
from taskaction.cluster.memory import MemoryCluster

ENDED = {"phase": "Succeeded", "finishedAt": "2026-01-01T12:00:09Z"}


@pytest.fixture
def taskaction() -> Terminal:
    terminal = Terminal(works=False)
    terminal.put(TASK_ACTIONS, "one", executor="noop")
    terminal.put(TASK_ACTIONS, "over", executor="noop", status=ENDED)
    return terminal


def spec(terminal: Terminal, name: str = "one"):
    return terminal.cluster.objects["taskactions", "default", name]["spec"]


def test_an_abort_has_its_reason_and_is_asked_for_once(taskaction: Terminal) -> None:
    assert taskaction("abort one over --reason", "no longer needed").code == 0
    assert spec(taskaction)["abort"] == {"reason": "no longer needed"}
    told = taskaction("abort one --reason other")
    assert "is already being aborted" in told.out
    assert spec(taskaction)["abort"] == {"reason": "no longer needed"}
    assert "abort" not in spec(taskaction, "over")


def test_all_with_a_label_can_be_aborted(taskaction: Terminal) -> None:
    body = taskaction.put(TASK_ACTIONS, "two", executor="noop")
    taskaction.cluster.store(TASK_ACTIONS, body | {"metadata": body["metadata"] | {"labels": {"batch": "7"}}})
    assert taskaction("abort -l batch=7").out == "taskaction.taskaction.dev/two is being aborted\n"
    assert "abort" not in spec(taskaction)
    assert "no matching actions" in taskaction("abort -l batch=8").err


@pytest.mark.parametrize("line", ["abort", "abort one -l a=b", "suspend", "resume"])
def test_it_must_be_said_what_to_change(taskaction: Terminal, line: str, capsys) -> None:
    assert taskaction(line).code == 2
    assert "either names, or a selector" in capsys.readouterr().err


def test_an_abort_can_be_waited_for() -> None:
    terminal = Terminal()
    terminal("run a -e sleep -p duration=1h --no-wait")
    assert terminal("abort a --wait -r enough").code == 0
    assert terminal.cluster.objects["taskactions", "default", "a"]["status"]["phase"] == "Aborted"


@pytest.mark.parametrize(
    ("wanted", "words", "value"),
    [
        ("boolean", ["yes"], True),
        ("boolean", ["No"], False),
        ("string", ["42"], "42"),
        ("integer", ["42"], 42),
        ("number", ["0.5"], 0.5),
        ("object", ['{"a": 1}'], {"a": 1}),
        ("any", ["null"], None),
        ("any", ["true", "--text"], "true"),
    ],
)
def test_a_signal_has_the_type_that_is_waited_for(taskaction: Terminal, wanted, words, value) -> None:
    taskaction.put(TASK_ACTIONS, "ask", executor="approval", parameters={"type": wanted})
    assert taskaction("signal ask", *words).code == 0
    assert spec(taskaction, "ask")["signal"] == {"value": value}


@pytest.mark.parametrize(
    ("wanted", "word"), [("boolean", "maybe"), ("integer", "true"), ("array", "{}"), ("object", "x")]
)
def test_a_signal_of_another_type_is_not_sent(taskaction: Terminal, wanted, word, capsys) -> None:
    taskaction.put(TASK_ACTIONS, "ask", executor="approval", parameters={"type": wanted})
    assert taskaction("signal ask", word).code == 2
    assert "ask expects" in capsys.readouterr().err
    assert "signal" not in spec(taskaction, "ask")


def test_a_signal_answers_an_approval() -> None:
    terminal = Terminal()
    terminal("run ask -e approval -p prompt=ship? --no-wait")
    terminal("wait ask --for phase=Paused --timeout 20s")
    terminal("signal ask yes")
    told = terminal("wait ask")
    assert told.code == 0
    assert terminal.cluster.objects["taskactions", "default", "ask"]["status"]["output"]["value"] is True


def asking(terminal: Terminal, *states: str) -> None:
    """Have a run wait in these states, each for a yes or no, and be in another that waits for nobody."""
    for state in states:
        status = {"phase": "Paused"}
        terminal.put(TASK_ACTIONS, f"r-{state}", executor="approval", parameters={}, status=status)
    shown = [{"name": state, "visit": "1", "action": f"r-{state}"} for state in states]
    shown += [{"name": "Busy", "visit": "2", "action": "one"}, {"name": "Rest", "visit": "3"}]
    terminal.put(ACTION_FLOW_RUNS, "r", definition={}, status={"phase": "Paused", "states": shown})


def run_signal(terminal: Terminal) -> dict[str, Any]:
    return dict(terminal.cluster.objects["actionflowruns", "default", "r"]["spec"]["signal"])


def test_a_run_is_answered_in_the_type_that_it_waits_for_and_each_answer_is_another(taskaction: Terminal) -> None:
    asking(taskaction, "legal")
    assert taskaction("signal afr/r yes").code == 0
    first = run_signal(taskaction)
    assert first["value"] is True
    assert taskaction("signal afr/r yes").code == 0
    assert run_signal(taskaction)["id"] != first["id"]


def test_a_run_that_waits_in_several_states_needs_the_name_of_one(taskaction: Terminal, capsys) -> None:
    asking(taskaction, "legal", "money")
    assert taskaction("signal afr/r yes").code == 2
    assert "waits in several states: choose one with --state (legal, money)" in capsys.readouterr().err
    assert taskaction("signal afr/r no --state money").code == 0
    assert run_signal(taskaction).items() >= {"value": False, "state": "money"}.items()


def test_an_action_has_no_states(taskaction: Terminal, capsys) -> None:
    assert taskaction("signal one yes --state legal").code == 2
    assert "is not a run of a flow: omit --state" in capsys.readouterr().err


def test_what_has_ended_takes_no_signal(taskaction: Terminal, capsys) -> None:
    assert taskaction("signal over yes").code == 2
    assert "has ended already: Succeeded" in capsys.readouterr().err


def test_a_suspend_can_be_taken_back(taskaction: Terminal) -> None:
    assert taskaction("suspend one").out == "taskaction.taskaction.dev/one suspended\n"
    assert spec(taskaction)["suspend"] is True
    assert "already suspended" in taskaction("suspend one").out
    assert taskaction("resume one").out == "taskaction.taskaction.dev/one resumed\n"
    assert spec(taskaction)["suspend"] is False
    assert "has ended already" in taskaction("suspend over").err


def test_a_write_in_between_is_not_lost(taskaction: Terminal, monkeypatch) -> None:
    patch, lost = MemoryCluster.patch, [ConflictError("changed meanwhile")]

    async def unlucky(self, *arguments, **options):
        if lost:
            raise lost.pop()
        return await patch(self, *arguments, **options)

    monkeypatch.setattr(MemoryCluster, "patch", unlucky)
    assert taskaction("abort one").code == 0
    assert "abort" in spec(taskaction)
