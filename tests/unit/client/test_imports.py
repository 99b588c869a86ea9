"""The client's own import contracts hold, and an import of the operator is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.client_wheel import PROJECT


@pytest.mark.parametrize(
    ("module", "imported"),
    [("changes.py", "taskaction.api.enums"), ("errors.py", "taskaction_client.transport"), ("stray.py", "json")],
)
def test_a_wrong_import_or_a_module_in_no_layer_is_refused(tmp_path: Path, module: str, imported: str) -> None:
    shutil.copytree(PROJECT / "src" / "taskaction_client", tmp_path / "taskaction_client")
    with (tmp_path / "taskaction_client" / module).open("a") as file:
        file.write(f"\nimport {imported}\n")
    command = [Path(sys.executable).with_name("lint-imports"), "--config", PROJECT / "pyproject.toml", "--no-cache"]
    env = os.environ | {"PYTHONPATH": str(tmp_path), "COLUMNS": "400"}
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert module.removesuffix(".py") in done.stdout
