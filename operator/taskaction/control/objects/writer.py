"""The only writer of the status of actions and runs: the newest status wins, in order for each object, with retries.

It decides nothing about them. A refused write is resolved by a comparison of claims (ADR 0004).
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from taskaction.api.reasons import Reason
from taskaction.cluster.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from taskaction.cluster.gateway import Body, Cluster
from taskaction.cluster.write_slots import WriteRank, WriteSlots
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.owned import RESOURCES, OwnedRecord
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.status_bodies import status_body
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.lifecycle.decisions import RecordEvent

R = TypeVar("R", bound=OwnedRecord)
_SMALLEST = 2
_TOO_LARGE = (
    "the object is so large that the API server stores no status in it: delete it, and create one with smaller "
    "parameters, annotations or labels"
)
_RETRY = Backoff(initial=0.2, factor=2.0, max=15.0, jitter=0.5)


class WriteResult(Enum):
    """Result of a status write."""

    STORED = auto()  # the API server has the status of the record
    GONE = auto()  # the object no longer exists
    DELAYED = auto()  # something that the status names could not be stored yet: nothing was written
    REFUSED = auto()  # not even the smallest status fits into the object
    OVERTAKEN = auto()  # another owner wrote the status: the record now has the server's


@dataclass(slots=True)
class _Sent:
    """Status that a try has sent, or the newest one while it waits for its slot."""

    status: Any


class WriteRecorder(Protocol):
    """Receiver of the results of writes: metrics and logs."""

    def on_status_written(self, record: OwnedRecord) -> None:
        """Record that a status was written."""

    def on_write_retried(self, record: OwnedRecord, error: Exception) -> None:
        """Record that a write failed and will be retried."""

    def on_write_overtaken(self, record: OwnedRecord, server: Any) -> None:
        """Record that a write was given up because another owner has written the status ``server``."""

    def on_status_refused(self, record: OwnedRecord, error: Exception) -> None:
        """Record that the object takes no status at all, because it is too large."""


class StatusWriter(Generic[R]):
    """Writer of statuses by PUT on the status subresource.

    PUT replaces the whole status under its resourceVersion. Unlike a merge patch it loses no ``null`` in an output,
    requires no diff, and costs the API server less (ADR 0004).
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        jitter: Callable[[], float],
        journal: WriteRecorder,
        requests: Requests,
        events: EventPoster,
        slots: WriteSlots,
        on_refused: Callable[[OwnedRecord], None],
    ) -> None:
        """Create a writer; it requests reconciliation of every object that it reads and the watch may not show.

        ``jitter`` returns random numbers in [0, 1). ``on_refused`` is called with every record that fails although no
        status fits into its object.
        """
        self._cluster = cluster
        self._clock = clock
        self._jitter = jitter
        self._journal = journal
        self._requests = requests
        self._events = events
        self._slots = slots
        self._on_refused = on_refused

    async def flush(self, record: R) -> WriteResult:
        """Write the record's status; return when the API server has it, or never will."""
        while not record.is_gone and record.status is not record.stored:
            if record.is_refused:
                return WriteResult.REFUSED
            if record.flushing is not None:
                if record.write_rank is WriteRank.AWAITED:
                    self._slots.expedite(record.namespace, record.uid)
                if await asyncio.shield(record.flushing) is WriteResult.OVERTAKEN:
                    return WriteResult.OVERTAKEN  # the status of this caller is lost too
                continue
            record.begin_write()
            result: WriteResult | None = None
            try:
                result = await self._write(record)
            finally:
                record.end_write(result)
            if result in {WriteResult.OVERTAKEN, WriteResult.REFUSED}:
                return result
        return WriteResult.GONE if record.is_gone else WriteResult.STORED

    async def _write(self, record: R) -> WriteResult:
        attempt = refusals = too_large = 0
        while True:
            sent = _Sent(record.status)
            try:
                body = await self._slots.run(
                    record.namespace, record.write_rank, partial(self._send, record, sent), record.uid
                )
            except NotFoundError:
                record.mark_gone()
                return WriteResult.GONE
            except (ConflictError, InvalidError) as error:
                result = await self._resolve_refusal(record, sent.status, error)
                if result is not None:
                    return result
                if isinstance(error, TooLargeError):
                    too_large += 1
                    if not self._shrink(record, error, too_large):
                        return WriteResult.REFUSED
                    continue
                refusals += isinstance(error, InvalidError)
                if refusals > 1:  # the API server refuses every status of this object: slow down
                    self._journal.on_write_retried(record, error)
                    await self._clock.sleep(self._delay(error, refusals - 1))
            except (UnavailableError, ForbiddenError) as error:
                attempt += 1
                self._journal.on_write_retried(record, error)
                await self._clock.sleep(self._delay(error, attempt))
            else:
                record.on_status_stored(sent.status, body["metadata"]["resourceVersion"])
                self._journal.on_status_written(record)
                return WriteResult.STORED

    async def _resolve_refusal(self, record: R, status: Any, error: Exception) -> WriteResult | None:
        """Resolve a refused write; return None if the write must be retried with what was read."""
        body = await self._read(record)
        if body is None or body["metadata"]["uid"] != record.uid:
            record.mark_gone()
            return WriteResult.GONE
        server = record.update_object(body)
        record.accept_version()
        if server == status:  # an earlier try succeeded, and its response was lost
            record.on_status_stored(status)
            self._requests.reconcile(record)
            return WriteResult.STORED
        if server.claim not in {record.stored.claim, status.claim} or server.phase.is_terminal:
            self._journal.on_write_overtaken(record, server)
            record.replace_status(server)
            self._requests.reconcile(record)
            return WriteResult.OVERTAKEN
        if isinstance(error, InvalidError) and not isinstance(error, TooLargeError):
            # The server refuses the content of the status. The object must end nevertheless, and say why.
            record.refuse_status(Reason.SYSTEM_ERROR, str(error), self._clock.now())
        self._requests.reconcile(record)
        return None

    def _shrink(self, record: R, error: TooLargeError, refusals: int) -> bool:
        """Replace a status that does not fit into its object by one that says so; return False if none fits."""
        reason, now = Reason.OBJECT_TOO_LARGE, self._clock.now()
        if refusals == 1:
            record.refuse_status(reason, str(error), now)
        elif refusals == _SMALLEST:
            record.shrink_status(reason, now)
        else:
            if not record.was_refused:
                self._journal.on_status_refused(record, error)
                self._events.post(record.api_object, RecordEvent(warning=True, reason=reason, message=_TOO_LARGE))
            record.give_up_write(record.refused_status(reason, str(error), now))
            self._on_refused(record)
        return not record.is_refused

    async def _read(self, record: R) -> Body | None:
        attempt = 0
        while True:
            try:
                return await self._slots.run(
                    record.namespace,
                    record.write_rank,
                    lambda: self._cluster.get(RESOURCES[record.kind], record.name, record.namespace),
                )
            except (UnavailableError, ForbiddenError) as error:
                attempt += 1
                self._journal.on_write_retried(record, error)
                await self._clock.sleep(self._delay(error, attempt))

    async def _send(self, record: R, sent: "_Sent") -> Body:
        sent.status = record.prepare_write()  # newer than when the write began to wait for its slot
        resource = RESOURCES[record.kind]
        body = status_body(resource, record.api_object.metadata, record.version, sent.status)
        return await self._cluster.replace_status(resource, body, metadata_only=True)

    def _delay(self, error: Exception, attempt: int) -> float:
        asked = error.retry_after if isinstance(error, UnavailableError) else None
        return max(asked or 0.0, _RETRY.delay(attempt, self._jitter()))
