"""How speed and cost change with the number of actions; no target, but a trend would show."""

from collections.abc import Iterator

from benchmarks.figures.group import Group
from benchmarks.figures.throughput import WARM_UP, burst, by_operator
from benchmarks.report import Figure, Row
from benchmarks.stage import WORK, Stage

SIZES = (100, 1_000, 10_000)
CPU = {size: Figure(f"growth_{size}_cpu_ms", "ms") for size in SIZES}
RATE = {size: Figure(f"growth_{size}_per_second", "actions/s") for size in SIZES}


def measure(stage: Stage) -> Iterator[Row]:
    """Have ever more actions run."""
    with stage.operator() as operator:
        stage.run(burst(stage.load, WORK, "warm", WARM_UP))
        for size in SIZES:
            rate, cost = by_operator(stage, operator, f"growth{size}", size)
            stage.say(f"{size} actions: {rate:.0f} actions/s, {cost:.2f} ms CPU per action")
            yield CPU[size].measured(cost)
            yield RATE[size].measured(rate)


GROUP = Group("growth", tuple(figure for size in SIZES for figure in (CPU[size], RATE[size])), measure)
