"""Options that choose, order and limit the objects of a list, as kubectl users expect them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from taskaction.api.bodies import at, parse_time
from taskaction.api.enums import Phase
from taskaction.cli import durations
from taskaction.cli.objects import list_objects
from taskaction.cli.session import Session
from taskaction.cluster.gateway import Body

CREATED = "metadata.creationTimestamp"
_PATHS = {"age": CREATED, "created": CREATED, "phase": "status.phase"}

Selector = Annotated[str | None, typer.Option("--selector", "-l", metavar="SELECTOR", help="Label selector.")]
Everywhere = Annotated[bool, typer.Option("--all-namespaces", "-A", help="All namespaces.")]
Phases = Annotated[list[Phase] | None, typer.Option("--phase", help="Only actions in this phase; repeatable.")]
Since = Annotated[
    str | None, typer.Option("--since", metavar="DURATION", help="Only actions created within this time.")
]
Limit = Annotated[int | None, typer.Option("--limit", min=1, metavar="N", help="Only the N newest actions.")]
SortBy = Annotated[
    str | None,
    typer.Option("--sort-by", metavar="FIELD", help="name, age, phase or a path such as .status.finishedAt."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Choice of objects; the API server evaluates labels and phases."""

    labels: str = ""
    phases: Sequence[str] = field(default=())
    since: str | None = None
    limit: int | None = None
    sort_by: str | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether it may leave out objects."""
        return bool(self.labels or self.phases or self.since or self.limit)


async def select_listed(session: Session, namespace: str, wanted: Selection) -> list[Body]:
    """Return the chosen objects of a namespace, or of all if it is empty, in the wanted order."""
    found = [body async for body in list_objects(session, namespace, labels=wanted.labels, phases=wanted.phases)]
    return sort_bodies(filter_newest(found, wanted.since, wanted.limit), wanted.sort_by or "name")


def filter_newest(bodies: list[Body], since: str | None, limit: int | None) -> list[Body]:
    """Return the objects that were created within the duration `since`, and of these the `limit` newest."""
    found = bodies
    if since is not None:
        earliest = datetime.now(UTC) - timedelta(seconds=durations.parse_seconds(since))
        found = [body for body in found if (parse_time(at(body, CREATED)) or earliest) >= earliest]
    return found if limit is None else sort_bodies(found, CREATED)[-limit:]


def sort_bodies(bodies: Iterable[Body], path: str) -> list[Body]:
    """Return objects in the order of a field; those without it are last, and ties are in the order of names."""
    where = _PATHS.get(path, path.strip("{}").lstrip("."))
    named = sorted(bodies, key=lambda one: (at(one, "metadata.namespace", ""), one["metadata"]["name"]))
    if path == "name":
        return named
    return sorted(named, key=lambda one: _sort_key(at(one, where)))


def _sort_key(value: Any) -> tuple[int, float, str]:
    if value is None:
        return 2, 0.0, ""
    if isinstance(value, int | float):
        return 0, float(value), ""
    return 1, 0.0, str(value)
