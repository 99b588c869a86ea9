"""Storages that store nothing: the handlers are level-triggered, so kopf need not remember what it has seen."""

from collections.abc import Iterable
from typing import Any

import kopf


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
