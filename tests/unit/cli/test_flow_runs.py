"""`taskaction flow run` and `flow graph`: a flow from the command line, with its run among the actions."""

import json

import pytest
import yaml

from support.terminal import Terminal
from taskaction.cli import main
from taskaction.cluster.gateway import ACTION_FLOWS

DEFINITION = {
    "StartAt": "Hello",
    "States": {
        "Hello": {
            "Type": "Action",
            "ActionUrl": "taskaction://executor/noop",
            "Parameters": {"output": 1},
            "ResultPath": "$.said",
            "Next": "Done",
        },
        "Done": {"Type": "Pass", "End": True},
    },
}


@pytest.fixture
def file(tmp_path) -> str:
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(DEFINITION))
    return str(path)


def test_a_flow_is_run_by_its_name_and_followed_to_its_end() -> None:
    terminal = Terminal()
    terminal.put(ACTION_FLOWS, "greet", definition=DEFINITION)
    told = terminal("flow run greet --name one -i who=world")
    assert told.code == 0, told.err
    assert json.loads(told.out)["who"] == "world"
    assert terminal("get afr/one").out.splitlines()[1].split()[:3] == ["one", "Succeeded", "greet"]
    tree = terminal("tree afr/one").out.splitlines()
    assert tree[0].startswith("actionflowrun/one  Succeeded")
    assert tree[1].startswith("└── one-")


def test_a_definition_is_run_from_a_file(file: str) -> None:
    terminal = Terminal()
    told = terminal(f"flow run -f {file} -o json")
    assert told.code == 0
    assert json.loads(told.out)["spec"]["definition"] == DEFINITION


def test_every_flag_of_a_run_has_its_field() -> None:
    terminal = Terminal(works=False)
    line = "flow run greet --label mine --tag a --tag b --run-as robot --total-timeout 1h --dry-run"
    spec = yaml.safe_load(terminal(line, "-i", "a.b=1").out)["spec"]
    assert spec == {
        "flowRef": {"name": "greet"},
        "input": {"a": {"b": 1}},
        "label": "mine",
        "tags": ["a", "b"],
        "runAs": {"serviceAccountName": "robot"},
        "timeouts": {"total": "1h"},
    }


@pytest.mark.parametrize(
    ("line", "code", "says"),
    [
        ("flow run", 2, "the name of an ActionFlow and --file"),
        ("flow run nobody", 6, "actionflow 'nobody' not found in namespace default; available: greet"),
        ("flow run -f /nowhere.json", 2, "/nowhere.json"),
    ],
)
def test_what_cannot_be_run_is_said(line: str, code: int, says: str, capsys) -> None:
    terminal = Terminal(works=False)
    terminal.put(ACTION_FLOWS, "greet", definition=DEFINITION)
    assert terminal(line).code == code
    assert says in capsys.readouterr().err


def test_a_run_can_be_aborted_by_its_kind() -> None:
    slow = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 3600, "End": True}}}
    terminal = Terminal()
    terminal.put(ACTION_FLOWS, "slow", definition=slow)
    terminal("flow run slow --name one --no-wait")
    assert terminal("abort afr/one --wait -r enough").code == 0
    assert terminal("wait afr/one").code == 3


def test_a_definition_is_drawn(file: str, capsys) -> None:
    assert main(["flow", "graph", file]) == 0
    assert capsys.readouterr().out.startswith("flowchart TD\n")


def test_what_cannot_be_drawn_is_said(tmp_path, capsys) -> None:
    path = tmp_path / "flow.json"
    path.write_text('{"StartAt": 1}')
    assert main(["flow", "graph", str(path)]) == 2
    assert "invalid definition" in capsys.readouterr().err
