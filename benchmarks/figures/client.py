"""What the client library costs a program: its import, and how much of the API server's rate of creation it reaches."""

import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.figures.enqueue import raw
from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import RAW, Stage
from local.manifests import ROOT

COUNT = 10_000
WARM_UP = 300
STARTS = 15
ORDER = "ABABA"
"""A is the ceiling, B the client: what changes on the machine meanwhile meets both."""
SHARE = Figure("client_submit_share", "share", Target(0.8, at_least=True))
RATE = Figure("client_submit_per_second", "actions/s")
IMPORT = Figure("client_import_ms", "ms", Target(150))


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between raw creation and a batch of the client in a process of its own, with no operator."""
    yield IMPORT.measured(import_ms())
    stage.run(raw(stage, "warm", WARM_UP))
    submit(stage, "warm-client", WARM_UP)
    ceilings, rates = [], []
    for number, kind in enumerate(ORDER):
        if kind == "A":
            ceilings.append(COUNT / stage.run(raw(stage, f"run{number}", COUNT)))
            stage.say(f"[{number + 1}/{len(ORDER)}] ceiling: {ceilings[-1]:.0f} creations/s")
        else:
            rates.append(COUNT / submit(stage, f"run{number}", COUNT))
            stage.say(f"[{number + 1}/{len(ORDER)}] client: {rates[-1]:.0f} actions/s")
    yield RATE.measured(median(rates))
    yield SHARE.measured(median(rates) / median(ceilings))


def submit(stage: Stage, prefix: str, count: int) -> float:
    """Return the seconds that a batch takes a program."""
    command = [sys.executable, "-m", "benchmarks.client_batch", str(stage.plane.kubeconfig), RAW, prefix, str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return float(done.stdout)


def import_ms() -> float:
    """Return how many milliseconds the import adds to the start of Python, by alternating both."""
    pairs = [(start_ms("import taskaction_client"), start_ms("pass")) for _ in range(STARTS)]
    return median(whole - bare for whole, bare in pairs)


def start_ms(program: str) -> float:
    """Return the milliseconds that a program takes from its start to its end."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True)
    return (time.perf_counter() - begun) * 1000


GROUP = Group("client", (IMPORT, RATE, SHARE), measure)
