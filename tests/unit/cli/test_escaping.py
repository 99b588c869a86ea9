"""No text of a cluster controls the terminal of whoever reads it."""

import ast
import io
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import taskaction.cli
from support.terminal import Terminal
from taskaction.cli import output, terminal
from taskaction.cli.escaping import escape
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS

EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\x7f\rover\x00"
CONTROLS = {chr(code) for code in (*range(0x20), *range(0x7F, 0xA0))} - {"\n", "\t"}


@given(st.text())
def test_escaped_text_has_no_control_characters_and_other_text_is_unchanged(text: str) -> None:
    assert not CONTROLS & set(escape(text))
    assert escape(escape(text)) == escape(text)
    if not CONTROLS & set(text):
        assert escape(text) == text


def test_the_notation_is_that_of_kubectl() -> None:
    assert escape(EVIL) == "^[[2J^[]0;owned^G\\x9b31m^?\\rover^@"


@pytest.fixture
def evil() -> Terminal:
    """A cluster in which every text that somebody can write is evil."""
    found = Terminal().idle()
    status = {
        "phase": "Failed",
        "reason": EVIL,
        "message": EVIL,
        "output": {"text": EVIL, EVIL: 1},
        "externalId": EVIL,
        "links": [{"name": EVIL, "url": EVIL}],
        "progress": {"message": EVIL},
        "error": {"code": EVIL, "message": EVIL, "kind": "User"},
        "conditions": [{"type": EVIL, "status": EVIL, "reason": EVIL, "message": EVIL}],
        "attempts": [{"number": 1, "phase": "Failed", "startedAt": "2026-01-01T12:00:00Z"}],
    }
    parent = found.put(TASK_ACTIONS, "one", status=status, executor=EVIL, parameters={"prompt": EVIL})
    owner = {"kind": "TaskAction", "name": "one", "uid": parent["metadata"]["uid"]}
    child = found.put(TASK_ACTIONS, "two", status=status, executor=EVIL, parentRef={"name": "one"})
    child["metadata"]["ownerReferences"] = [owner]
    found.put(
        ACTION_FLOW_RUNS, "run", status={**status, "states": [{"name": EVIL}]}, flowRef={"name": EVIL}, tags=[EVIL]
    )
    return found


COMMANDS = [
    "get",
    "get -o wide",
    "get one -o json",
    "get one -o yaml",
    "get one -o name",
    "describe one",
    "describe run",
    "tree",
    "tree one",
    "logs one",
    "wait one --timeout 1s",
    "get missing\x1b[2J",
]


@pytest.mark.parametrize("looks", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("command", COMMANDS)
def test_s23_no_command_prints_control_characters_of_objects(evil: Terminal, command: str, looks: bool) -> None:
    evil.looks = looks
    told = evil(command)
    shown = (told.out + told.err).replace("\x1b[0m", "")
    assert "\x1b[2J" not in shown
    assert "\x1b]0" not in shown
    assert not (CONTROLS - ({"\x1b", "\r"} if looks else set())) & set(shown)  # rich moves the cursor


def test_s23_json_and_yaml_keep_the_value(evil: Terminal) -> None:
    shown = json.loads(evil("get one -o json").out)
    assert shown["status"]["message"] == EVIL


def test_a_result_is_unchanged_in_a_pipe_and_escaped_on_a_terminal() -> None:
    pipe = terminal.Terminal(file=io.StringIO(), force_terminal=False)
    screen = terminal.Terminal(file=io.StringIO(), force_terminal=True)
    for console in (pipe, screen):
        output.print_data(console, EVIL)
    assert pipe.file.getvalue() == EVIL + "\n"  # type: ignore[attr-defined]
    assert screen.file.getvalue() == escape(EVIL) + "\n"  # type: ignore[attr-defined]


def test_only_the_writer_writes() -> None:
    for file in Path(taskaction.cli.__path__[0]).glob("*.py"):
        called = {
            ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
        }
        direct = called & {"print", "Console", "sys.stdout.write", "sys.stderr.write", "typer.echo", "click.echo"}
        assert not direct, file.name
