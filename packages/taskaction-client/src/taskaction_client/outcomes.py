"""What became of actions and runs: outputs, errors by reason, and the outcomes of batches."""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from taskaction_client.errors import ActionFailedError, ClientError, OutputStoredError
from taskaction_client.failures import BY_REASON
from taskaction_client.objects import Request, Snapshot

SnapshotT = TypeVar("SnapshotT", bound=Snapshot[Any, Any])
SpecT = TypeVar("SpecT")


def failure_of(ended: Snapshot[Any, Any]) -> ActionFailedError:
    """Return the error for an object that has ended without success: of its reason's class, if the reason has one."""
    return BY_REASON.get(ended.reason, ActionFailedError)(ended)


def output_of(ended: Snapshot[Any, Any]) -> Any:
    """Return the output of an object that has ended.

    Raises:
        ActionFailedError: it ended without success.
        OutputStoredError: the output is not in the object.
    """
    if not ended.succeeded:
        raise failure_of(ended)
    uri = ended.status.get("outputUri")
    if ended.output is None and (uri is not None or "outputSize" in ended.status):
        where = f"is stored at {uri}: read it with `taskaction output`" if uri else "was not kept: it is too large"
        raise OutputStoredError(f"{ended}: the output {where}", uri=uri)
    return ended.output


@dataclass(frozen=True, slots=True)
class Outcome(Generic[SnapshotT, SpecT]):
    """What became of one request of a batch.

    Attributes:
        snapshot: the created object, or where the batch waits for ends the ended one; None if there is none.
        error: why the request failed, or why the snapshot is not that of the end: the object may continue.
    """

    request: Request[SpecT]
    snapshot: SnapshotT | None = None
    error: ClientError | None = None

    def result(self) -> Any:
        """Return the output of the ended object.

        Raises:
            ClientError: the request failed, or the object ended without success or has not ended.
        """
        if self.error is not None:
            raise self.error
        assert self.snapshot is not None  # noqa: S101 - one of both is set
        return output_of(self.snapshot)
