"""What `make bench` exits with: a figure without a value fails it, a missed target does not."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from benchmarks import __main__ as bench
from benchmarks.figures.group import Group
from benchmarks.report import Figure, Report, Row, Target

FIRST = Figure("first_per_s", "1/s", Target(10, at_least=True))
SECOND = Figure("second_ms", "ms")


def complete(_: object) -> Iterator[Row]:
    yield FIRST.measured(1.0)  # far from its target
    yield SECOND.measured(2.0)


def incomplete(_: object) -> Iterator[Row]:
    yield FIRST.measured(1.0)


def failing(_: object) -> Iterator[Row]:
    yield FIRST.measured(1.0)
    raise AttributeError("no attribute 'moved'")


@pytest.mark.parametrize(
    ("measure", "code", "shown"),
    [(complete, 0, "NO"), (incomplete, 1, "not reached"), (failing, 1, "AttributeError: no attribute 'moved'")],
)
def test_a_figure_without_a_value_fails_the_run(
    measure, code: int, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench, "Stage", lambda *_: nullcontext())
    group = Group("pair", (FIRST, SECOND), measure, plane=lambda *_: None)
    report = Report(tmp_path / "latest.json", {}, keep=False)
    report.announce(group.figures)
    assert bench.run([group], tmp_path, report) == code
    assert shown in capsys.readouterr().out


@pytest.mark.parametrize("code", [0, 1])
def test_the_program_exits_as_the_run_does(code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench.signal, "signal", lambda *_: None)
    monkeypatch.setattr(bench, "own_programs", lambda: tmp_path)
    monkeypatch.setattr(bench.machine, "versions", lambda _: {})
    monkeypatch.setattr(bench, "RESULT", tmp_path / "latest.json")
    monkeypatch.setattr(bench, "run", lambda *_: code)
    monkeypatch.setattr("sys.argv", ["bench"])
    assert bench.main() == code
