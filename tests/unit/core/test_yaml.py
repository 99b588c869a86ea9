"""YAML as kubectl reads it; the cases were seen with Helm and kubectl, which share their reader."""

import json

import pytest
import yaml

from support.terminal import Terminal
from taskaction.core.yaml import load_documents

SAME = {
    "a: on": True,
    "a: yes": True,
    "a: 'y'": "y",
    "a: n1": "n1",
    "a: 012": 10,
    "a: 0o14": 12,
    "a: 0x1F": 31,
    "a: 0b11": 3,
    "a: 1_000": 1000,
    "a: -7": -7,
    "a: 0": 0,
    "a: 1.5": 1.5,
    "a: 1e3": 1000.0,
    "a: 2001-01-01": "2001-01-01",
    "a: 12:30:45": "12:30:45",
    "a: 1.2.3": "1.2.3",
    "a: ~": None,
    "a: '012'": "012",
}


@pytest.mark.parametrize(("text", "value"), SAME.items(), ids=SAME)
def test_values_are_what_kubectl_makes_of_them(text: str, value: object) -> None:
    ((found,),) = ([one.values() for one in load_documents(text)],)
    assert list(found) == [value]
    assert [type(one) for one in found] == [type(value)]


REFUSED = {
    "spec: {n: 1}": ("the key n is not a string for kubectl but false: quote it", "column 8"),
    "on: 1": ("the key on is not a string for kubectl but true: quote it", "line 1"),
    "a:\n  Yes: 1": ("the key Yes is not a string for kubectl but true", "line 2"),
    "1: a": ("the key 1 is not a string for kubectl: quote it", "line 1"),
    "~: a": ("the key ~ is not a string for kubectl", "line 1"),
    "[a]: b": ("the key of several parts is not a string for kubectl", "line 1"),
    "answer: y": ("y is not a string for kubectl but true: quote it", "line 1"),
    "{a: 1, b: 2, a: 3}": ("duplicate key a: keep one", "column 14"),
    "- N": ("N is not a string for kubectl but false", "line 1"),
}


@pytest.mark.parametrize(("text", "says"), REFUSED.items(), ids=REFUSED)
def test_what_kubectl_would_turn_into_something_else_is_refused_with_its_place(
    text: str, says: tuple[str, ...]
) -> None:
    with pytest.raises(yaml.YAMLError) as refused:
        load_documents(text)
    assert all(word in str(refused.value) for word in says), refused.value


@pytest.mark.parametrize("text", ["'on': 1", '"n": 1', "a: &a {b: 1}\nc:\n  <<: *a", json.dumps({"n": "y", "1": "on"})])
def test_what_is_quoted_or_merged_is_as_it_stands(text: str) -> None:
    assert load_documents(text) == list(yaml.safe_load_all(text))


FLOW = """\
StartAt: Look
States:
  Look: {Type: Pass, Parameters: {on: push}, End: true}
"""


@pytest.mark.parametrize("command", ["flow validate", "flow graph", "local run"])
def test_commands_name_the_key_and_the_mend(command: str, tmp_path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(FLOW)
    assert Terminal()(command, str(file)).code == 2
    assert "the key on is not a string for kubectl but true: quote it" in " ".join(capsys.readouterr().err.split())
