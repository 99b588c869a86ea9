"""YAML as kubectl reads it; the cases were seen with Helm and kubectl, which share their reader."""

import json
import re

import pytest
import yaml
from hypothesis import given

from support.json_values import json_values
from support.terminal import Terminal
from taskaction.core.json_values import is_same
from taskaction.core.yaml import dump_document, load_documents

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


CHANGED = {
    "a: 9223372036854775808": "9223372036854775808: is an integer beyond 64 bits",
    "a: 0xffffffffffffffffff": "is an integer beyond 64 bits",
    "a: .nan": ".nan: is NaN or Infinity",
    "a: -.inf": "-.inf: is NaN or Infinity",
    "a: 1e400": "1e400: is NaN or Infinity",
    r'a: "\ud800"': "has half of a surrogate pair",
}


@pytest.mark.parametrize(("text", "message"), CHANGED.items(), ids=CHANGED)
def test_r24_a_value_that_would_change_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(yaml.YAMLError, match=re.escape(message)) as refused:
        load_documents(text)
    assert "line 1, column 4" in str(refused.value)


@given(json_values)
def test_r24_a_written_document_is_read_as_the_same_value(value: object) -> None:
    (found,) = load_documents(dump_document({"value": value}))
    assert is_same(found, {"value": value})


@pytest.mark.parametrize("text", ["4612e87", "1e3", "007", "0o17", "08", "1_0", "y", "N", "on", "~", "2001-01-01", "="])
def test_r24_a_text_that_is_something_else_for_kubectl_is_quoted(text: str) -> None:
    assert dump_document({"a": text}) == f"a: '{text}'\n"


def test_a_double_as_kubectl_writes_it_is_read_as_that_double() -> None:
    (found,) = load_documents("a: 100000000000000000000")
    assert (found, type(found["a"])) == ({"a": 1e20}, float)


LAUGHS = "a: &a [x]\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} [{', '.join(['*' + chr(97 + level)] * 10)}]\n" for level in range(8)
)
MERGES = "a: &a {x: 1}\n" + "".join(
    f"{chr(98 + level)}: &{chr(98 + level)} {{<<: [{', '.join(['*' + chr(97 + level)] * 10)}]}}\n" for level in range(8)
)
CHAIN = "k0: &k0 [1]\n" + "".join(f"k{i}: &k{i} [*k{i - 1}]\n" for i in range(1, 200))
COSTLY = {
    "aliases of aliases": (LAUGHS, "with all aliases written out"),
    "merges of merges": (MERGES, "with all aliases written out"),
    "itself": ("a: &a [*a]", "with all aliases written out"),
    "a long chain": (CHAIN, "with all aliases written out"),
    "deep lists": ("[" * 10_000, "nested deeper than 100 levels"),
    "deep blocks": ("- " * 10_000 + "x", "nested deeper than 100 levels"),
    "deep objects": ('{"a": ' * 10_000, "nested deeper than 100 levels"),
    "many digits": ("x: " + "1" * 300_000, "a number of 300000 characters"),
    "many digits of a fraction": ("x: 0." + "1" * 300_000, "a number of 300002 characters"),
    "many hexadecimal digits": ("x: 0x" + "f" * 300_000, "a number of 300002 characters"),
    "much text": ("x: " + "y" * 4_000_000, "at most 3145728 are allowed"),
}


@pytest.mark.parametrize(("text", "told"), COSTLY.values(), ids=COSTLY)
def test_a_text_that_would_cost_much_is_refused(text: str, told: str) -> None:
    with pytest.raises(yaml.YAMLError, match=told):
        load_documents(text)


def test_ordinary_aliases_and_numbers_are_read() -> None:
    text = "a: &a {b: [1, 2]}\nc: [*a, *a]\nx: 1.5e300"
    (found,) = load_documents(text)
    assert found == {"a": {"b": [1, 2]}, "c": [{"b": [1, 2]}] * 2, "x": 1.5e300}
    assert len(load_documents("---\n".join(["a: 1\n"] * 100))) == 100


@pytest.mark.parametrize("command", ["flow validate", "flow graph", "local run", "run --from-file", "flow run --file"])
@pytest.mark.parametrize(("text", "told"), [COSTLY["aliases of aliases"], COSTLY["many digits"], COSTLY["itself"]])
def test_commands_refuse_such_files(
    command: str, text: str, told: str, tmp_path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    assert Terminal()(command, str(file)).code == 2
    assert told in " ".join(capsys.readouterr().err.split())
