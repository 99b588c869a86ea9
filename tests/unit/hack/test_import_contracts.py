"""Every module is in the import contract, and an import that points the wrong way is refused."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WRONG = {
    "core/names.py": "taskaction.api.base",
    "lifecycle/machine.py": "taskaction.control.objects.records",
    "plugin/base.py": "taskaction.executors.basic",
    "control/objects/writer.py": "taskaction.control.task_actions.calls",
    "control/task_actions/intake.py": "taskaction.runtime.process_metrics",
    "executors/basic.py": "taskaction.integrations.globus.model",
    "executors/wait.py": "taskaction.compat.executors.parameters",
    "app/watchdog.py": "taskaction.services.webhooks.settings",
    "integrations/globus/model.py": "taskaction.services.webhooks.settings",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("contracts")
    shutil.copytree(ROOT / "operator" / "taskaction", folder / "taskaction")
    (folder / "taskaction" / "stray.py").write_text('"""A module that no contract names."""\n')
    for module, imported in WRONG.items():
        with (folder / "taskaction" / module).open("a") as file:
            file.write(f"\nimport {imported}\n")
    command = (
        str(Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(ROOT / "pyproject.toml"),
        "--no-cache",
    )
    env = os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "400"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    return " ".join(done.stdout.split())


@pytest.mark.parametrize(("module", "imported"), WRONG.items())
def test_a_wrong_import_is_refused(report: str, module: str, imported: str) -> None:
    assert f"taskaction.{module.removesuffix('.py').replace('/', '.')} -> {imported}" in report


def test_a_module_that_is_in_no_layer_is_refused(report: str) -> None:
    assert "stray" in report
