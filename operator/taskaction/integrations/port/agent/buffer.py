"""Counts of unfinished runs, in total and for each Port action, which limit claims; no I/O."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from taskaction.integrations.port.agent.runs import PortRunKind

Bucket = tuple[PortRunKind, str]


@dataclass(frozen=True, slots=True)
class BufferedRun:
    """Unfinished run: its Port action or workflow node, and whether its action has started."""

    bucket: Bucket
    started: bool = False


@dataclass(slots=True)
class _Entry:
    run: BufferedRun
    turn: int


class RunBuffer:
    """Runs whose end has not been reported to Port, by the names of their actions.

    As in Ocean, only queued runs count for the watermark and for the share of a Port action. Runs that have started,
    and may continue outside for days, have a limit of their own.
    A list of the objects is authoritative, except for runs added while it was in progress: those may be missing in it.
    """

    def __init__(self, *, watermark: int, share_per_action: int, max_started: int) -> None:
        """Create an empty buffer; ``share_per_action`` is the maximum share of one Port action or node in percent."""
        self._watermark = watermark
        self._cap = max(1, watermark * share_per_action // 100)
        self._max_started = max_started
        self._entries: dict[str, _Entry] = {}
        self._queued: Counter[Bucket] = Counter()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def queued(self) -> int:
        """Number of runs whose actions have not started."""
        return self._queued.total()

    @property
    def started(self) -> int:
        """Number of runs whose actions have started, and whose end is not reported."""
        return len(self._entries) - self.queued

    @property
    def room(self) -> int:
        """Number of further runs that may be admitted."""
        return 0 if self.is_at_limit else max(0, self._watermark - self.queued)

    @property
    def is_at_limit(self) -> bool:
        """Whether as many runs have started as may be unfinished at the same time."""
        return self.started >= self._max_started

    def full_buckets(self, kind: PortRunKind) -> list[str]:
        """Return the Port actions or nodes that have reached their share."""
        return sorted(name for (of, name), count in self._queued.items() if of is kind and count >= self._cap)

    def accepts(self, name: str, bucket: Bucket) -> bool:
        """Whether a run may be admitted, or already is."""
        return name in self._entries or (self.room > 0 and self._queued[bucket] < self._cap)

    def add(self, name: str, run: BufferedRun) -> None:
        """Add a run, or update whether it has started."""
        before = self._entries.get(name)
        if before is not None:
            self._count(before.run, -1)
        self._entries[name] = _Entry(run, self._turn if before is None else before.turn)
        self._count(run, 1)

    def drop(self, name: str) -> None:
        """Remove a run."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._count(entry.run, -1)

    def begin_list(self) -> int:
        """Mark the start of a list of the objects; return the mark for ``apply_list``."""
        self._turn += 1
        return self._turn

    def apply_list(self, found: Mapping[str, BufferedRun], mark: int) -> None:
        """Replace the content with the result of a list."""
        for name, entry in list(self._entries.items()):
            if name not in found and entry.turn < mark:
                self.drop(name)
        for name, run in found.items():
            self.add(name, run)

    def _count(self, run: BufferedRun, change: int) -> None:
        if run.started:
            return
        self._queued[run.bucket] += change
        if not self._queued[run.bucket]:
            del self._queued[run.bucket]
