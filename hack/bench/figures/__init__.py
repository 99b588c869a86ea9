"""What is measured, one module per group of figures that belong together."""

from bench.figures import (
    abort,
    chaos,
    engine,
    enqueue,
    flows,
    growth,
    image,
    latency,
    memory,
    node,
    parked,
    replicas,
    restart,
    takeover,
    throughput,
    watch,
    workloads,
    writes,
)
from bench.figures.group import Group

GROUPS: tuple[Group, ...] = (
    writes.GROUP,
    throughput.GROUP,
    latency.GROUP,
    memory.GROUP,
    restart.GROUP,
    abort.GROUP,
    growth.GROUP,
    engine.GROUP,
    parked.GROUP,
    flows.GROUP,
    replicas.GROUP,
    takeover.GROUP,
    chaos.GROUP,
    workloads.GROUP,
    enqueue.GROUP,
    watch.GROUP,
    image.GROUP,
    node.GROUP,
)
