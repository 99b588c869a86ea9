"""Page of one action or run: everything on it is read with the person's own credentials."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any

from taskaction.api.bodies import at, has_ended, parse_time, phase_of
from taskaction.api.timeline import read_attempts, read_timeline
from taskaction.cluster.gateway import Body, Resource
from taskaction.cluster.object_events import read_events
from taskaction.core.clock import Clock
from taskaction.core.yaml import dump_document
from taskaction.services.console.acts import allowed_acts, awaits_signal, question_of
from taskaction.services.console.bars import draw_bars
from taskaction.services.console.errors import PageError, invalid
from taskaction.services.console.rows import BY_PLURAL, ObjectRow, RowIndex, object_path
from taskaction.services.console.scopes import ViewScope
from taskaction.services.console.viewers import Viewer
from taskaction.services.console.views import PageRequest, PageView

MOST_DESCENDANTS = 500
_FACTS = (
    ("Executor", "spec.executor"),
    ("Priority", "spec.priority"),
    ("Run as", "spec.runAs.serviceAccountName"),
    ("Partition", "status.partitionKey"),
    ("External id", "status.externalId"),
    ("Claimed by", "status.claim.holder"),
    ("Output at", "status.outputUri"),
)
_TIMES = (("Created", "metadata.creationTimestamp"), ("Started", "status.startedAt"),
          ("Next attempt", "status.nextAttemptAt"), ("Finished", "status.finishedAt"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Branch:
    """ObjectRow of a tree; the object itself has the depth 0."""

    row: ObjectRow
    depth: int


class ObjectPages:
    """Pages of single objects."""

    def __init__(self, index: RowIndex, clock: Clock, *, read_only: bool) -> None:
        self._index = index
        self._clock = clock
        self._read_only = read_only

    async def show(self, request: PageRequest) -> PageView:
        """Return the page of an object."""
        viewer = request.session.viewer
        if request.query:
            raise invalid(request.query[0][0], "unknown parameter; the page of an object has none")
        body = await fetch_object(viewer, request.path)
        uid, namespace = body["metadata"]["uid"], body["metadata"]["namespace"]
        acts = [] if self._read_only else await allowed_acts(viewer, body)
        events, scope = await asyncio.gather(read_events(viewer.cluster, body), self._scope(viewer, namespace))
        tree = list(self._descendants(uid, scope, 0)) if scope is not None else []
        attempts = read_attempts(body)
        parent = self._index.get(at(body, "spec.parentRef.uid", "")) if scope is not None else None
        values = {
            "body": body,
            "phase": phase_of(body),
            "ended": has_ended(body),
            "acts": acts,
            "question": question_of(body) if awaits_signal(body) else None,
            "facts": list(_facts(body)),
            "times": [(title, at(body, where)) for title, where in _TIMES if at(body, where)],
            "texts": _texts(body),
            "links": at(body, "status.links", []),
            "attempts": attempts,
            "bars": draw_bars(attempts, self._clock.now()),
            "timeline": read_timeline(body),
            "events": events,
            "tree": tree[:MOST_DESCENDANTS],
            "more": len(tree) > MOST_DESCENDANTS,
            "parent": parent if parent is not None and scope is not None and scope.allows(parent) else None,
            "has_pods": request.path["plural"] == "taskactions",
            "yaml": dump_document(body),
            "path": object_path(BY_PLURAL[request.path["plural"]], namespace, body["metadata"]["name"]),
            "seconds": _seconds(body, self._clock.now()),
        }
        known = {uid} | {branch.row.uid for branch in tree}
        return PageView(
            "object.html",
            body["metadata"]["name"],
            values,
            lambda row: row.uid == uid or (scope is not None and scope.allows(row) and row.parent in known),
        )

    async def _scope(self, viewer: Viewer, namespace: str) -> ViewScope | None:
        """Return what the person may list in the namespace of an object; None if nothing."""
        try:
            return await viewer.resolve_scope((namespace,))
        except PageError:
            return None

    def _descendants(self, uid: str, scope: ViewScope, depth: int) -> Iterator[Branch]:
        """Yield the descendants that the person may list, parents first; one more than are shown."""
        stack = [(row, depth) for row in reversed(self._index.children(uid))]
        seen = {uid}
        while stack and len(seen) <= MOST_DESCENDANTS + 1:
            row, level = stack.pop()
            if row.uid in seen or not scope.allows(row):
                continue
            seen.add(row.uid)
            yield Branch(row, level)
            stack += [(child, level + 1) for child in reversed(self._index.children(row.uid))]


async def fetch_object(viewer: Viewer, path: Any) -> Body:
    """Return the object of an address, as the person may read it.

    Raises:
        PageError: there is none.
        ClusterError: the API server refuses, or does not answer.
    """
    resource, namespace, name = find_resource(path["plural"]), path["namespace"], path["name"]
    body = await viewer.cluster.get(resource, name, namespace)
    if body is None:
        raise PageError(
            HTTPStatus.NOT_FOUND,
            f"{resource.kind} {name!r} not found in namespace {namespace!r}: it may have expired; look for others",
        )
    return {"apiVersion": resource.api_version, "kind": resource.kind} | body


def find_resource(plural: str) -> Resource:
    """Return the kind of an address; raises ``PageError``."""
    resource = BY_PLURAL.get(plural)
    if resource is None:
        raise PageError(HTTPStatus.NOT_FOUND, f"unknown kind {plural!r}; known are {', '.join(BY_PLURAL)}")
    return resource


def _facts(body: Body) -> Iterator[tuple[str, str]]:
    for kind in ("provider", "flow"):
        ref = at(body, f"spec.{kind}Ref")
        if ref is not None:
            yield kind.capitalize(), f"{ref['name']} ({ref['kind']})" if ref.get("kind") else str(ref["name"])
    for title, where in _FACTS:
        found = at(body, where)
        if found not in (None, ""):
            yield title, str(found)
    abort = at(body, "spec.abort")
    if abort is not None:
        yield "Abort", f"requested by {abort.get('by') or 'unknown'}: {abort.get('reason') or 'no reason given'}"
    percent = at(body, "status.progress.percent")
    if percent is not None:
        yield "Progress", f"{percent}% {at(body, 'status.progress.message', '')}".rstrip()


def _texts(body: Body) -> list[tuple[str, str]]:
    """Return the values that an object carries, as YAML."""
    places = (("Parameters", "spec.parameters"), ("Input", "spec.input"), ("Output", "status.output"))
    return [(title, dump_document(found)) for title, where in places if (found := at(body, where)) not in (None, {})]


def _seconds(body: Body, now: datetime) -> float | None:
    """Return for how long an object has run, or ran; None if it never started."""
    started, finished = parse_time(at(body, "status.startedAt")), parse_time(at(body, "status.finishedAt"))
    if started is None:
        return None
    return max(0.0, ((finished or now) - started).total_seconds())
