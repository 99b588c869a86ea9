"""Removes stored templates of which no action is left; touches nothing that could still be written to.

A template is stored by day: those of yesterday and today are left alone, since an action that has its template there
may be on its way. Days before are only read, so what no action names by then will be named by none.
"""

from collections.abc import Callable, Iterable
from datetime import date, timedelta

from taskaction.core.clock import Clock
from taskaction.plugin.storage import Storage, StorageError

EVERY_SECONDS = 3600.0
_LEFT_ALONE = timedelta(days=1)


class TemplateSweeper:
    """Sweeper that checks the folders periodically; any number of replicas may run it concurrently."""

    def __init__(
        self,
        storage: Storage,
        folders: Iterable[str],
        clock: Clock,
        *,
        named: Callable[[], frozenset[str]],
        is_sure: Callable[[], bool],
    ) -> None:
        """``folders`` hold a folder for each day, ``named`` gives the files in use, as far as it ``is_sure``."""
        self._storage = storage
        self._folders = tuple(folders)
        self._clock = clock
        self._named = named
        self._is_sure = is_sure

    async def run(self, failed: Callable[[str, BaseException], None]) -> None:
        """Sweep until cancelled; report errors to ``failed``, and retry."""
        while True:
            await self._clock.sleep(EVERY_SECONDS)
            try:
                await self.sweep_once()
            except StorageError as error:
                failed("sweep of templates", error)

    async def sweep_once(self) -> None:
        """Remove unused templates; raises ``StorageError``."""
        before = self._clock.now().date() - _LEFT_ALONE
        for folder in self._folders:
            for address in await self._storage.files(folder):
                day = _day(address.removeprefix(folder))
                if day is None or day >= before:
                    continue
                if not self._is_sure():
                    return
                if address not in self._named():
                    await self._storage.remove(address)


def day_of(clock: Clock) -> str:
    """Return the name of today's folder."""
    return clock.now().date().isoformat()


def _day(path: str) -> date | None:
    try:
        return date.fromisoformat(path.partition("/")[0])
    except ValueError:
        return None
