"""Round-robin ring of ready lanes; a data structure without tasks, clock or I/O.

The ring serves the highest priority first; within a priority the namespaces in turn, within a namespace its sources in
turn, and within a source its lanes in turn, so that neither a busy tenant nor a busy key starves the others. A source
that may not start anything is set aside as a whole, so that 50,000 waiting lanes cost nothing.
"""

from bisect import insort
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field

Lane = Hashable


@dataclass(slots=True, eq=False)
class _Spot:
    """Ready lanes of one source in one namespace with one priority."""

    level: int
    namespace: str
    source: str
    gated: bool
    lanes: OrderedDict[Lane, None] = field(default_factory=OrderedDict)
    aside: bool = False
    served: bool = False  # since it was last set aside


@dataclass(slots=True)
class _Gate:
    """Spots of a source: offered in the ring, or set aside by priority; ``starts`` None is unlimited."""

    shut: bool = False
    starts: int | None = None
    offered: OrderedDict[_Spot, None] = field(default_factory=OrderedDict)
    aside: dict[int, OrderedDict[_Spot, None]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.shut or self.offered or self.aside)


class Ring:
    """Ring of ready lanes by priority, namespace and source; every operation takes constant time on average."""

    def __init__(self) -> None:
        self._levels: dict[int, OrderedDict[str, OrderedDict[_Spot, None]]] = {}
        self._priorities: list[int] = []  # negated, so that the highest comes first
        self._spots: dict[tuple[int, str, str, bool], _Spot] = {}
        self._gates: dict[str, _Gate] = {}

    def __len__(self) -> int:
        """Return the number of spots with ready lanes, set aside or not."""
        return len(self._spots)

    def add(self, lane: Lane, level: int, namespace: str, source: str, *, gated: bool) -> None:
        """Add a ready lane; ``gated`` if it waits for its source to open."""
        key = (level, namespace, source, gated)
        spot = self._spots.get(key)
        if spot is None:
            spot = self._spots[key] = _Spot(level, namespace, source, gated)
            self._enter(spot)
        spot.lanes[lane] = None

    def remove(self, lane: Lane, level: int, namespace: str, source: str, *, gated: bool) -> None:
        """Remove a lane."""
        key = (level, namespace, source, gated)
        spot = self._spots[key]
        del spot.lanes[lane]
        if not spot.lanes:
            del self._spots[key]
            self._leave(spot)

    def close(self, source: str) -> None:
        """Set the present and future gated lanes of ``source`` aside until it is opened.

        Spots that were served go to the end; spots that were only offered keep their place.
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
        """Allow ``source`` to start ``starts`` runs (None: unlimited), and bring back as many of its spots, in order.

        More spots could not be used before the source is shut again, and moving all of them for each start would cost
        time proportional to the number of namespaces.
        """
        gate = self._gates.get(source)
        if gate is None:
            return
        gate.shut, gate.starts = False, starts
        self._refill(gate)
        if gate.idle:
            del self._gates[source]

    def next_lane(self) -> Lane | None:
        """Return the next lane, and move it, its source and its namespace to the end."""
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
