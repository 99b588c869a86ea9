"""Every group of figures that needs a cluster, measured once in a small form: each figure gets a value.

The figures without a cluster have a test among the unit tests.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from benchmarks.__main__ import measure
from benchmarks.figures import (
    GROUPS,
    abort,
    added_latency,
    backlog,
    chaos,
    client,
    engine,
    enqueue,
    fanout,
    flows,
    growth,
    history,
    history_faults,
    history_noop,
    history_reads,
    hostile,
    http_effects,
    image,
    latency,
    memory,
    namespaces,
    neighbours,
    node,
    order,
    parked,
    replicas,
    restart,
    runs,
    schedules,
    secrets,
    selected_watch,
    status_write,
    takeover,
    throughput,
    values,
    watch,
    workloads,
    writes,
)
from benchmarks.report import Report
from cluster import equipment, pods
from support.operators import QUICK_LEASES

pytestmark = [pytest.mark.endurance, pytest.mark.timeout(400)]

WITHOUT_CLUSTER = (engine, flows, history, history_reads, schedules, secrets)
BURST = {"COUNT": 100, "WARM_UP": 20}
SMALL: dict[ModuleType, dict[str, Any]] = {
    writes: {"COUNT": 5},
    throughput: BURST,
    status_write: {
        "COUNT": 60,
        "WARM_UP": 20,
        "ROUNDS": 1,
        "RULE_COUNT": 20,
        "FIELD_COUNT": 20,
        "MOST": 1,
    },
    latency: {"ROUNDS": 1, "SECONDS": 1, "CEILING_COUNT": 100},
    added_latency: {"ROUNDS": 1, "SECONDS": 1.0, "PER_SECOND": 30.0},
    memory: {"QUEUED": 100},
    hostile: {"INPUTS": 10, "WAITING": 20},
    restart: {"QUEUED": 100, "FINISHED": 100},
    backlog: {"QUEUED": 100},
    abort: {},
    growth: {"WARM_UP": 20, "by_operator": lambda *args: throughput.by_operator(*args[:-1], 50)},
    namespaces: {"COUNT": 40, "WARM_UP": 10},
    neighbours: {"ROUNDS": 1, "SECONDS": 1.0, "BACKLOG": 50, "SATURATION": 50, "WARM_UP": 10},
    parked: {"PARKED": 50, "WINDOW_SECONDS": 1.0},
    runs: {"CHAINS": 2, "ITEMS": 20, "MAPS": 1},
    replicas: {"COUNTS": {1: 40, 2: 80, 3: 120}, "NOOPS": 100, "IDLE_SECONDS": 0.5},
    selected_watch: {"COUNT": 30, "WARM_UP": 10, "ROUNDS": 1, "WATCHES": 2},
    takeover: {
        "ROUNDS": 1,
        "KEYS": 8,
        "OUTSIDE": 4,
        "SETTINGS": QUICK_LEASES | {"TASKACTION_SHARDS": "16"},
        "LOAD_SECONDS": 1.5,
        "LOOK_SECONDS": 0.5,
    },
    chaos: {"KILL_EVERY": 3.0, "SECONDS": 9.0, "KEYS": 5, "SETTINGS": QUICK_LEASES},
    order: {
        "KEYS": 3,
        "EACH": 3,
        "PAUSES": (2.5,),  # longer than the renew deadline of these Leases, shorter than they last
        "FREEZE": 2.5,
        "SETTINGS": QUICK_LEASES,
        "INTERRUPTED_COUNT": 4,
        "OWNER_SECONDS": 2.0,
        "STARTS": 8,
        "STALL": 1.0,
    },
    workloads: {"COUNT": 20, "WARM_UP": 5, "PODS": 5},
    values: {"VALUES": 400},
    http_effects: {"COUNT": 80, "KILL_EVERY": 3.0},
    history_faults: {
        "COUNT": 300,
        "TTL_SECONDS": 1,
        "FAULT_EVERY": 1.0,
        "CUT_SECONDS": 2.0,
        "SETTLE_SECONDS": 120.0,
        "SETTINGS": QUICK_LEASES | {"TASKACTION_SCAN_INTERVAL": "2s"},
    },
    history_noop: {"COUNT": 50, "WARM_UP": 10, "ORDER": "ABA"},
    client: {"COUNT": 50, "WARM_UP": 10, "STARTS": 1},
    enqueue: {"COUNT": 50, "WARM_UP": 10},
    watch: {"WATCHERS": 4, "CHANGES": 40, "MANY": 10},
    fanout: {"COUNT": 20, "WARM_UP": 5},
    image: {},
    node: {"ROUNDS": 1},
}


def test_no_group_is_left_out() -> None:
    assert {module.GROUP.name for module in (*SMALL, *WITHOUT_CLUSTER)} == {group.name for group in GROUPS}


@pytest.mark.parametrize("module", SMALL, ids=lambda module: module.GROUP.name)
def test_every_figure_gets_a_value(
    module: ModuleType,
    programs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if module is node:
        request.getfixturevalue("node_programs")  # skips where pods cannot run
    if module is workloads and (missing := pods.Surroundings.here(programs).lacking(equipment.SIMULATED)):
        pytest.skip(f"kwok is not available: {missing}")
    for part in (throughput, memory, module):  # others borrow from the first two
        for name, value in SMALL[part].items():
            monkeypatch.setattr(part, name, value)
    report = Report(tmp_path / "bench" / "latest.json", {}, keep=False)
    measure(module.GROUP, programs, report, print)
    assert {row.figure for row in report.rows} == set(module.GROUP.figures)
    assert [(row.figure.name, row.reason) for row in report.rows if row.value is None] == []
