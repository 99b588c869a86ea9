"""ServiceAccounts that requests impersonate: their user names, and what a refusal means."""

from collections.abc import Awaitable, Callable

from taskaction.cluster.api_calls import ApiCall
from taskaction.cluster.errors import ClusterError, NotFoundError
from taskaction.cluster.gateway import SERVICE_ACCOUNTS

_PREFIX = "system:serviceaccount:"
_OF_EACH_NAMESPACE = "default"
"""An account that Kubernetes makes a moment after a namespace."""


def account_user(namespace: str, name: str) -> str:
    """Return the user name of a ServiceAccount."""
    return f"{_PREFIX}{namespace}:{name}"


async def missing_account_problem(send: Callable[..., Awaitable[object]], user: str | None) -> str | None:
    """Return that the account of ``user`` does not exist; None if it does, or if that cannot be found out.

    ``send`` sends a request as the process itself. RBAC refuses an account that does not exist like one without rights.
    """
    namespace, _, name = (user or "").removeprefix(_PREFIX).partition(":")
    if user is None or not user.startswith(_PREFIX) or name in {"", _OF_EACH_NAMESPACE}:
        return None
    try:
        await send(ApiCall("GET", "get", SERVICE_ACCOUNTS, namespace, name), None, timeout=5.0)
    except NotFoundError:
        return (
            f"ServiceAccount {name!r} does not exist in namespace {namespace!r}: create it, or name another one in "
            "spec.runAs"
        )
    except ClusterError:
        return None
    return None
