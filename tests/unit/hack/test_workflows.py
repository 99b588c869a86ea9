"""The workflow files of the code host do what people do at home, with actions that nobody can exchange."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CALLED_BY_OTHERS = "run-action"
"""The workflow that other repositories call, where nothing of this checkout is."""
TARGETS = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in read(path)["jobs"].values() for step in job["steps"]]


def called(command: str) -> set[str]:
    """Give the make targets of a command."""
    words = [word for line in re.findall(r"\bmake ([^|>&;\n]*)", command) for word in line.split()]
    return {word for word in words if re.fullmatch(r"[a-z][a-z0-9-]*", word)}


def test_there_are_workflows() -> None:
    assert {path.stem for path in FILES} >= {"ci", "release"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_make_target_that_is_called_exists(path: Path) -> None:
    matrices = [job.get("strategy", {}).get("matrix", {}) for job in read(path)["jobs"].values()]
    wanted = {target for step in steps(path) for target in called(step.get("run", ""))} | {
        target for matrix in matrices for target in matrix.get("target", [])
    }
    assert bool(wanted) == (path.stem != CALLED_BY_OTHERS)
    assert wanted - TARGETS == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit_with_its_version_beside_it(path: Path) -> None:
    used = re.findall(r"uses: (.*)", path.read_text())
    assert len(used) == len([step for step in steps(path) if "uses" in step])
    assert [use for use in used if not re.fullmatch(r"[\w-]+/[\w/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", use)] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_job_has_a_bound(path: Path) -> None:
    assert [name for name, job in read(path)["jobs"].items() if "timeout-minutes" not in job] == []


def test_ci_calls_what_the_pipeline_at_home_calls() -> None:
    at_home = called((ROOT / ".ci" / "run").read_text())
    in_ci = {
        target for step in steps(ROOT / ".github" / "workflows" / "ci.yml") for target in called(step.get("run", ""))
    }
    in_ci |= {"test-integration", "test-e2e", "test-endurance"}  # by their matrix
    assert at_home == {"verify", "test", "test-endurance"}
    assert in_ci >= at_home - {"test"} | {"test-unit", "test-integration", "test-e2e"}  # `test` is these three


def test_hooks_before_a_commit_call_make() -> None:
    settings = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    entries = [hook["entry"] for repo in settings["repos"] for hook in repo["hooks"]]
    assert entries
    assert {target for entry in entries for target in called(entry)} - TARGETS == set()
    assert [entry for entry in entries if not called(entry)] == []


def test_the_page_from_ci_calls_the_reusable_workflow_as_it_is(tmp_path: Path) -> None:
    (block,) = re.findall(r"```yaml\n(name: .*?)```", (ROOT / "docs" / "from-ci.md").read_text(), re.DOTALL)
    (tmp_path / "deploy.yml").write_text(block)
    command = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*map(str, command), tmp_path / "deploy.yml"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    (job,) = yaml.safe_load(block)["jobs"].values()
    called_one = read(ROOT / ".github" / "workflows" / "run-action.yml")[True]["workflow_call"]  # YAML's `on` is true
    required = {name for name, one in called_one["inputs"].items() if one.get("required")}
    assert required <= set(job["with"]) <= set(called_one["inputs"])
    assert set(job["secrets"]) == set(called_one["secrets"])
