"""What is on record of an action: its changes of phase, attempts, a run's log, and the cluster's Events about it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from taskaction.cli.objects import at
from taskaction.cli.output import moment
from taskaction.cli.session import Session
from taskaction.cluster.errors import ForbiddenError
from taskaction.cluster.gateway import EVENTS, Body


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that happened."""

    at: str
    word: str
    text: str

    @property
    def when(self) -> tuple[datetime, bool]:
        """By what entries are sorted: some times are to the second only, and their entries come first in it."""
        then = moment(self.at) or datetime.min.replace(tzinfo=UTC)
        return then, then.microsecond != 0


def recorded(body: Body) -> list[Entry]:
    """Give what the status says, in the order in which it happened."""
    status = body.get("status") or {}
    entries = [Entry(at(body, "metadata.creationTimestamp", ""), "Created", "")]
    entries += [
        Entry(one["at"], one["phase"], _joined(one.get("reason"), one.get("message")))
        for one in status.get("history") or ()
    ]
    entries += [
        Entry(one["time"], one["code"], str(at(one, "details.state_name", ""))) for one in status.get("log") or ()
    ]
    if status.get("finishedAt") and not any(one.get("phase") == status["phase"] for one in status.get("history") or ()):
        entries.append(
            Entry(status["finishedAt"], status["phase"], _joined(status.get("reason"), status.get("message")))
        )
    return sorted(entries, key=lambda one: one.when)


async def events(session: Session, body: Body) -> list[Entry]:
    """Give the cluster's Events about an object; none where they may not be read."""
    selector = f"involvedObject.uid={body['metadata']['uid']}"
    try:
        found = [
            one async for one in session.cluster.list(EVENTS, body["metadata"]["namespace"], field_selector=selector)
        ]
    except ForbiddenError:
        return []
    return merged(
        Entry(
            one.get("eventTime") or one.get("lastTimestamp") or at(one, "metadata.creationTimestamp", ""),
            str(one.get("reason", "")),
            str(one.get("message", "")),
        )
        for one in found
    )


def merged(entries: Iterable[Entry]) -> list[Entry]:
    """Give each entry once, in the order of their times."""
    return sorted(dict.fromkeys(entries), key=lambda one: one.when)


def _joined(reason: str | None, message: str | None) -> str:
    return ": ".join(part for part in (reason, " ".join((message or "").split())) if part)
