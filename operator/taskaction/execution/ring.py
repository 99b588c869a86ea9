"""Ring of ready lanes; a data structure without tasks, clock or I/O.

The ring serves the highest tier first. Within a tier it serves the namespace with the lowest load, and namespaces of
the same load in turn; within a namespace the highest priority, then its sources in turn, and within a source its lanes
in turn. So neither a busy tenant, nor its priorities, nor a busy key starve the others. A source that may not start
anything is set aside as a whole, so that 50,000 waiting lanes cost nothing.
"""

from bisect import insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple, Protocol

Lane = Hashable
_NAMESPACES_OFFERED = 64
"""Maximum number of namespaces of which a source offers something although it may start fewer runs."""
_NAMESPACES_ASKED = 64
"""Maximum number of namespaces of a tier that are asked whether they may start something."""


class Place(NamedTuple):
    """Place of a lane in the ring; ``gated`` if it waits for its source to open."""

    tier: int
    namespace: str
    level: int
    source: str
    gated: bool


@dataclass(slots=True, eq=False)
class _Spot:
    """Ready lanes with the same place."""

    place: Place
    lanes: OrderedDict[Lane, None] = field(default_factory=OrderedDict)
    aside: bool = False
    served: bool = False  # since it was last set aside


@dataclass(slots=True, eq=False)
class _Levels:
    """Spots of one namespace by priority."""

    spots: dict[int, OrderedDict[_Spot, None]] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)  # negated, so that the highest comes first

    def add(self, spot: _Spot) -> None:
        level = spot.place.level
        if level not in self.spots:
            self.spots[level] = OrderedDict()
            insort(self.order, -level)
        self.spots[level][spot] = None

    def remove(self, spot: _Spot) -> None:
        level = spot.place.level
        del self.spots[level][spot]
        if not self.spots[level]:
            del self.spots[level]
            self.order.remove(-level)

    @property
    def first(self) -> OrderedDict[_Spot, None]:
        return self.spots[-self.order[0]]


@dataclass(slots=True, eq=False)
class _Tier:
    """Namespaces of one tier by their load."""

    members: dict[str, _Levels] = field(default_factory=dict)
    loads: dict[str, float] = field(default_factory=dict)
    namespaces: dict[float, OrderedDict[str, None]] = field(default_factory=dict)
    order: list[float] = field(default_factory=list)

    def enter(self, namespace: str, load: float) -> None:
        self.loads[namespace] = load
        if load not in self.namespaces:
            self.namespaces[load] = OrderedDict()
            insort(self.order, load)
        self.namespaces[load][namespace] = None

    def leave(self, namespace: str) -> None:
        load = self.loads.pop(namespace)
        del self.namespaces[load][namespace]
        if not self.namespaces[load]:
            del self.namespaces[load]
            self.order.remove(load)

    def __iter__(self) -> Iterator[str]:
        return (namespace for load in self.order for namespace in self.namespaces[load])


@dataclass(slots=True)
class _Gate:
    """Spots of a source: offered in the ring, or set aside by tier and namespace; ``starts`` None is unlimited."""

    shut: bool = False
    starts: int | None = None
    offered: OrderedDict[_Spot, None] = field(default_factory=OrderedDict)
    namespaces: Counter[str] = field(default_factory=Counter)  # of offered spots
    aside: dict[int, OrderedDict[str, dict[int, _Spot]]] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        return not (self.shut or self.offered or self.aside)

    def offer(self, spot: _Spot) -> None:
        """Count a spot as offered."""
        self.offered[spot] = None
        self.namespaces[spot.place.namespace] += 1

    def take_back(self, spot: _Spot) -> None:
        """Count a spot as offered no more."""
        del self.offered[spot]
        self.namespaces[spot.place.namespace] -= 1
        if not self.namespaces[spot.place.namespace]:
            del self.namespaces[spot.place.namespace]

    def set_aside(self, spot: _Spot, *, first: bool) -> None:
        """Set a spot aside; its namespace is the first to come back, or the last."""
        spot.aside, spot.served = True, False
        namespaces = self.aside.setdefault(spot.place.tier, OrderedDict())
        namespaces.setdefault(spot.place.namespace, {})[spot.place.level] = spot
        if first:
            namespaces.move_to_end(spot.place.namespace, last=False)

    def discard(self, spot: _Spot) -> None:
        """Remove a spot that was set aside."""
        tier, namespace, level, *_ = spot.place
        levels = self.aside[tier][namespace]
        del levels[level]
        if not levels:
            del self.aside[tier][namespace]
        if not self.aside[tier]:
            del self.aside[tier]

    def bring_back(self) -> _Spot | None:
        """Remove and return the next spot, of the highest tier, the first namespace, and its highest priority.

        A namespace of which nothing is offered comes first: the others may have better things to do than to use the
        source. Return None if enough is offered.
        """
        if self.shut or not self.aside:
            return None
        namespaces = self.aside[max(self.aside)]
        namespace = next(iter(namespaces))
        if self.starts is not None and len(self.offered) >= self.starts:
            found = next((name for name in namespaces if name not in self.namespaces), None)
            if found is None or len(self.namespaces) >= _NAMESPACES_OFFERED:
                return None
            namespace = found
        levels = namespaces[namespace]
        spot = levels[max(levels)]
        self.discard(spot)
        spot.aside = False
        if spot.place.namespace in namespaces:  # its other priorities wait for the other namespaces
            namespaces.move_to_end(spot.place.namespace)
        return spot


class NamespaceLoads(Protocol):
    """Loads of namespaces, and which of them want to start something."""

    def load_of(self, namespace: str) -> float:
        """Return the load of a namespace; ``Ring.on_load_changed`` must follow a change."""

    def want(self, namespace: str) -> None:
        """Count a spot of a namespace that is offered; one that is set aside cannot start, so it wants nothing."""

    def want_no_more(self, namespace: str) -> None:
        """Count that it is offered no more."""


class Ring:
    """Ring of ready lanes by tier, namespace and source; every operation takes constant time on average."""

    def __init__(self, loads: NamespaceLoads) -> None:
        """Create a ring; it tells ``loads`` which namespaces want to start something."""
        self._loads = loads
        self._tiers: dict[int, _Tier] = {}
        self._order: list[int] = []  # negated, so that the highest comes first
        self._spots: dict[Place, _Spot] = {}
        self._gates: dict[str, _Gate] = {}

    def __len__(self) -> int:
        """Return the number of spots with ready lanes, set aside or not."""
        return len(self._spots)

    def add(self, lane: Lane, place: Place) -> None:
        """Add a ready lane."""
        spot = self._spots.get(place)
        if spot is None:
            spot = self._spots[place] = _Spot(place)
            self._enter(spot)
        spot.lanes[lane] = None

    def remove(self, lane: Lane, place: Place) -> None:
        """Remove a lane."""
        spot = self._spots[place]
        del spot.lanes[lane]
        if not spot.lanes:
            del self._spots[place]
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
                gate.set_aside(spot, first=True)
        for spot in gate.offered:
            if spot.served:
                gate.set_aside(spot, first=False)
        gate.offered.clear()
        gate.namespaces.clear()

    def open(self, source: str, starts: int | None) -> None:
        """Allow ``source`` to start ``starts`` runs (None: unlimited), and bring back as many of its spots, in order.

        At least one spot of each namespace comes back, up to a bound: moving all of them for each start would cost time
        proportional to the number of namespaces.
        """
        gate = self._gates.get(source)
        if gate is None:
            return
        gate.shut, gate.starts = False, starts
        self._refill(gate)
        if gate.idle:
            del self._gates[source]

    def on_load_changed(self, namespace: str) -> None:
        """Move a namespace to its place by load."""
        load = self._loads.load_of(namespace)
        for tier in self._tiers.values():
            if tier.loads.get(namespace, load) != load:
                tier.leave(namespace)
                tier.enter(namespace, load)

    def next_lane(self, may_start: Callable[[str], bool] | None = None) -> Lane | None:
        """Return the next lane, and move it and its source to the end.

        With ``may_start``, the lane is one of a namespace for which it returns True; the namespaces with the lowest
        loads of each tier are asked about, up to a bound.
        """
        found = self._find(may_start)
        return self._serve(*found) if found is not None else None

    def has_lane(self, may_start: Callable[[str], bool]) -> bool:
        """Whether ``next_lane`` would return a lane."""
        return self._find(may_start) is not None

    def _find(self, may_start: Callable[[str], bool] | None) -> tuple[_Tier, str] | None:
        for number in self._order:
            tier = self._tiers[-number]
            for namespace in islice(tier, _NAMESPACES_ASKED):
                if may_start is None or may_start(namespace):
                    return tier, namespace
        return None

    def _serve(self, tier: _Tier, namespace: str) -> Lane:
        spots = tier.members[namespace].first
        spot = next(iter(spots))
        lane = next(iter(spot.lanes))
        tier.namespaces[tier.loads[namespace]].move_to_end(namespace)
        spots.move_to_end(spot)
        spot.lanes.move_to_end(lane)
        spot.served = True
        return lane

    def _enter(self, spot: _Spot) -> None:
        if spot.place.gated:
            gate = self._gates.setdefault(spot.place.source, _Gate())
            if gate.shut:
                gate.set_aside(spot, first=False)
                return
            gate.offer(spot)
        self._offer(spot)

    def _leave(self, spot: _Spot) -> None:
        if spot.place.gated:
            gate = self._gates[spot.place.source]
            if spot.aside:
                gate.discard(spot)
            else:
                gate.take_back(spot)
                self._refill(gate)
            if gate.idle:
                del self._gates[spot.place.source]
        if not spot.aside:
            self._withdraw(spot)

    def _refill(self, gate: _Gate) -> None:
        while (spot := gate.bring_back()) is not None:
            gate.offer(spot)
            self._offer(spot)

    def _offer(self, spot: _Spot) -> None:
        number, namespace = spot.place.tier, spot.place.namespace
        tier = self._tiers.get(number)
        if tier is None:
            tier = self._tiers[number] = _Tier()
            insort(self._order, -number)
        levels = tier.members.get(namespace)
        if levels is None:
            levels = tier.members[namespace] = _Levels()
            tier.enter(namespace, self._loads.load_of(namespace))
        levels.add(spot)
        self._loads.want(namespace)

    def _withdraw(self, spot: _Spot) -> None:
        number, namespace = spot.place.tier, spot.place.namespace
        tier = self._tiers[number]
        levels = tier.members[namespace]
        levels.remove(spot)
        self._loads.want_no_more(namespace)
        if not levels.order:
            del tier.members[namespace]
            tier.leave(namespace)
        if not tier.members:
            del self._tiers[number]
            self._order.remove(-number)
