"""What all processes share exists once: no process opens sockets and sessions, or handles signals, by itself."""

import ast
from collections.abc import Mapping
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "operator" / "taskaction"
USED_BY_TESTS = PACKAGE / "testing"
"""Targets on loopback for tests of users are not processes of their own."""
HOMES = {
    "add_signal_handler": {"runtime/process.py"},
    "set_threshold": {"runtime/process.py"},
    "configure_logs": {"runtime/process.py", "cli/local.py"},
    "create_server": {"runtime/connections.py", "runtime/listening.py"},
    "TCPSite": set(),
    "SockSite": {"runtime/listening.py"},
    "CollectorRegistry": {"runtime/process_metrics.py"},
    "RestCluster": {"runtime/api_session.py"},
    "ProbeServer": {"runtime/process.py"},
}
"""The modules that may call something; a local run configures its own logs, because it is no process of a cluster."""


@pytest.fixture(scope="module")
def callers() -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {name: set() for name in HOMES}
    for path in PACKAGE.rglob("*.py"):
        if USED_BY_TESTS in path.parents:
            continue
        text = path.read_text()
        for node in ast.walk(ast.parse(text)) if any(name in text for name in HOMES) else ():
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", getattr(node.func, "id", ""))
                found.get(called, set()).add(path.relative_to(PACKAGE).as_posix())
    return found


@pytest.mark.parametrize("name", HOMES)
def test_only_the_frame_does_it(callers: Mapping[str, set[str]], name: str) -> None:
    assert callers[name] == HOMES[name]
