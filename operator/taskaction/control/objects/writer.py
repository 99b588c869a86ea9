"""The one writer of the status of actions and of runs: newest wins, in order for each object, retried until it lands.

It decides nothing about them; what a refused write means is told by comparing claims (design, section 5).
"""

import asyncio
from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Generic, Protocol, TypeVar

from taskaction.cluster.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, UnavailableError
from taskaction.cluster.gateway import Body, Cluster
from taskaction.control.objects.owned import RESOURCES, OwnedRecord
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock

R = TypeVar("R", bound=OwnedRecord)
_RETRY = Backoff(initial=0.2, factor=2.0, max=15.0, jitter=0.5)


class Landed(Enum):
    """How a flush ended."""

    STORED = auto()  # the API server has what the record says
    GONE = auto()  # the object does not exist any more
    DELAYED = auto()  # what the status is to name is not there yet: it was not written
    OVERTAKEN = auto()  # another owner has written since: the record now says what the server says


class Journal(Protocol):
    """Whoever wants to know what was written: metrics and logs."""

    def wrote(self, record: OwnedRecord) -> None:
        """A status is durable."""

    def retried(self, record: OwnedRecord, error: Exception) -> None:
        """A write failed and will be tried again."""

    def overtaken(self, record: OwnedRecord, server: Any) -> None:
        """A write was given up because another owner has written the status ``server``."""


class StatusWriter(Generic[R]):
    """Writes statuses with PUT on the status subresource.

    PUT replaces the whole status under its resourceVersion: unlike a merge patch it loses no ``null`` in an output,
    needs no difference to be computed, and costs the API server less (ADR 0004).
    """

    def __init__(
        self,
        cluster: Cluster,
        clock: Clock,
        luck: Callable[[], float],
        journal: Journal,
        learned: Callable[[R], None],
        *,
        in_flight: int,
    ) -> None:
        """``learned`` is told of every object that was read here and not through the watch."""
        self._cluster = cluster
        self._clock = clock
        self._luck = luck
        self._journal = journal
        self._learned = learned
        self._slots = asyncio.Semaphore(in_flight)

    async def flush(self, record: R) -> Landed:
        """Return when the API server has the record's status, or never will."""
        while not record.gone and record.status is not record.stored:
            if record.flushing is not None:
                if await asyncio.shield(record.flushing) is Landed.OVERTAKEN:
                    return Landed.OVERTAKEN  # what was to be written here is lost as well
                continue
            record.flushing = asyncio.get_running_loop().create_future()
            landed: Landed | None = None
            try:
                landed = await self._put(record)
            finally:
                record.flushing.set_result(landed)
                record.flushing = None
            if landed is Landed.OVERTAKEN:
                return landed
        return Landed.GONE if record.gone else Landed.STORED

    async def _put(self, record: R) -> Landed:
        attempt = refusals = 0
        while True:
            status = record.status
            try:
                async with self._slots:
                    body = await self._cluster.replace_status(RESOURCES[record.kind], _body(record, status))
            except NotFoundError:
                record.gone = True
                return Landed.GONE
            except (ConflictError, InvalidError) as error:
                landed = await self._compared(record, status, error)
                if landed is not None:
                    return landed
                refusals += isinstance(error, InvalidError)
                if refusals > 1:  # the object takes no status at all: its refusals are no reason to hurry
                    self._journal.retried(record, error)
                    await self._clock.sleep(self._delay(error, refusals - 1))
            except (UnavailableError, ForbiddenError) as error:
                attempt += 1
                self._journal.retried(record, error)
                await self._clock.sleep(self._delay(error, attempt))
            else:
                record.stored = status
                record.version = body["metadata"]["resourceVersion"]
                self._journal.wrote(record)
                return Landed.STORED

    async def _compared(self, record: R, status: Any, error: Exception) -> Landed | None:
        """Find out why a write was refused; None where it is to be tried again with what was learnt."""
        body = await self._read(record)
        if body is None or body["metadata"]["uid"] != record.uid:
            record.gone = True
            return Landed.GONE
        server = record.take(body)
        record.version = record.owned.metadata.resource_version
        if server == status:  # an earlier try had landed, only its answer was lost
            record.stored = status
            self._learned(record)
            return Landed.STORED
        if server.claim not in {record.stored.claim, status.claim} or server.phase.terminal:
            self._journal.overtaken(record, server)
            record.status = record.stored = server
            self._learned(record)
            return Landed.OVERTAKEN
        if isinstance(error, InvalidError):
            # The server refuses the status for what it says. The action must end all the same, and say why.
            record.status = record.refused(str(error), self._clock.now())
        self._learned(record)
        return None

    async def _read(self, record: R) -> Body | None:
        attempt = 0
        while True:
            try:
                async with self._slots:
                    return await self._cluster.get(RESOURCES[record.kind], record.name, record.namespace)
            except (UnavailableError, ForbiddenError) as error:
                attempt += 1
                self._journal.retried(record, error)
                await self._clock.sleep(self._delay(error, attempt))

    def _delay(self, error: Exception, attempt: int) -> float:
        asked = error.retry_after if isinstance(error, UnavailableError) else None
        return max(asked or 0.0, _RETRY.delay(attempt, self._luck()))


def _body(record: OwnedRecord, status: Any) -> Body:
    resource = RESOURCES[record.kind]
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": record.name,
            "namespace": record.namespace,
            "uid": record.uid,
            "resourceVersion": record.version,
        },
        "status": status.to_json(),
    }
