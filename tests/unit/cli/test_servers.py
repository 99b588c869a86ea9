"""Servers start without what people's commands need, and are still found, explained and refused like any command."""

import subprocess
import sys

import pytest

from taskaction.cli import main
from taskaction.cli.serve import SERVERS

PEOPLES = ("typer", "rich", "click", "pygments", "taskaction.cli.program")


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("words", SERVERS, ids=" ".join)
def test_a_server_loads_nothing_that_is_for_people(words) -> None:
    """A wrong setting ends it after everything has been imported."""
    code = (
        f"import sys; from taskaction.cli import main; code = main({list(words)!r}); print(code, sorted(sys.modules))"
    )
    told = run_python(code, TASKACTION_LOG_FORMAT="wrong")
    assert told.stdout.startswith("2 "), told.stderr
    assert told.stderr.startswith("taskaction: TASKACTION_")
    assert not [name for name in PEOPLES if f"'{name}'" in told.stdout]


@pytest.mark.parametrize("words", SERVERS, ids=" ".join)
def test_a_server_explains_itself(words, capsys) -> None:
    assert main([*words, "--help"]) == 0
    assert "settings come from TASKACTION_" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(["operater"], "Did you mean 'operator'?", id="a misspelt command"),
        pytest.param(["operator", "run", "--fast"], "No such option: --fast", id="an option that is not there"),
        pytest.param(["operator", "release", "--timeout", "soon"], "soon", id="no duration"),
    ],
)
def test_a_wrong_command_line_is_refused_by_name(words, says, capsys) -> None:
    assert main(words) == 2
    assert says in capsys.readouterr().err


def test_the_version_is_told(capsys) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip()


def test_a_command_searches_for_garbage_again_but_not_among_its_modules() -> None:
    code = (
        "import gc; from taskaction.cli import main; "
        "code = main(['--version']); print(code, gc.isenabled(), gc.get_freeze_count() > 10_000)"
    )
    told = run_python(code)
    assert told.stdout.endswith("0 True True\n"), told.stdout + told.stderr
