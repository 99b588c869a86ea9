"""History of finished and deleted objects, as the control layer uses it; what it is made of is not known here."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from taskaction.api.enums import ParentKind
from taskaction.control.objects.owned import OwnedObject, OwnedRecord


class ExpiredObject(NamedTuple):
    """Finished object whose time to live is over."""

    kind: ParentKind
    namespace: str
    name: str
    uid: str
    expired_at: datetime


class History(Protocol):
    """Place where objects are recorded before they are deleted; nothing that an action waits for calls it."""

    def on_finished(self, record: OwnedRecord) -> None:
        """Record an object whose end this process has stored."""

    def on_deleted(self, record: OwnedRecord) -> None:
        """Record an object that was deleted before its end, if this process owns it."""

    async def compare(self, kind: ParentKind, finished: Sequence[OwnedObject]) -> None:
        """Record those of some finished objects that are not recorded as they are; this process owns them."""

    async def may_delete(self, expired: ExpiredObject) -> bool:
        """Whether an object may be deleted: it is recorded, or was held for long enough."""

    async def run(self) -> None:
        """Write what is to be recorded, until cancelled."""

    async def close(self, seconds: float) -> None:
        """Write what remains within some seconds, and release everything."""


class NoHistory:
    """History of an operator that keeps none."""

    def on_finished(self, record: OwnedRecord) -> None:
        """Record nothing."""

    def on_deleted(self, record: OwnedRecord) -> None:
        """Record nothing."""

    async def compare(self, kind: ParentKind, finished: Sequence[OwnedObject]) -> None:
        """Record nothing."""

    async def may_delete(self, expired: ExpiredObject) -> bool:  # noqa: ARG002 - the signature of a history
        """Return that every object may be deleted."""
        return True

    async def run(self) -> None:
        """Wait until cancelled."""
        await asyncio.Event().wait()

    async def close(self, seconds: float) -> None:
        """Release nothing."""
