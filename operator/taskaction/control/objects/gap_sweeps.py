"""Sweeps after gaps of watches: a watch that lists again shows what exists, and not what was deleted meanwhile."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from taskaction.control.objects.background import Background


class GapSweeps:
    """Sweeps of kinds, each over all namespaces.

    A gap shows up once for each namespace and page. So one sweep of a kind runs at a time, and one more covers all gaps
    that showed up meanwhile.
    """

    def __init__(self, background: Background, sweeps: Mapping[str, Callable[[], Coroutine[Any, Any, object]]]) -> None:
        """Create the sweeps by the plural names of their kinds."""
        self._background = background
        self._sweeps = sweeps
        self._running: set[str] = set()
        self._due: set[str] = set()

    def request(self, plural: str) -> None:
        """Find the objects of a kind whose deletion its watch missed; nothing to do for a kind without a sweep."""
        if plural not in self._sweeps:
            return
        self._due.add(plural)
        if plural not in self._running:
            self._running.add(plural)
            self._background.start(self._run(plural), name=f"sweep {plural} after a gap")

    async def _run(self, plural: str) -> None:
        try:
            while plural in self._due:
                self._due.discard(plural)
                await self._sweeps[plural]()
        finally:
            self._running.discard(plural)
