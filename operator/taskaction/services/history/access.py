"""Who asks, and which rows they may see: a row follows the right to list the objects of its kind in its namespace."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from taskaction.api.enums import ParentKind
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, TASK_ACTIONS
from taskaction.cluster.reviews import Caller, CallerReviews
from taskaction.history.scopes import HistoryScope
from taskaction.services.history.errors import RequestError

TOKEN_HEADER = "X-Taskaction-Token"  # noqa: S105 - the name of a header
"""Header with the token for requests by the API server's proxy, which removes the header Authorization."""
_RESOURCES = {str(ParentKind.TASK_ACTION): TASK_ACTIONS, str(ParentKind.ACTION_FLOW_RUN): ACTION_FLOW_RUNS}


class HistoryAccess:
    """Authentication by the caller's token, and authorization by the rights that the API server confirms."""

    def __init__(self, reviews: CallerReviews) -> None:
        self._reviews = reviews

    async def authenticate(self, headers: Mapping[str, str]) -> Caller:
        """Return the caller; raise ``RequestError``, or ``ClusterError`` if the API server does not answer."""
        token = headers.get(TOKEN_HEADER, "").strip() or _bearer(headers.get("Authorization", ""))
        if not token:
            raise RequestError(
                HTTPStatus.UNAUTHORIZED, "send the header 'Authorization: Bearer <token>' with a Kubernetes token"
            )
        caller = await self._reviews.find_caller(token)
        if caller is None:
            raise RequestError(
                HTTPStatus.UNAUTHORIZED, "the API server does not accept the token, or it has expired: get a new one"
            )
        return caller

    async def resolve_scope(
        self, caller: Caller, verb: str, namespaces: Sequence[str], kinds: Iterable[str]
    ) -> HistoryScope:
        """Return the rows of some namespaces, or of all if none is named, for which the caller has a verb.

        Raises:
            RequestError: the caller has the verb for none of the kinds in one of the namespaces. The message is the
                same whether the namespace exists, or has rows.
            ClusterError: the API server does not answer.
        """
        wanted = sorted(kinds)
        places = sorted(set(namespaces)) or [""]
        questions = [(place, kind) for place in places for kind in wanted]
        answers = await asyncio.gather(*(self._is_allowed(caller, verb, *question) for question in questions))
        allowed: dict[str, set[str]] = {place: set() for place in places}
        for (place, kind), is_allowed in zip(questions, answers, strict=True):
            if is_allowed:
                allowed[place].add(kind)
        for place, found in allowed.items():
            if not found:
                raise _forbidden(caller, verb, place, wanted)
        return HistoryScope.within(allowed) if namespaces else HistoryScope.everywhere(allowed[""])

    async def _is_allowed(self, caller: Caller, verb: str, namespace: str, kind: str) -> bool:
        resource = _RESOURCES[kind]
        what = {"verb": verb, "group": resource.group, "resource": resource.plural}
        return await self._reviews.is_allowed(caller, namespace, what)


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _forbidden(caller: Caller, verb: str, namespace: str, kinds: Sequence[str]) -> RequestError:
    what = " or ".join(f"{_RESOURCES[kind].plural}.{_RESOURCES[kind].group}" for kind in kinds)
    where, remedy = (
        (f"in namespace {namespace!r}", "add a RoleBinding that grants it")
        if namespace
        else ("in all namespaces", "name namespaces with the parameter `namespace`, or add a ClusterRoleBinding")
    )
    return RequestError(HTTPStatus.FORBIDDEN, f"{caller.name} may not {verb} {what} {where}: {remedy}")
