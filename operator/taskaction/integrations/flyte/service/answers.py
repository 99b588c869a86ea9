"""Answers of conditions for clients, also those that did not fit into their objects."""

from collections.abc import Callable
from dataclasses import replace

from taskaction.api.enums import Phase
from taskaction.integrations.flyte.service.action_cache import CachedAction
from taskaction.plugin.stored_outputs import OutputLostError, StoredOutputs


class AnswerReader:
    """Reader of answers; of all other actions, clients get the address of an output and not the output."""

    def __init__(self, outputs: StoredOutputs, failed: Callable[[str, BaseException], None]) -> None:
        """Create a reader; ``failed`` gets the error if an answer is lost."""
        self._outputs = outputs
        self._on_failed = failed

    @staticmethod
    def must_read(known: CachedAction) -> bool:
        """Whether clients get an output that is in a file."""
        return known.stored is not None and bool(known.signal_type) and known.phase == Phase.SUCCEEDED

    async def complete(self, known: CachedAction) -> CachedAction:
        """Return an action with its output if clients get that; raise ``StorageError`` while it cannot be read."""
        if known.stored is None or not self.must_read(known):
            return known
        try:
            return replace(known, output=await self._outputs.read(known.stored), stored=None)
        except OutputLostError as error:  # the client gets no value, and fails the task that waits for it
            self._on_failed(f"answer of {known.place.namespace}/{known.place.name}", error)
            return known
