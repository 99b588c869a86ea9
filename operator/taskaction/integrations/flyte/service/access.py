"""Authentication and authorization of callers by TokenReview and SubjectAccessReview, cached for seconds."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from taskaction.cluster.accounts import account_user
from taskaction.cluster.gateway import SUBJECT_ACCESS_REVIEWS, TASK_ACTIONS, TOKEN_REVIEWS, Body, Cluster, Resource
from taskaction.core.clock import Clock

KEPT_SECONDS = 10.0
"""Time for which a review is cached: a withdrawn right or a revoked token keeps working that much longer."""
_REMEMBERED = 10_000
_HEADERS = ("authorization", "flyte-authorization")

T = TypeVar("T")


class Headers(Protocol):
    """Headers of a call."""

    def get(self, key: str, default: str, /) -> str:
        """Return a header's text."""


class RpcCaller:
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


class AnswerCache(Generic[T]):
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


class AccessReviewer:
    """Reviewer that asks the API server who a caller is and what they may do."""

    def __init__(self, cluster: Cluster, clock: Clock, audiences: Sequence[str]) -> None:
        self._cluster = cluster
        self._audiences = tuple(audiences)
        self._callers: AnswerCache[RpcCaller | None] = AnswerCache(clock)
        self._rights: AnswerCache[bool] = AnswerCache(clock)

    async def authenticate(self, headers: Headers) -> RpcCaller:
        """Return the caller; raises ``ConnectError`` with UNAUTHENTICATED, or a ``ClusterError``."""
        said = next(filter(None, (headers.get(name, "") for name in _HEADERS)), "")
        scheme, _, token = said.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ConnectError(Code.UNAUTHENTICATED, "send the header 'Authorization: Bearer <Kubernetes token>'")
        token = token.strip()
        found = await self._callers.get(hashlib.sha256(token.encode()).digest(), lambda: self._review(token))
        if found is None:
            raise ConnectError(Code.UNAUTHENTICATED, "the token is not accepted by the API server, or has expired")
        return found

    async def authorize(self, caller: RpcCaller, verb: str, namespace: str) -> None:
        """Check the verb; raises ``ConnectError`` with PERMISSION_DENIED, or a ``ClusterError``."""
        what = {"verb": verb, "group": TASK_ACTIONS.group, "resource": TASK_ACTIONS.plural}
        if not await self._may(caller, namespace, what):
            raise ConnectError(
                Code.PERMISSION_DENIED,
                f"{caller.name} may not {verb} taskactions.{TASK_ACTIONS.group} in namespace {namespace!r}: "
                "add a RoleBinding that grants it",
            )

    async def authorize_account(self, caller: RpcCaller, account: str, namespace: str) -> None:
        """Check that the caller may use a ServiceAccount: its own, or one that it may impersonate.

        The service may make actions with any account, so it has to ask what the API server would ask the caller.

        Raises:
            ConnectError: with PERMISSION_DENIED.
            ClusterError: the API server does not say.
        """
        if caller.name == account_user(namespace, account):
            return
        what = {"verb": "impersonate", "group": "", "resource": "serviceaccounts", "name": account}
        if not await self._may(caller, namespace, what):
            raise ConnectError(
                Code.PERMISSION_DENIED,
                f"the task would run as ServiceAccount {account!r} of namespace {namespace!r}, and {caller.name} may "
                "not impersonate it: name another one, or add a RoleBinding that grants the verb impersonate on it",
            )

    async def authorize_provider(self, caller: RpcCaller, provider: str, namespace: str) -> None:
        """Check that the caller may use an ActionProvider; raises like ``authorize_account``."""
        what = {"verb": "use", "group": TASK_ACTIONS.group, "resource": "actionproviders", "name": provider}
        if not await self._may(caller, namespace, what):
            raise ConnectError(
                Code.PERMISSION_DENIED,
                f"the queue is that of ActionProvider {provider!r} in namespace {namespace!r}, and {caller.name} may "
                "not use it: add a RoleBinding that grants the verb use on it",
            )

    async def _review(self, token: str) -> RpcCaller | None:
        spec: Body = {"token": token} | ({"audiences": list(self._audiences)} if self._audiences else {})
        status = await self._ask(TOKEN_REVIEWS, spec)
        if not status.get("authenticated"):
            return None
        if self._audiences and not set(self._audiences) & set(status.get("audiences") or ()):
            return None
        user = status.get("user") or {}
        return RpcCaller(
            user.get("username", ""), user.get("uid", ""), user.get("groups") or (), user.get("extra") or {}
        )

    async def _may(self, caller: RpcCaller, namespace: str, what: Mapping[str, str]) -> bool:
        extra = {name: list(values) for name, values in caller.extra.items()}
        key = (caller.name, caller.uid, caller.groups, *caller.extra.items(), namespace, *what.values())
        attributes = {"namespace": namespace, **what}
        spec: Body = {"user": caller.name, "uid": caller.uid, "groups": list(caller.groups), "extra": extra}
        spec["resourceAttributes"] = attributes

        async def ask() -> bool:
            return bool((await self._ask(SUBJECT_ACCESS_REVIEWS, spec)).get("allowed"))

        return await self._rights.get(key, ask)

    async def _ask(self, resource: Resource, spec: Body) -> Body:
        body: Body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}, "spec": spec}
        answer = await self._cluster.create(resource, body)
        status: Body = answer.get("status") or {}
        return status


class OpenAccess:
    """Access without any check: for loopback addresses only."""

    _EVERYBODY = RpcCaller("anonymous")

    async def authenticate(self, headers: Headers) -> RpcCaller:  # noqa: ARG002 - the other gate's signature
        """Return the anonymous caller."""
        return self._EVERYBODY

    async def authorize(self, caller: RpcCaller, verb: str, namespace: str) -> None:
        """Allow it."""

    async def authorize_account(self, caller: RpcCaller, account: str, namespace: str) -> None:
        """Allow it."""

    async def authorize_provider(self, caller: RpcCaller, provider: str, namespace: str) -> None:
        """Allow it."""
