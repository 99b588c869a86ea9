"""Counts of unfinished runs, in total and for each Port action, which limit claims; no I/O."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from taskaction.integrations.port.agent.runs import PortRunKind

Bucket = tuple[PortRunKind, str]


@dataclass(slots=True)
class _Entry:
    bucket: Bucket
    turn: int


class RunBuffer:
    """Runs whose end has not been reported to Port, by the names of their actions.

    A list of the objects is authoritative, except for runs added while it was in progress: those may be missing in it.
    """

    def __init__(self, *, watermark: int, share_per_action: int) -> None:
        """Create an empty buffer; ``share_per_action`` is the maximum share of one Port action or node in percent."""
        self._watermark = watermark
        self._cap = max(1, watermark * share_per_action // 100)
        self._entries: dict[str, _Entry] = {}
        self._counts: Counter[Bucket] = Counter()
        self._turn = 0

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    @property
    def room(self) -> int:
        """Number of further runs that may be admitted."""
        return max(0, self._watermark - len(self._entries))

    def full_buckets(self, kind: PortRunKind) -> list[str]:
        """Return the Port actions or nodes that have reached their share."""
        return sorted(name for (of, name), count in self._counts.items() if of is kind and count >= self._cap)

    def accepts(self, name: str, bucket: Bucket) -> bool:
        """Whether a run may be admitted, or already is."""
        return name in self._entries or (self.room > 0 and self._counts[bucket] < self._cap)

    def add(self, name: str, bucket: Bucket) -> None:
        """Add a run."""
        if name not in self._entries:
            self._entries[name] = _Entry(bucket, self._turn)
            self._counts[bucket] += 1

    def drop(self, name: str) -> None:
        """Remove a run."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._counts[entry.bucket] -= 1
            if not self._counts[entry.bucket]:
                del self._counts[entry.bucket]

    def begin_list(self) -> int:
        """Mark the start of a list of the objects; return the mark for ``apply_list``."""
        self._turn += 1
        return self._turn

    def apply_list(self, found: Mapping[str, Bucket], mark: int) -> None:
        """Replace the content with the result of a list."""
        for name, entry in list(self._entries.items()):
            if name not in found and entry.turn < mark:
                self.drop(name)
        for name, bucket in found.items():
            self.add(name, bucket)
