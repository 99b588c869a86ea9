"""Causes of waits that no status names: what the last warning Event of an object says.

Only a Job's Events say that its pods are refused, and only a pod's that a volume is missing. What Events say is shown,
and chooses the code of a failure for which time has run out; it never ends an attempt.
"""

import re
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Body
from taskaction.cluster.responses import is_quota_refusal
from taskaction.core.clock import Clock
from taskaction.core.names import truncate
from taskaction.execution.limits import TokenBucket
from taskaction.executors.acting import Actor
from taskaction.plugin.base import Run

_MESSAGE_CHARS = 600
_GENERATED = re.compile(r'(?<=-)[a-z0-9]{5}(?=")')
"""Random end of the name of a pod that could not be created; another one for each try."""
_FRESH = timedelta(seconds=15)
_RATE = TokenBucket(interval=0.25, burst=10)
"""Rate of the reads by one process: the API server goes through all Events of a namespace for each."""
_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Cause:
    """What a warning says; ``is_quota`` if a ResourceQuota leaves no room."""

    text: str
    is_quota: bool = False


class CauseReader:
    """Reader of Events, bounded in rate and size; a cause that could not be read is unknown."""

    def __init__(self, actor: Actor, clock: Clock) -> None:
        self._actor = actor
        self._clock = clock
        self._tokens = _RATE
        self._known: OrderedDict[str, tuple[datetime, Cause | None]] = OrderedDict()

    async def find(self, run: Run, uid: str, since: datetime | None) -> Cause | None:
        """Return the cause that an object of ``run`` waits since a time; None if nothing is known of one."""
        now = self._clock.now()
        read_at, known = self._known.get(uid, (None, None))
        if read_at is not None and now - read_at < _FRESH:
            return known
        if not self._tokens.available_tokens(now.timestamp()):
            return known
        self._tokens = self._tokens.spend(now.timestamp())
        try:
            known = find_cause(await self._actor.list_warnings(run.namespace, uid), since)
        except ClusterError:  # the cause is a help, the wait is not affected
            return known
        self._known[uid] = now, known
        self._known.move_to_end(uid)
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return known


def find_cause(events: Iterable[Body], since: datetime | None) -> Cause | None:
    """Return what the last warning says that is not older than ``since``."""
    dated = [(at, event) for event in events if (at := _last_seen_at(event)) is not None]
    current = [(at, event) for at, event in dated if since is None or at >= since.replace(microsecond=0)]
    if not current:
        return None
    _, last = max(current, key=lambda one: one[0])
    said = _GENERATED.sub("…", str(last.get("message") or "").strip())
    text = f"{last.get('reason') or 'Warning'}: {said or 'no details from Kubernetes'}"
    return Cause(truncate(text, _MESSAGE_CHARS), is_quota_refusal(said))


def _last_seen_at(event: Body) -> datetime | None:
    series: dict[str, Any] = event.get("series") or {}
    times = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event.get("firstTimestamp"),
    )
    found = [datetime.fromisoformat(time) for time in times if time]
    return max(found, default=None)
