"""The client's wheel works where neither the operator nor kopf is installed."""

import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from local.manifests import ROOT
from release.versions import Version
from support.client_wheel import PROJECT, build_wheel, install_wheel, run

LOOK = """
import importlib.util
import taskaction_client
from taskaction_client import ConfigurationError, SyncClient
print([name for name in ("kopf", "taskaction", "kubernetes", "pydantic") if importlib.util.find_spec(name)])
try:
    SyncClient(kubeconfig="/nowhere/config")
except ConfigurationError as error:
    print(error)
import taskaction_client.connection
print(taskaction_client.__file__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


def test_the_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    python = install_wheel(wheel, tmp_path / "clean")
    others, error, place = run(python, "-c", LOOK, cwd=tmp_path).splitlines()
    assert others == "[]"
    assert error == "kubeconfig /nowhere/config not found: set KUBECONFIG to an existing file"
    assert Path(place).is_relative_to(tmp_path)


def test_the_wheel_has_the_version_of_the_checkout_its_types_and_the_licence(wheel: Path) -> None:
    assert f"-{Version.of_checkout().python}-" in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = [archive.read(name).decode() for name in names if name.endswith(".dist-info/METADATA")]
    assert "taskaction_client/py.typed" in names
    assert [name for name in names if not name.startswith(("taskaction_client/", "taskaction_client-"))] == []
    assert re.search(r"^License-Expression: Apache-2\.0$", metadata, re.MULTILINE)
    assert (PROJECT / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()


def test_a_wheel_can_be_built_from_the_source_archive(tmp_path: Path) -> None:
    script = "import hatchling.build, sys; print(hatchling.build.build_sdist(sys.argv[1]))"
    name = run(sys.executable, "-c", script, tmp_path, cwd=PROJECT).strip().splitlines()[-1]
    with tarfile.open(tmp_path / name) as archive:
        archive.extractall(tmp_path, filter="data")
    built = build_wheel(tmp_path, tmp_path / name.removesuffix(".tar.gz"))
    assert f"-{Version.of_checkout().python}-" in built.name
