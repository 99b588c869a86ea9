"""How many runs are under way, in all and of each Port action, so that no more are taken than may be; pure counting."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from taskaction.integrations.port.agent.runs import RunKind

Bucket = tuple[RunKind, str]


@dataclass(slots=True)
class _Entry:
    bucket: Bucket
    turn: int


class Buffer:
    """The runs of which Port does not know the end, by the names of their actions.

    The truth is a list of the objects. What was added while the list was being made may be missing in it, and stays.
    """

    def __init__(self, *, watermark: int, share_per_action: int) -> None:
        """``share_per_action`` is what one Port action or workflow node may take of the ``watermark``, in percent."""
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
        """How many more runs may be taken."""
        return max(0, self._watermark - len(self._entries))

    def full(self, kind: RunKind) -> list[str]:
        """Give the Port actions or nodes of which no more runs may be taken."""
        return sorted(name for (of, name), count in self._counts.items() if of is kind and count >= self._cap)

    def takes(self, name: str, bucket: Bucket) -> bool:
        """Say whether one more run may be taken, or is known already."""
        return name in self._entries or (self.room > 0 and self._counts[bucket] < self._cap)

    def add(self, name: str, bucket: Bucket) -> None:
        """Take note of a run."""
        if name not in self._entries:
            self._entries[name] = _Entry(bucket, self._turn)
            self._counts[bucket] += 1

    def drop(self, name: str) -> None:
        """Forget a run."""
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._counts[entry.bucket] -= 1
            if not self._counts[entry.bucket]:
                del self._counts[entry.bucket]

    def list_begins(self) -> int:
        """Take note that the objects are being listed; give the mark to hand to ``listed``."""
        self._turn += 1
        return self._turn

    def listed(self, found: Mapping[str, Bucket], mark: int) -> None:
        """Take over what a list has found."""
        for name, entry in list(self._entries.items()):
            if name not in found and entry.turn < mark:
                self.drop(name)
        for name, bucket in found.items():
            self.add(name, bucket)
