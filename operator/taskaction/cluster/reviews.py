"""Reviews of callers by the API server: whose a token is, and what its user may do; cached for seconds."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from taskaction.cluster.gateway import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Body, Cluster, Resource
from taskaction.core.clock import Clock

KEPT_SECONDS = 10.0
"""Time for which a review is cached: a withdrawn right or a revoked token keeps working that much longer."""
_REMEMBERED = 10_000

T = TypeVar("T")


class Caller:
    """Caller with a valid token."""

    __slots__ = ("extra", "groups", "name", "uid")

    def __init__(
        self, name: str, uid: str = "", groups: Sequence[str] = (), extra: Mapping[str, Sequence[str]] | None = None
    ) -> None:
        """Create a caller; ``extra`` is what the authenticator says besides, by which webhooks may authorize."""
        self.name = name
        self.uid = uid
        self.groups = tuple(groups)
        self.extra = {key: tuple(values) for key, values in sorted((extra or {}).items())}


class ReviewCache(Generic[T]):
    """Cache of reviews; concurrent requests for the same key share one review."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[object, tuple[float, asyncio.Future[T]]] = {}

    async def get(self, key: object, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer; raises what ``ask`` raises, which is not cached."""
        now = self._clock.monotonic()
        asked, answer = self._known.get(key, (0.0, None))
        if answer is None or now - asked >= KEPT_SECONDS:
            answer = asyncio.ensure_future(ask())
            answer.add_done_callback(lambda done: self._forget_failure(key, done))
            self._known.pop(key, None)
            self._known[key] = (now, answer)
            while len(self._known) > _REMEMBERED:
                del self._known[next(iter(self._known))]
        return await asyncio.shield(answer)

    def _forget_failure(self, key: object, done: "asyncio.Future[T]") -> None:
        if done.cancelled() or done.exception() is not None:
            there = self._known.get(key)
            if there is not None and there[1] is done:
                del self._known[key]


class CallerReviews:
    """Reviews of tokens and rights by the API server."""

    def __init__(self, cluster: Cluster, clock: Clock, audiences: Sequence[str]) -> None:
        """``audiences`` are those of which a token must name one; none is the API server's own."""
        self._cluster = cluster
        self._audiences = tuple(audiences)
        self._callers: ReviewCache[Caller | None] = ReviewCache(clock)
        self._rights: ReviewCache[bool] = ReviewCache(clock)

    async def find_caller(self, token: str) -> Caller | None:
        """Return whose a token is, None if it is not valid; raises ``ClusterError``."""
        return await self._callers.get(hashlib.sha256(token.encode()).digest(), lambda: self._review(token))

    async def is_allowed(self, caller: Caller, namespace: str, what: Mapping[str, str]) -> bool:
        """Whether a caller may do something in a namespace, or in all if it is empty; raises ``ClusterError``.

        ``what`` holds fields of ``resourceAttributes``, always the same ones in the same order for one question.
        """
        extra = {name: list(values) for name, values in caller.extra.items()}
        key = (caller.name, caller.uid, caller.groups, *caller.extra.items(), namespace, *what.values())
        attributes = {"namespace": namespace, **what}
        spec: Body = {"user": caller.name, "uid": caller.uid, "groups": list(caller.groups), "extra": extra}
        spec["resourceAttributes"] = attributes

        async def ask() -> bool:
            return bool((await self._ask(SUBJECT_ACCESS_REVIEWS, spec)).get("allowed"))

        return await self._rights.get(key, ask)

    async def _review(self, token: str) -> Caller | None:
        spec: Body = {"token": token} | ({"audiences": list(self._audiences)} if self._audiences else {})
        status = await self._ask(TOKEN_REVIEWS, spec)
        if not status.get("authenticated"):
            return None
        if self._audiences and not set(self._audiences) & set(status.get("audiences") or ()):
            return None
        user = status.get("user") or {}
        return Caller(user.get("username", ""), user.get("uid", ""), user.get("groups") or (), user.get("extra") or {})

    async def _ask(self, resource: Resource, spec: Body) -> Body:
        body: Body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}
        answer = await self._cluster.create(resource, body)
        status: Body = answer.get("status") or {}
        return status
