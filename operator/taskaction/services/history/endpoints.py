"""Answers to requests: resolves what the caller may see, asks the database, and returns a document."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from taskaction.cluster.reviews import Caller
from taskaction.core.clock import Clock
from taskaction.history.reader import HistoryReader
from taskaction.history.scopes import ALL_KINDS, HistoryScope
from taskaction.services.history import documents, parameters
from taskaction.services.history.access import HistoryAccess
from taskaction.services.history.errors import RequestError, invalid
from taskaction.services.history.parameters import QueryParameters

READ, DELETE = "list", "delete"
"""Verbs that the caller needs on the objects."""
MAX_DELETED = 10_000
"""Rows that one request deletes at most; a client sends another one for the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRequest:
    """Request of an authenticated caller.

    Attributes:
        query: parameters in the order in which they were sent.
        path: parts of the path by name.
    """

    caller: Caller
    query: Sequence[tuple[str, str]]
    path: Mapping[str, str]


Answer = Callable[[HistoryRequest], Awaitable[dict[str, Any]]]
"""Function that returns the document; it raises ``RequestError``, ``ClusterError`` or ``HistoryError``."""


class HistoryEndpoints:
    """Endpoints of the service."""

    def __init__(self, reader: HistoryReader, access: HistoryAccess, clock: Clock) -> None:
        self._reader = reader
        self._access = access
        self._clock = clock

    async def list(self, request: HistoryRequest) -> dict[str, Any]:
        """Return a page of rows."""
        wanted = QueryParameters.parse(request.query, parameters.LIST)
        found, limit, after = wanted.filter(), wanted.limit, wanted.after
        scope = await self._scope(request, wanted, READ)
        return documents.page_document(await self._reader.list(scope, found, after, limit))

    async def show(self, request: HistoryRequest) -> dict[str, Any]:
        """Return one row with its object."""
        scope, uid = await self._scope_of_object(request)
        row = await self._reader.read(scope, uid)
        if row is None:
            raise _not_found(request)
        return documents.object_document(row)

    async def tree(self, request: HistoryRequest) -> dict[str, Any]:
        """Return the tree that an object belongs to."""
        scope, uid = await self._scope_of_object(request)
        tree = await self._reader.read_tree(scope, uid)
        if tree is None:
            raise _not_found(request)
        return documents.tree_document(tree)

    async def statistics(self, request: HistoryRequest) -> dict[str, Any]:
        """Return statistics of ends in a range of time."""
        wanted = QueryParameters.parse(request.query, parameters.STATISTICS)
        found = wanted.ranged_filter(self._clock.now())
        scope = await self._scope(request, wanted, READ)
        statistics = await self._reader.statistics(scope, found)
        return documents.statistics_document(statistics, found.since or 0, found.until or 0)

    async def providers(self, request: HistoryRequest) -> dict[str, Any]:
        """Return what executed actions in a range of time."""
        wanted = QueryParameters.parse(request.query, parameters.PROVIDERS)
        found = wanted.ranged_filter(self._clock.now())
        scope = await self._scope(request, wanted, READ)
        return documents.providers_document(await self._reader.providers(scope, found))

    async def delete(self, request: HistoryRequest) -> dict[str, Any]:
        """Delete rows, or only count them; the answer says how many."""
        wanted = QueryParameters.parse(request.query, parameters.DELETE)
        found, dry_run = wanted.filter(), wanted.is_true("dryRun")
        if found.is_empty and not wanted.is_true("all"):
            raise invalid("all", "the request has no filter, and would delete all rows: add one, or all=true")
        scope = await self._scope(request, wanted, DELETE)
        matched = await self._reader.count(scope, found)
        if dry_run:
            return {"matched": matched, "deleted": 0, "complete": True}
        deleted = await self._reader.delete(scope, found, MAX_DELETED)
        return {"matched": matched, "deleted": deleted, "complete": deleted < MAX_DELETED}

    async def _scope(self, request: HistoryRequest, wanted: QueryParameters, verb: str) -> HistoryScope:
        return await self._access.resolve_scope(request.caller, verb, wanted.namespaces, wanted.kinds)

    async def _scope_of_object(self, request: HistoryRequest) -> tuple[HistoryScope, str]:
        """Return the scope of the namespace in a path, and the uid, which is looked up only within that scope."""
        QueryParameters.parse(request.query, parameters.OBJECT)
        namespaces = QueryParameters({"namespace": [request.path["namespace"]]}).namespaces
        uid = parameters.check_name("uid", request.path["uid"])
        return await self._access.resolve_scope(request.caller, READ, namespaces, ALL_KINDS), uid


def _not_found(request: HistoryRequest) -> RequestError:
    namespace = request.path["namespace"]
    return RequestError(HTTPStatus.NOT_FOUND, f"no record of this uid in namespace {namespace!r}: list them for others")
