"""`taskaction flow validate`, as people use it."""

import json
import re

import pytest

from local.manifests import ROOT
from taskaction.cli import main

GOOD = {"StartAt": "A", "States": {"A": {"Type": "Pass", "End": True}}}
BAD = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}
RICHER = {"StartAt": "A", "States": {"A": {"Type": "Pass", "ResultPath": None, "End": True}}}


@pytest.mark.parametrize(
    ("content", "options", "code", "says"),
    [
        pytest.param(json.dumps(GOOD), [], 0, "valid", id="json"),
        pytest.param("StartAt: A\nStates:\n  A: {Type: Pass, End: true}\n", [], 0, "valid", id="yaml"),
        pytest.param(json.dumps({"kind": "ActionFlow", "spec": {"definition": GOOD}}), [], 0, "valid", id="manifest"),
        pytest.param(json.dumps(BAD), [], 1, "$.States.A.Next: unknown state 'B'", id="wrong"),
        pytest.param(json.dumps({"kind": "ActionFlow"}), [], 1, "$: ", id="empty manifest"),
        pytest.param(json.dumps(RICHER), [], 0, "valid", id="superset"),
        pytest.param(json.dumps(RICHER), ["--strict"], 1, "cannot discard a result", id="not portable"),
        pytest.param("{", [], 2, "flow.yaml: ", id="no yaml"),
    ],
)
def test_a_file_is_validated_without_any_cluster(tmp_path, capsys, content, options, code, says) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(content)
    assert main(["flow", "validate", str(file), *options]) == code
    told = capsys.readouterr()
    assert says in told.out + told.err


def test_a_file_that_is_not_there_is_named(capsys) -> None:
    assert main(["flow", "validate", "/nowhere/flow.json"]) == 2
    assert "/nowhere/flow.json" in capsys.readouterr().err


def test_the_page_s_examples_are_valid_and_portable(tmp_path, capsys) -> None:
    example, manifest = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "flows-language.md").read_text(), re.DOTALL)
    file = tmp_path / "flow.yaml"
    for text in (example, manifest):
        file.write_text(text)
        assert main(["flow", "validate", "--strict", str(file)]) == 0, capsys.readouterr().out


MANIFESTS = """
apiVersion: taskaction.dev/v1alpha1
kind: ActionProvider
metadata: {name: copy}
spec:
  executor: noop
  inputSchema: {type: object, required: [path]}
---
apiVersion: taskaction.dev/v1alpha1
kind: ActionFlow
metadata: {name: f}
spec:
  inputSchema: SCHEMA
  definition:
    StartAt: A
    States:
      A: {Type: Action, ActionUrl: "taskaction://provider/copy", Parameters: {PARAMETER}, End: true}
"""


@pytest.mark.parametrize(
    ("parameter", "schema", "says"),
    [
        ("path: /x", "{type: object}", "valid"),
        ("paht: /x", "{type: object}", "$.States.A.Parameters: 'path' is a required property"),
        ("path: /x", "{type: thing}", "spec.inputSchema.type: 'thing' is not valid"),
    ],
)
def test_a_file_is_judged_as_the_cluster_would_with_the_providers_that_are_in_it(
    tmp_path, capsys, parameter, schema, says
) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(MANIFESTS.replace("PARAMETER", parameter).replace("SCHEMA", schema))
    assert main(["flow", "validate", str(file)]) == (0 if says == "valid" else 1)
    assert f"{file}: {says}" in capsys.readouterr().out


def test_a_file_of_several_flows_is_refused(tmp_path, capsys) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text("{kind: ActionFlow}\n---\n{kind: ActionFlow}\n")
    assert main(["flow", "validate", str(file)]) == 2
    assert "contains 2 flows" in capsys.readouterr().err


def blocks(page: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)


@pytest.mark.parametrize(
    ("page", "number"), [("flows-tutorial.md", 0), ("from-step-functions.md", 0)], ids=["tutorial", "step functions"]
)
def test_the_flows_of_the_pages_are_valid(tmp_path, capsys, page, number) -> None:
    file = tmp_path / "flow.yaml"
    file.write_text(blocks(page)[number])
    assert main(["flow", "validate", str(file)]) == 0, capsys.readouterr().out


def test_a_word_of_step_functions_is_answered_with_the_word_to_write(tmp_path, capsys) -> None:
    (machine,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "from-step-functions.md").read_text(), re.DOTALL)
    file = tmp_path / "machine.json"
    file.write_text(machine)
    assert main(["flow", "validate", str(file)]) == 1
    assert "$.States.Charge: unknown state type 'Task'; use Action" in capsys.readouterr().out


def test_the_tutorial_s_picture_is_that_of_its_flow(capsys) -> None:
    (shown,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs" / "flows-tutorial.md").read_text(), re.DOTALL)
    assert main(["flow", "graph", str(ROOT / "examples" / "14-flow-loop" / "flow.yaml")]) == 0
    assert capsys.readouterr().out == shown


@pytest.mark.parametrize("file", sorted((ROOT / "examples").glob("*/flow.yaml")), ids=lambda file: file.parent.name)
def test_the_examples_are_valid(file, capsys) -> None:
    assert main(["flow", "validate", str(file)]) == 0, capsys.readouterr().out
