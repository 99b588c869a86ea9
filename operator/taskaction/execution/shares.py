"""Shares of namespaces in the workers: by weight, among the namespaces that want some."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

ORDINARY_TIER = 0
"""Tier of the runs of all namespaces without the right to more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSettings:
    """What the platform grants to namespaces.

    Attributes:
        weights: weight of each namespace in the division of workers and of the queue; 1 for any other.
        urgent: namespaces whose positive priorities count before the runs of all others.
    """

    weights: Mapping[str, int] = field(default_factory=dict)
    urgent: frozenset[str] = frozenset()

    def tier_of(self, namespace: str, priority: int) -> int:
        """Return the tier of a run: runs of a higher tier are served before all others, whoever has them."""
        return max(priority, ORDINARY_TIER) if namespace in self.urgent else ORDINARY_TIER

    def weight_of(self, namespace: str) -> int:
        """Return the weight of a namespace."""
        return self.weights.get(namespace, 1)


class Shares:
    """How many workers each namespace has, and which namespaces want some."""

    def __init__(self, settings: ShareSettings) -> None:
        self._settings = settings
        self._running: Counter[str] = Counter()
        self._wanting: Counter[str] = Counter()
        self._weight = 0  # of all namespaces that have or want workers

    def __len__(self) -> int:
        """Return the number of namespaces that have or want workers."""
        return len(self._running.keys() | self._wanting.keys())

    def load_of(self, namespace: str) -> float:
        """Return the number of workers of a namespace, relative to its weight."""
        return self._running[namespace] / self._settings.weight_of(namespace)

    def may_have_more(self, namespace: str, workers: int) -> bool:
        """Whether a namespace has less than its share of ``workers``; one worker is always in its share."""
        running = self._running[namespace]
        return running == 0 or (running + 1) * self._weight <= workers * self._settings.weight_of(namespace)

    def has_too_many(self, namespace: str, workers: int) -> bool:
        """Whether a namespace has more than its share of ``workers``."""
        running = self._running[namespace]
        return running > 1 and running * self._weight > workers * self._settings.weight_of(namespace)

    def want(self, namespace: str) -> None:
        """Count that something of a namespace can start."""
        self._change(self._wanting, namespace, 1)

    def want_no_more(self, namespace: str) -> None:
        """Count that it cannot start any more, or has started."""
        self._change(self._wanting, namespace, -1)

    def start(self, namespace: str) -> None:
        """Count a worker that a namespace gets."""
        self._change(self._running, namespace, 1)

    def finish(self, namespace: str) -> None:
        """Count a worker that a namespace returns."""
        self._change(self._running, namespace, -1)

    def _change(self, counts: Counter[str], namespace: str, by: int) -> None:
        before = self._running[namespace] + self._wanting[namespace]
        counts[namespace] += by
        after = before + by
        if not counts[namespace]:
            del counts[namespace]
        self._weight += ((after > 0) - (before > 0)) * self._settings.weight_of(namespace)
