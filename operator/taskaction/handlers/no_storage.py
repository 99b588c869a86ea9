"""Storages that store nothing: the handlers are level-triggered, so kopf needs no state."""

from collections.abc import Iterable
from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory  # the type of a parameter of spawn_tasks


class NoDiffBase(kopf.DiffBaseStorage):
    """Storage without a last-handled state; it saves the deep copy of each object that kopf would make for it."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> Any:  # noqa: ARG002 - kopf's signature
        """Return an empty essence, in which nothing can differ."""
        return {}

    def fetch(self, *, body: kopf.Body) -> Any:  # noqa: ARG002 - kopf's signature
        """Return no former essence."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Storage without progress of handlers: event handlers have none."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        """Return no progress."""

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Store nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Remove nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence unchanged."""
        return essence


class NoMemories(ResourceMemories):
    """Memories that keep nothing about an object between its events.

    kopf forgets an object when it receives its deletion, but deletions that are echoes of own writes are filtered out:
    it would remember every action forever.
    """

    async def recall(self, raw_body: Any, *, ephemeral: bool = False, **context: Any) -> ResourceMemory:  # noqa: ARG002 - kopf's signature
        """Return an empty memory without keeping it."""
        return await super().recall(raw_body, ephemeral=True, **context)
