"""Lookups of single objects in the history that share one query."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Protocol

from taskaction.core.clock import Clock

MAX_UIDS = 500
"""Maximum number of objects in one query."""
_COLLECT_SECONDS = 0.02


class VersionSource(Protocol):
    """Where the versions of recorded objects are read."""

    async def find_versions(self, uids: Sequence[str]) -> Mapping[str, int]:
        """Return the version of each object that is recorded; raise ``HistoryUnavailableError``."""


class _Query:
    """Query that has not been sent yet."""

    def __init__(self) -> None:
        self.uids: list[str] = []
        self.answer: asyncio.Future[Mapping[str, int]] = asyncio.get_running_loop().create_future()


class VersionLookup:
    """Lookup of recorded versions: those that are asked for within some milliseconds are read together."""

    def __init__(self, source: VersionSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._open: _Query | None = None

    async def find_version(self, uid: str) -> int | None:
        """Return the recorded version of an object, None if it has no record; raise ``HistoryUnavailableError``."""
        query = self._open
        is_first = query is None
        if query is None:
            query = self._open = _Query()
        query.uids.append(uid)
        if len(query.uids) >= MAX_UIDS:
            self._open = None
        if is_first:
            await self._send(query)
        return (await asyncio.shield(query.answer)).get(uid)

    async def _send(self, query: _Query) -> None:
        try:
            await self._clock.sleep(_COLLECT_SECONDS)
            if self._open is query:
                self._open = None
            query.answer.set_result(await self._source.find_versions(query.uids))
        except BaseException as error:
            if self._open is query:
                self._open = None
            if isinstance(error, Exception):
                query.answer.set_exception(error)
                return
            query.answer.cancel()
            raise
