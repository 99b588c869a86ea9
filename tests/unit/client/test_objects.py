"""Names that the client makes are valid, objects are read as they are, and a type checker knows the fields."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.manifests import ROOT
from support.client_wheel import PROJECT
from taskaction_client.errors import ActionFailedError, OutputStoredError
from taskaction_client.failures import BY_REASON, ActionInterruptedError, ActionSystemError
from taskaction_client.objects import Action, Request, generate_name
from taskaction_client.outcomes import Outcome, failure_of, output_of

PROGRAM = """
from taskaction_client import SyncClient

with SyncClient() as client:
    client.actions.run({"executor": "noop", "parameters": {"output": 1}, "retryPolicy": {"limit": 3}})
    client.flow_runs.run({"flowRef": {"name": "a"}})
    reveal_type(client.actions.get("a").status.get("finishedAt"))
"""


def ended(phase: str = "Succeeded", **status: Any) -> Action:
    metadata = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1"}
    return Action.of({"metadata": metadata, "spec": {}, "status": {"phase": phase, **status}})


@pytest.mark.parametrize(
    ("spec", "start"),
    [
        ({"executor": "http"}, "http-"),
        ({"providerRef": {"name": "x" * 253}}, f"{'x' * 52}-"),
        ({"providerRef": {"name": f"{'x' * 51}.y"}}, f"{'x' * 51}-"),
        ({"flowRef": {"name": "nightly"}}, "nightly-"),
        ({"definition": {}}, "run-"),
    ],
)
def test_a_generated_name_is_valid_and_new(spec: dict[str, Any], start: str) -> None:
    names = {generate_name(spec) for _ in range(100)}
    assert len(names) == 100
    assert all(name.startswith(start) and re.fullmatch(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?", name) for name in names)


def test_a_request_marks_its_object_with_an_id() -> None:
    request = Request(spec={"executor": "noop"}, name="a", labels={"x": "1"}, request_id="42")
    assert request.to_body("TaskAction", "n", {"y": "2"}) == {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "TaskAction",
        "metadata": {
            "name": "a",
            "namespace": "n",
            "annotations": {"client.taskaction.dev/request-id": "42"},
            "labels": {"x": "1", "y": "2"},
        },
        "spec": {"executor": "noop"},
    }


def test_a_failure_has_the_class_of_its_reason_or_the_base() -> None:
    interrupted = failure_of(ended("Failed", reason="Interrupted", message="stopped"))
    assert (type(interrupted), str(interrupted)) == (
        ActionInterruptedError,
        "TaskAction n/a is Failed (Interrupted): stopped",
    )
    assert type(failure_of(ended("Failed", reason="SystemError"))) is ActionSystemError
    assert type(failure_of(ended("Failed", reason="Http404"))) is ActionFailedError
    assert {"Interrupted", "TotalTimeout", "Aborted", "FlowFailed"} <= set(BY_REASON)
    assert not {"Completed", "Queued", "Executing", "Ready"} & set(BY_REASON)


def test_an_output_outside_of_the_object_is_an_error() -> None:
    assert output_of(ended(output={"a": 1})) == {"a": 1}
    assert output_of(ended()) is None
    assert Outcome(Request(spec={}), ended(output=0)).result() == 0
    with pytest.raises(OutputStoredError, match=r"stored at s3://b/x: read it with `taskaction output`") as caught:
        output_of(ended(outputUri="s3://b/x", outputSize=70_000))
    assert caught.value.uri == "s3://b/x"
    with pytest.raises(OutputStoredError, match="was not kept"):
        output_of(ended(outputSize=70_000))


def check_types(folder: Path, *programs: str) -> str:
    """Return what mypy reports about programs of a user."""
    names = [f"program_{number}.py" for number in range(len(programs))]
    for name, program in zip(names, programs, strict=True):
        (folder / name).write_text(program)
    alone = ("--no-site-packages", "--ignore-missing-imports", "--follow-imports=silent")  # aiohttp takes long to read
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        f"--cache-dir={folder}",
        *alone,
        *names,
    ]
    env = os.environ | {"MYPYPATH": str(PROJECT / "src")}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False).stdout


def test_a_type_checker_knows_the_fields(tmp_path: Path) -> None:
    wrong = PROGRAM.replace('"parameters"', '"paramters"').replace('"limit": 3', '"limit": "3"')
    found = check_types(tmp_path, PROGRAM + wrong)
    assert "Found 2 errors" in found, found
    assert 'Extra key "paramters" for TypedDict "TaskActionSpec"' in found
    assert '"limit" has type "int"' in found
    assert found.count('Revealed type is "builtins.str | None"') + found.count('Revealed type is "str | None"') == 2


def test_the_programs_of_the_documents_have_no_type_errors(tmp_path: Path) -> None:
    pages = (ROOT / "docs" / "from-python.md", PROJECT / "README.md")
    blocks = [block for page in pages for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)]
    assert len(blocks) > 6
    assert "Success: no issues found" in (found := check_types(tmp_path, *blocks)), found
