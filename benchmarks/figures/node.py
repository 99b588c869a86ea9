"""How long it takes from nothing to a node that takes pods; its own clusters, beside the stage's control plane."""

import time
from collections.abc import Iterator
from statistics import median

from benchmarks.figures.group import Group
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import Stage
from cluster import equipment, pods
from cluster.errors import ClusterError
from cluster.node.nodecluster import NodeCluster
from cluster.pods import Surroundings, Way

ROUNDS = 3
READY = Figure("node_ready_s", "s", Target(20))
GONE = Figure("node_stop_s", "s")


def measure(stage: Stage) -> Iterator[Row]:
    """Start and stop a cluster with a node some times; what has to be built is built before."""
    decided = pods.choose(Surroundings.here(stage.plane.binaries))
    if decided.way is not Way.REAL:
        raise ClusterError(decided.why)
    programs = equipment.build(stage.plane.binaries, equipment.REAL, say=stage.say)
    starts, stops = [], []
    for number in range(ROUNDS):
        begun = time.monotonic()
        cluster = NodeCluster(programs).start()
        starts.append(time.monotonic() - begun)
        cluster.stop()
        stops.append(time.monotonic() - begun - starts[-1])
        stage.say(f"[{number + 1}/{ROUNDS}] ready after {starts[-1]:.1f} s, gone after {stops[-1]:.2f} s")
    yield READY.measured(median(starts))
    yield GONE.measured(median(stops))


GROUP = Group("node", (READY, GONE), measure)
