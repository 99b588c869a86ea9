"""Authentication and authorization of callers by TokenReview and SubjectAccessReview."""

from collections.abc import Sequence
from typing import Protocol

from connectrpc.code import Code
from connectrpc.errors import ConnectError

from taskaction.cluster.accounts import account_user
from taskaction.cluster.gateway import TASK_ACTIONS, Cluster
from taskaction.cluster.reviews import Caller, CallerReviews
from taskaction.core.clock import Clock

_HEADERS = ("authorization", "flyte-authorization")


class Headers(Protocol):
    """Headers of a call."""

    def get(self, key: str, default: str, /) -> str:
        """Return a header's text."""


class AccessReviewer:
    """Reviewer that asks the API server who a caller is and what they may do."""

    def __init__(self, cluster: Cluster, clock: Clock, audiences: Sequence[str]) -> None:
        self._reviews = CallerReviews(cluster, clock, audiences)

    async def authenticate(self, headers: Headers) -> Caller:
        """Return the caller; raises ``ConnectError`` with UNAUTHENTICATED, or a ``ClusterError``."""
        said = next(filter(None, (headers.get(name, "") for name in _HEADERS)), "")
        scheme, _, token = said.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise ConnectError(Code.UNAUTHENTICATED, "send the header 'Authorization: Bearer <Kubernetes token>'")
        found = await self._reviews.find_caller(token.strip())
        if found is None:
            raise ConnectError(Code.UNAUTHENTICATED, "the token is not accepted by the API server, or has expired")
        return found

    async def authorize(self, caller: Caller, verb: str, namespace: str) -> None:
        """Check the verb; raises ``ConnectError`` with PERMISSION_DENIED, or a ``ClusterError``."""
        what = {"verb": verb, "group": TASK_ACTIONS.group, "resource": TASK_ACTIONS.plural}
        if not await self._reviews.is_allowed(caller, namespace, what):
            raise ConnectError(
                Code.PERMISSION_DENIED,
                f"{caller.name} may not {verb} taskactions.{TASK_ACTIONS.group} in namespace {namespace!r}: "
                "add a RoleBinding that grants it",
            )

    async def authorize_account(self, caller: Caller, account: str, namespace: str) -> None:
        """Check that the caller may use a ServiceAccount: its own, or one that it may impersonate.

        The service may make actions with any account, so it has to ask what the API server would ask the caller.

        Raises:
            ConnectError: with PERMISSION_DENIED.
            ClusterError: the API server does not say.
        """
        if caller.name == account_user(namespace, account):
            return
        what = {"verb": "impersonate", "group": "", "resource": "serviceaccounts", "name": account}
        if not await self._reviews.is_allowed(caller, namespace, what):
            raise ConnectError(
                Code.PERMISSION_DENIED,
                f"the task would run as ServiceAccount {account!r} of namespace {namespace!r}, and {caller.name} may "
                "not impersonate it: name another one, or add a RoleBinding that grants the verb impersonate on it",
            )

    async def authorize_provider(self, caller: Caller, provider: str, namespace: str) -> None:
        """Check that the caller may use an ActionProvider; raises like ``authorize_account``."""
        what = {"verb": "use", "group": TASK_ACTIONS.group, "resource": "actionproviders", "name": provider}
        if not await self._reviews.is_allowed(caller, namespace, what):
            raise ConnectError(
                Code.PERMISSION_DENIED,
                f"the queue is that of ActionProvider {provider!r} in namespace {namespace!r}, and {caller.name} may "
                "not use it: add a RoleBinding that grants the verb use on it",
            )


class OpenAccess:
    """Access without any check: for loopback addresses only."""

    _EVERYBODY = Caller("anonymous")

    async def authenticate(self, headers: Headers) -> Caller:  # noqa: ARG002 - the other gate's signature
        """Return the anonymous caller."""
        return self._EVERYBODY

    async def authorize(self, caller: Caller, verb: str, namespace: str) -> None:
        """Allow it."""

    async def authorize_account(self, caller: Caller, account: str, namespace: str) -> None:
        """Allow it."""

    async def authorize_provider(self, caller: Caller, provider: str, namespace: str) -> None:
        """Allow it."""
