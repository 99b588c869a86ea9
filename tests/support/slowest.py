"""Record of the slowest tests of a run, with their fixtures; a plug-in of pytest, named in `conftest.py`."""

from collections import Counter

import pytest

from local.manifests import ROOT

COUNT = 60
RESULT = ROOT / ".tests" / "slowest.txt"

_seconds: Counter[str] = Counter()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up setup, call and teardown; of a run by xdist the process that prints sees the reports of all workers."""
    _seconds[report.nodeid] += report.duration


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Write the file and print its path; workers of xdist have no terminal."""
    if not _seconds:
        return
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(format_slowest(_seconds))
    terminalreporter.write_line(f"slowest {min(COUNT, len(_seconds))} tests: {RESULT.relative_to(ROOT)}")


def format_slowest(seconds: Counter[str]) -> str:
    """Return the slowest tests, one a line, after the sum of all."""
    lines = [f"{value:8.2f}  {name}" for name, value in seconds.most_common(COUNT)]
    return "\n".join([f"{seconds.total():8.2f}  {len(seconds)} tests", *lines, ""])
