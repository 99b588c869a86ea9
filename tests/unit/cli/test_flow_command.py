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
        pytest.param(json.dumps(BAD), [], 1, "$.States.A.Next: there is no state 'B'", id="wrong"),
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
