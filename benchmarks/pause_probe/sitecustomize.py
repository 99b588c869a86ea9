"""Measures the longest callback of all event loops of a process; Python imports it if its folder is on PYTHONPATH.

The figure is CPU time of the loop's own thread, so that other programs do not count. It is written, with the name of
the callback, to the file that BENCH_LOOP_PAUSE_FILE names. uvloop runs callbacks out of Python's sight, so the process
uses asyncio's own loop instead: its callbacks are the same, and nothing else of the figure depends on the loop.
"""

import asyncio
import os
import sys
import time
from asyncio import events
from pathlib import Path
from types import ModuleType

START_SECONDS = 3.0
"""Callbacks until then are the start of the process: its imports are no callback of an input."""


def measure(file: Path) -> None:
    """Measure every callback from now on."""
    loops = ModuleType("uvloop")
    vars(loops).update(Loop=asyncio.SelectorEventLoop, new_event_loop=asyncio.new_event_loop)
    sys.modules["uvloop"] = loops
    run = events.Handle._run  # noqa: SLF001 - the only place that sees every callback
    begin, longest = time.monotonic() + START_SECONDS, 0.0

    def measured(handle: events.Handle) -> None:
        nonlocal longest
        before = time.thread_time()
        run(handle)
        spent = (time.thread_time() - before) * 1000
        if spent > longest and time.monotonic() > begin:
            longest = spent
            file.write_text(f"{spent:.1f}\n{handle!r}\n", encoding="utf-8")

    events.Handle._run = measured  # type: ignore[method-assign, assignment]  # noqa: SLF001 - see above


if "BENCH_LOOP_PAUSE_FILE" in os.environ:
    measure(Path(os.environ["BENCH_LOOP_PAUSE_FILE"]))
