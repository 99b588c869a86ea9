"""A project of users that has nothing but the installed package: its tests use every fixture of the plug-in."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.clusters import Cluster
from local.manifests import ROOT

PROJECT = ROOT / "tests" / "data" / "user_project"
FROM_OUTSIDE = ("KUBECONFIG", "TASKACTION_CHECKOUT", "PYTEST_ADDOPTS", "PYTHONPATH")
SECONDS = 200


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project, far away from this checkout and its settings."""
    return Path(shutil.copytree(PROJECT, tmp_path / "project"))


def outcome(project: Path, **environment: str) -> tuple[dict[str, int], str]:
    """Run its tests; give how many ended how, and what pytest has said."""
    around = {name: text for name, text in os.environ.items() if name not in FROM_OUTSIDE}
    told = subprocess.run(
        [sys.executable, "-m", "pytest", "-ra", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"],
        env=around | environment,
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )
    ends = re.findall(r"(\d+) (passed|failed|skipped|error)", told.stdout.splitlines()[-1])
    return {end: int(count) for count, end in ends}, told.stdout + told.stderr


def test_every_fixture_works_on_the_cluster_of_the_user(project: Path, cluster: Cluster) -> None:
    ends, said = outcome(project, KUBECONFIG=str(cluster.kubeconfig))
    assert ends == {"passed": 5}, said


def test_without_one_the_control_plane_of_a_checkout_is_run_and_ended(project: Path, programs: Path) -> None:
    ends, said = outcome(project, TASKACTION_CHECKOUT=str(ROOT), KUBEBUILDER_ASSETS=str(programs))
    assert ends == {"passed": 5}, said


def test_without_any_the_reason_is_said(project: Path) -> None:
    ends, said = outcome(project, PATH=str(Path(sys.executable).parent))
    assert ends == {"passed": 4, "skipped": 1}, said
    assert "no real cluster: set KUBECONFIG or TASKACTION_CHECKOUT" in said
