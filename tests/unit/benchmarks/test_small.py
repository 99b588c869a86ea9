"""The figures that need no cluster, each measured once in a small form: every figure gets a value."""

from types import ModuleType, SimpleNamespace

import pytest

from benchmarks.figures import engine, flows, history, history_reads, schedules

SMALL = {
    engine: {"RUNS": 200, "FEW": 10, "MANY": 100, "ROUNDS": 1, "LONG_KEY": 50, "KEYS": 4, "RUNS_OF_A_KEY": 2},
    schedules: {"YEARS": (2026, 2027), "ZONES": ("Europe/Berlin", "Australia/Lord_Howe", "Asia/Tokyo"), "DECIDED": 4},
    flows: {"ROUNDS": 1, "LOOPS": 20, "STATES": 20},
    history: {"COUNT": 500},
    history_reads: {"POSTGRES_ROWS": 300, "SQLITE_ROWS": 300, "PAGES": 3, "LIMIT": 5, "REPEATS": 2},
}


@pytest.mark.parametrize("module", SMALL, ids=lambda module: module.GROUP.name)
def test_every_figure_gets_a_value(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL[module].items():
        monkeypatch.setattr(module, name, value)
    rows = list(module.GROUP.measure(SimpleNamespace(say=lambda _: None)))
    assert {row.figure for row in rows} == set(module.GROUP.figures)
    assert all(row.value is not None for row in rows)
