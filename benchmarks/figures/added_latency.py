"""What the operator adds to the latency of the writes themselves, at a pace that leaves the API server room.

The load process makes the same two writes, a creation and the final status, at the same pace in rounds of its own.
What the machine and the API server cost is in both.
"""

from collections.abc import Iterator
from statistics import median

from benchmarks.figures.group import Group
from benchmarks.figures.latency import paced, quantile
from benchmarks.figures.throughput import warm_up
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import RAW, WATCH_ONE, WORK, Stage

ROUNDS = 5
PER_SECOND = 150.0
SECONDS = 10.0
P50 = Figure("latency_added_p50_ms", "ms")
P99 = Figure("latency_added_p99_ms", "ms", Target(40))


def measure(stage: Stage) -> Iterator[Row]:
    """Alternate between the load's own writes and the operator, and take medians of the differences of a round."""
    added: dict[float, list[float]] = {0.5: [], 0.99: []}
    with stage.operator(WATCH_ONE):
        end = warm_up(stage)
        for number in range(ROUNDS):
            own = stage.run(paced(stage.load, RAW, f"own{number}", PER_SECOND, SECONDS, end))
            through = stage.run(paced(stage.load, WORK, f"operator{number}", PER_SECOND, SECONDS))
            for share, differences in added.items():
                differences.append(quantile(through, share) - quantile(own, share))
            stage.say(
                f"[{number + 1}/{ROUNDS}] p99 {quantile(own, 0.99):.1f} ms by the load alone, "
                f"{quantile(through, 0.99):.1f} ms by the operator"
            )
    yield P50.measured(median(added[0.5]))
    yield P99.measured(median(added[0.99]))


GROUP = Group("added_latency", (P50, P99), measure)
