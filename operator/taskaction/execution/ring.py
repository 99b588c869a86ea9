"""Whose turn it is: ready lanes in a two-level round-robin ring; a data structure without tasks, clock or I/O.

The ring serves the highest priority first, within it one namespace after the other, within each one source after the
other, and the lanes of a source in turn, so that neither a busy tenant nor a busy key starves the others (Ocean seed,
"Worker Pool & Round-Robin Distribution"). A source that may start nothing now is set aside as a whole, so that 50,000
lanes that must wait cost nothing.
"""

from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

Lane = Hashable


@dataclass(slots=True, eq=False)
class _Spot:
    """The ready lanes of one source in one namespace under one priority."""

    level: int
    namespace: str
    source: str
    gated: bool
    lanes: OrderedDict[Lane, None] = field(default_factory=OrderedDict)
    aside: bool = False
    served: bool = False  # since it was last set aside


@dataclass(slots=True)
class _Gate:
    """What of a source stands in the ring, and what is set aside by priority; ``starts`` None is any number."""

    shut: bool = False
    starts: int | None = None
    offered: OrderedDict[_Spot, None] = field(default_factory=OrderedDict)
    aside: dict[int, OrderedDict[_Spot, None]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.shut or self.offered or self.aside)


class Ring:
    """Ready lanes by priority, namespace, source and turn; every operation takes constant time on average."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[str, OrderedDict[_Spot, None]]] = {}
        self._priorities: list[int] = []  # negated, so that the highest comes first
        self._spots: dict[tuple[int, str, str, bool], _Spot] = {}
        self._gates: dict[str, _Gate] = {}

    def __len__(self) -> int:
        """Give how many spots have ready lanes, set aside or not."""
        return len(self._spots)

    def add(self, lane: Lane, level: int, namespace: str, source: str, *, gated: bool) -> None:
        """Let ``lane`` take turns; ``gated`` where it waits for its source to open."""
        key = (level, namespace, source, gated)
        spot = self._spots.get(key)
        if spot is None:
            spot = self._spots[key] = _Spot(level, namespace, source, gated)
            self._enter(spot)
        spot.lanes[lane] = None

    def remove(self, lane: Lane, level: int, namespace: str, source: str, *, gated: bool) -> None:
        """Let ``lane`` take no more turns."""
        key = (level, namespace, source, gated)
        spot = self._spots[key]
        del spot.lanes[lane]
        if not spot.lanes:
            del self._spots[key]
            self._leave(spot)

    def shut(self, source: str) -> None:
        """Set the gated lanes of ``source`` aside, present and coming ones, until it is opened.

        Those that were served queue up at the end, those that were only offered keep their place.
        """
        gate = self._gates.setdefault(source, _Gate())
        gate.shut = True
        for spot in reversed(gate.offered):
            self._withdraw(spot)
            if not spot.served:
                self._set_aside(gate, spot)
                gate.aside[spot.level].move_to_end(spot, last=False)
        for spot in gate.offered:
            if spot.served:
                self._set_aside(gate, spot)
        gate.offered.clear()

    def open(self, source: str, starts: int | None) -> None:
        """Let ``source`` start ``starts`` runs (None: any number): as many of its spots come back, the first first.

        More than those could not be used before the source is shut again, and to move all of them for each start
        would cost as much as there are namespaces.
        """
        gate = self._gates.get(source)
        if gate is None:
            return
        gate.shut, gate.starts = False, starts
        self._refill(gate)
        if gate.idle:
            del self._gates[source]

    def turn(self) -> Lane | None:
        """Give the lane whose turn it is, and move it, its source and its namespace to the end of theirs."""
        if not self._priorities:
            return None
        namespaces = self._levels[-self._priorities[0]]
        namespace, spots = next(iter(namespaces.items()))
        spot = next(iter(spots))
        lane = next(iter(spot.lanes))
        namespaces.move_to_end(namespace)
        spots.move_to_end(spot)
        spot.lanes.move_to_end(lane)
        spot.served = True
        return lane

    def _enter(self, spot: _Spot) -> None:
        if spot.gated:
            gate = self._gates.setdefault(spot.source, _Gate())
            if gate.shut:
                self._set_aside(gate, spot)
                return
            gate.offered[spot] = None
        self._offer(spot)

    def _leave(self, spot: _Spot) -> None:
        if spot.gated:
            gate = self._gates[spot.source]
            if spot.aside:
                del gate.aside[spot.level][spot]
                if not gate.aside[spot.level]:
                    del gate.aside[spot.level]
            else:
                del gate.offered[spot]
                self._refill(gate)
            if gate.idle:
                del self._gates[spot.source]
        if not spot.aside:
            self._withdraw(spot)

    def _refill(self, gate: _Gate) -> None:
        while not gate.shut and gate.aside and (gate.starts is None or len(gate.offered) < gate.starts):
            level = max(gate.aside)
            spots = gate.aside[level]
            spot, _ = spots.popitem(last=False)
            if not spots:
                del gate.aside[level]
            spot.aside = False
            gate.offered[spot] = None
            self._offer(spot)

    def _set_aside(self, gate: _Gate, spot: _Spot) -> None:
        spot.aside, spot.served = True, False
        gate.aside.setdefault(spot.level, OrderedDict())[spot] = None

    def _offer(self, spot: _Spot) -> None:
        if spot.level not in self._levels:
            self._levels[spot.level] = OrderedDict()
            insort(self._priorities, -spot.level)
        self._levels[spot.level].setdefault(spot.namespace, OrderedDict())[spot] = None

    def _withdraw(self, spot: _Spot) -> None:
        namespaces = self._levels[spot.level]
        spots = namespaces[spot.namespace]
        del spots[spot]
        if not spots:
            del namespaces[spot.namespace]
        if not namespaces:
            del self._levels[spot.level]
            self._priorities.remove(-spot.level)
