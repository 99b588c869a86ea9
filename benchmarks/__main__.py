"""`python -m benchmarks [--only a,b]`: measure the operator on its own control plane, print a table, write a file."""

import argparse
import signal
import sys
import time
from functools import partial
from pathlib import Path

from benchmarks import machine
from benchmarks.figures import GROUPS
from benchmarks.figures.group import Group, chosen
from benchmarks.report import Report, table
from benchmarks.stage import Stage
from cluster.binaries import Say
from cluster.clusters import programs_folder
from cluster.errors import ClusterError
from cluster.resolve import Build, Programs, Surroundings, choose
from local.manifests import ROOT

RESULT = ROOT / ".bench" / "latest.json"
INTERRUPTED = 130

say = partial(print, flush=True)


def main() -> int:
    """Measure what was asked for; missing a target is a finding, not measuring is a failure."""
    parser = argparse.ArgumentParser(prog="bench", description="Measure the operator on a real API server.")
    parser.add_argument("--only", default="", metavar="NAME,...", help="only these figures or groups of figures")
    names = frozenset(filter(None, parser.parse_args().only.split(",")))
    for number in signal.SIGINT, signal.SIGTERM:  # so that everything is ended in order, also by a shell's job
        signal.signal(number, signal.default_int_handler)
    try:
        groups = chosen(GROUPS, names)
        programs = own_programs()
        circumstances = {"machine": machine.machine(), "versions": machine.versions(programs)}
        report = Report(RESULT, circumstances, keep=bool(names))
        report.announce(figure for group in groups for figure in group.figures)
        return run(groups, programs, report)
    except (ClusterError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted; everything that was started has ended", file=sys.stderr)
        return INTERRUPTED


def own_programs() -> Path:
    """Give the programs of a control plane of one's own: nobody else may be busy on it, and its metrics are needed."""
    choice = choose(Surroundings.here(ROOT / ".run"), own=True)
    if not isinstance(choice, Programs | Build):
        raise ClusterError(f"a control plane of one's own is needed, not {choice}")
    return programs_folder(choice, say=say)


def run(groups: list[Group], programs: Path, report: Report) -> int:
    """Measure one group after the other, each on a control plane of its own."""
    begun = time.monotonic()
    for number, group in enumerate(groups, start=1):
        say(f"[{number}/{len(groups)}] {group.name}, {time.monotonic() - begun:.0f} s so far")
        measure(group, programs, report, lambda text: say(f"      {text}"))
    say(f"\n{table(report.rows)}\n\n{time.monotonic() - begun:.0f} s, written to {RESULT}")
    return 0 if all(row.value is not None for row in report.rows) else 1


def measure(group: Group, programs: Path, report: Report, told: Say) -> None:
    """Enter what a group finds; what it could not find is entered with the reason."""
    missing = {figure.name: figure for figure in group.figures}
    try:
        with Stage(group.plane(programs, told), told) as stage:
            for row in group.measure(stage):
                report.add([row])
                del missing[row.figure.name]
    except Exception as error:  # noqa: BLE001 - one group must not cost the others
        reason = why(error)
        told(f"failed: {reason}")
        report.add(figure.missing(reason) for figure in missing.values())


def why(error: BaseException) -> str:
    """Give the first cause in one line; what goes on at once comes as a group of its failures."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}".splitlines()[0]


if __name__ == "__main__":
    sys.exit(main())
