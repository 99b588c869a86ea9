"""Pools of connections to targets: one for each namespace and credential, bounded, and closed when idle."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

CONNECTIONS_PER_POOL = 64
OPEN_CONNECTIONS = 512
"""Above this number, idle pools are closed, the one that was used least recently first."""

IDLE_SECONDS = 2.0
"""Servers close idle connections after 2 to 75 s; a request that hits the close fails and must not be repeated."""


@dataclass(slots=True)
class _Pool:
    session: aiohttp.ClientSession
    users: int = 0
    most_users: int = 0
    """The maximum of ``users`` since the pool was created, and so of its open connections."""
    closing: asyncio.TimerHandle | None = None


class ConnectionPools:
    """Pools by key; a connection is only ever used for the key that it was opened for."""

    def __init__(self, open_session: Callable[[], aiohttp.ClientSession]) -> None:
        self._open_session = open_session
        self._pools: dict[str, _Pool] = {}
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def connections(self) -> int:
        """The number of connections that may be open."""
        return sum(pool.most_users for pool in self._pools.values())

    @asynccontextmanager
    async def session(self, key: str) -> AsyncIterator[aiohttp.ClientSession]:
        """Lend the session of ``key`` for one request; it is closed ``IDLE_SECONDS`` after its last use."""
        pool = self._pools.pop(key, None) or _Pool(self._open_session())
        self._pools[key] = pool  # the last one is the one that was used most recently
        if pool.closing is not None:
            pool.closing.cancel()
        pool.users += 1
        pool.most_users = max(pool.most_users, pool.users)
        self._close_excess()
        try:
            yield pool.session
        finally:
            pool.users -= 1
            if not pool.users:
                pool.closing = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._close_pool, key, pool)

    async def close(self) -> None:
        """Close all pools."""
        for key, pool in tuple(self._pools.items()):
            self._close_pool(key, pool)
        await asyncio.gather(*self._closing)

    def _close_excess(self) -> None:
        for key, pool in tuple(self._pools.items()):
            if self.connections <= OPEN_CONNECTIONS:
                return
            if not pool.users:
                self._close_pool(key, pool)

    def _close_pool(self, key: str, pool: _Pool) -> None:
        if self._pools.get(key) is not pool:
            return
        del self._pools[key]
        if pool.closing is not None:
            pool.closing.cancel()
        task = asyncio.get_running_loop().create_task(pool.session.close(), name="close connections")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
