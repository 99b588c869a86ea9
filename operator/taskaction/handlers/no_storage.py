"""Storages that store nothing: the handlers are level-triggered, so kopf need not remember what it has seen."""

from collections.abc import Iterable
from typing import Any

import kopf
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory  # the type of a parameter of spawn_tasks


class NoDiffBase(kopf.DiffBaseStorage):
    """Keeps no last-handled state, and saves the deep copy of each object that building one costs."""

    def build(self, *, body: kopf.Body, extra_fields: Iterable[Any] | None = None) -> Any:  # noqa: ARG002 - kopf's signature
        """Give an essence in which nothing can differ."""
        return {}

    def fetch(self, *, body: kopf.Body) -> Any:  # noqa: ARG002 - kopf's signature
        """Give no former essence."""
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Keeps no progress of handlers: an event handler has none."""

    def fetch(self, *, key: Any, body: kopf.Body) -> None:
        """Give no progress."""

    def store(self, *, key: Any, record: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Store nothing."""

    def purge(self, *, key: Any, body: kopf.Body, patch: kopf.Patch) -> None:
        """Remove nothing."""

    def touch(self, *, body: kopf.Body, patch: kopf.Patch, value: str | None) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Give the essence as it is."""
        return essence


class NoMemories(ResourceMemories):
    """Keeps nothing about an object between its events.

    kopf forgets an object when it is told of its deletion, and the deletions that are echoes never reach it: it would
    remember every action that ever was.
    """

    async def recall(self, raw_body: Any, *, ephemeral: bool = False, **context: Any) -> ResourceMemory:  # noqa: ARG002 - kopf's signature
        """Give an empty memory, and do not keep it."""
        return await super().recall(raw_body, ephemeral=True, **context)
