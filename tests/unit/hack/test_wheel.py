"""The wheel that is published works where nothing of the checkout is: program, version, kinds and policies."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from release.versions import Version
from taskaction.crdgen.manifest import KINDS

ROOT = Path(__file__).parents[3]
BUILD = "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))"
READ = """
import importlib.resources, json
top = importlib.resources.files("taskaction") / "crds"
files = [path for folder in (top, top / "policies") for path in folder.iterdir() if path.is_file()]
found = {path.name: path.read_text() for path in files}
print(json.dumps([str(top), found]))
"""


def called(*command: str | Path, cwd: Path) -> str:
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    return folder / called(sys.executable, "-c", BUILD, folder, cwd=ROOT).strip().splitlines()[-1]


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own that has the wheel; what it depends on is lent from this one, without the checkout."""
    folder = tmp_path_factory.mktemp("fresh")
    called(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    called(sys.executable, "-m", "pip", f"--python={python}", "install", "--quiet", "--no-deps", "--no-index",
           "--disable-pip-version-check", wheel, cwd=folder)  # fmt: skip
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib"))  # its own .pth files, so the checkout, are not read
    return folder


def test_the_program_says_the_version_of_the_checkout(installed: Path, wheel: Path) -> None:
    said = called(installed / "bin" / "taskaction", "--version", cwd=installed).strip()
    assert said == Version.of_checkout().python
    assert f"-{said}-" in wheel.name


def test_kinds_and_policies_come_with_it(installed: Path) -> None:
    import json

    place, found = json.loads(called(installed / "bin" / "python", "-c", READ, cwd=installed))
    assert Path(place).is_relative_to(installed)
    assert {f"{kind.crd}.yaml" for kind in KINDS} <= set(found)
    shipped = [*(ROOT / "crds").glob("*.yaml"), *(ROOT / "crds" / "policies").glob("*.yaml")]
    assert found == {path.name: path.read_text() for path in shipped}


def test_every_executor_can_be_loaded_from_it(installed: Path) -> None:
    found = "distribution('taskaction-operator').entry_points"
    load = f"from importlib.metadata import distribution; print([plugin.load().__name__ for plugin in {found}])"
    assert "JobExecutor" in called(installed / "bin" / "python", "-c", load, cwd=installed)


def test_a_wheel_can_be_built_from_the_source_archive(tmp_path: Path) -> None:
    import tarfile

    name = called(sys.executable, "-c", BUILD.replace("wheel", "sdist"), tmp_path, cwd=ROOT).strip().splitlines()[-1]
    with tarfile.open(tmp_path / name) as archive:
        archive.extractall(tmp_path, filter="data")
    source = tmp_path / name.removesuffix(".tar.gz")
    assert {path.name for path in source.iterdir()} >= {"LICENSE", "README.md", "CHANGELOG.md", "crds", "operator"}
    built = called(sys.executable, "-c", BUILD, tmp_path, cwd=source).strip().splitlines()[-1]
    assert f"-{Version.of_checkout().python}-" in built


def test_its_metadata_names_no_machine_and_no_checkout(wheel: Path) -> None:
    import zipfile

    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
        names = archive.namelist()
    assert re.search(r"^License-Expression: Apache-2\.0$", metadata, re.MULTILINE)
    assert re.search(r"^Requires-Python: >=3\.11$", metadata, re.MULTILINE)
    assert "file://" not in metadata
    assert "taskaction/py.typed" in names
    assert [name for name in names if not name.startswith(("taskaction/", "taskaction_operator-"))] == []
