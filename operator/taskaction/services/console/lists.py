"""Pages of many objects: the list, the overview, and approvals; their rows are those of the person's scope."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice

from taskaction.api.bodies import parse_time
from taskaction.api.enums import Phase
from taskaction.core.clock import Clock
from taskaction.services.console.filters import COLUMNS, RowFilter
from taskaction.services.console.rows import KINDS, ObjectRow, RowIndex
from taskaction.services.console.scopes import ViewScope
from taskaction.services.console.viewers import BrowserSession
from taskaction.services.console.views import PageRequest, PageView

ROWS = 100
"""Rows of one page of a list."""
_TOP = 8
"""Reasons and executors that the overview shows."""
_RECENT = timedelta(hours=1)


class ListPages:
    """Pages about the rows of the index."""

    def __init__(self, index: RowIndex, clock: Clock) -> None:
        self._index = index
        self._clock = clock

    async def list(self, request: PageRequest) -> PageView:
        """Return a page of the list of actions and runs."""
        wanted = RowFilter.parse(request.query)
        scope = await scope_of(request.session, wanted.namespaces)
        if scope is None:
            return choose_namespace(wanted)
        start = iter(self._index) if wanted.before is None else self._index.before(wanted.before)
        found = list(islice((row for row in start if scope.allows(row) and wanted.matches(row)), ROWS + 1))
        rows = found[:ROWS]
        values = {
            "filter": wanted,
            "scope": scope,
            "rows": rows,
            "older": wanted.query(before=rows[-1].position) if len(found) > ROWS else "",
            "phases": tuple(Phase),
            "kinds": KINDS,
            "all_columns": COLUMNS,
        }
        return PageView("list.html", "Actions", values, lambda row: scope.allows(row) and wanted.matches(row))

    async def overview(self, request: PageRequest) -> PageView:
        """Return the counts of what runs and has ended."""
        wanted = RowFilter.parse(request.query)
        scope = await scope_of(request.session, wanted.namespaces)
        if scope is None:
            return choose_namespace(wanted)
        rows = list(self._rows(scope))
        since = self._clock.now() - _RECENT
        ended = [row for row in rows if row.has_ended and (parse_time(row.finished or None) or since) > since]
        failed = [row for row in rows if row.phase in {Phase.FAILED, Phase.TIMED_OUT, Phase.ABORTED}]
        values = {
            "filter": wanted,
            "scope": scope,
            "phases": [(phase, count) for phase in Phase if (count := sum(row.phase == phase for row in rows))],
            "total": len(rows),
            "running": sum(not row.has_ended for row in rows),
            "ended": len(ended),
            "failed": sum(row.phase != Phase.SUCCEEDED for row in ended),
            "waiting": sum(row.awaits_person for row in rows),
            "reasons": Counter((row.phase, row.reason) for row in failed).most_common(_TOP),
            "runners": _runners(rows),
        }
        return PageView("overview.html", "Overview", values, scope.allows)

    async def approvals(self, request: PageRequest) -> PageView:
        """Return the actions that wait for an approval that the person may give."""
        wanted = RowFilter.parse(request.query)
        scope = await scope_of(request.session, wanted.namespaces)
        if scope is None:
            return choose_namespace(wanted)
        waiting = list(islice((row for row in self._rows(scope) if row.awaits_person), ROWS))
        can = request.session.viewer.can
        answers = await asyncio.gather(*(can("signal", row.resource, row.namespace, row.name) for row in waiting))
        values = {
            "filter": wanted,
            "scope": scope,
            "rows": [row for row, allowed in zip(waiting, answers, strict=True) if allowed],
            "others": answers.count(False),
        }
        return PageView(
            "approvals.html", "Approvals", values, lambda row: scope.allows(row) and row.executor == "approval"
        )

    def _rows(self, scope: ViewScope) -> Iterator[ObjectRow]:
        return (row for row in self._index if scope.allows(row))


async def scope_of(session: BrowserSession, namespaces: tuple[str, ...]) -> ViewScope | None:
    """Return what a page is about: the named namespaces, all, those of the last page, or that of the account.

    None means that the person has to name namespaces.

    Raises:
        PageError: they may list nothing in one of the named namespaces.
        ClusterError: the API server does not answer.
    """
    viewer = session.viewer
    if namespaces:
        scope = await viewer.resolve_scope(namespaces)
        session.namespaces = namespaces
        return scope
    scope = await viewer.resolve_scope(())
    if scope is not None:
        session.namespaces = ()
        return scope
    last = session.namespaces or ((viewer.home,) if viewer.home else ())
    return await viewer.resolve_scope(last) if last else None


def choose_namespace(wanted: RowFilter) -> PageView:
    """Return the page that asks for namespaces."""
    return PageView("namespace.html", "Choose a namespace", {"filter": wanted})


def _runners(rows: list[ObjectRow]) -> list[tuple[str, int, int, int]]:
    """Return name, unfinished, ended and failed of what runs actions, those with the most unfinished first."""
    live, ended, failed = Counter[str](), Counter[str](), Counter[str]()
    for row in rows:
        count = ended if row.has_ended else live
        count[row.runner] += 1
        failed[row.runner] += row.has_ended and row.phase != Phase.SUCCEEDED
    names = sorted({*live, *ended}, key=lambda name: (-live[name], -ended[name], name))
    return [(name, live[name], ended[name], failed[name]) for name in names[:_TOP]]
