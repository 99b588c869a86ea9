"""Requests of parts under test, and a table of shards that a test owns as it likes."""

from collections.abc import Hashable
from typing import TypeVar

from taskaction.control.objects.requests import Requests
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.names import shard_of
from taskaction.execution.work_queue import WorkQueue
from taskaction.testing.clock import FakeClock

Key = TypeVar("Key", bound=Hashable)


def no_requests() -> Requests:
    """Return queues that nobody serves; a test takes what was requested."""

    def failed(task: str, error: BaseException) -> None:
        raise AssertionError(task) from error

    return Requests(failed)


def taken(queue: WorkQueue[Key]) -> list[Key]:
    """Take all keys of a queue."""
    return [queue.take() for _ in range(len(queue))]


class OwnedShards(ShardTenures):
    """Shards that this process owns: all of them, until a test changes ``mine``."""

    def __init__(self, shards: int = 1) -> None:
        super().__init__(FakeClock(), shards=shards, renew_deadline=10.0)
        self.mine = set(range(shards)) | {-1}

    def owns(self, shard: int) -> bool:
        return shard in self.mine

    def owns_key(self, key: str) -> bool:
        return shard_of(key, self.shards) in self.mine
