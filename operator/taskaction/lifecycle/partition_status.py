"""Partition key in the status, so that users see in which partition an action runs or ran; pure."""

from dataclasses import replace

from taskaction.core.constants import PARTITION_KEY_CHARS
from taskaction.core.names import truncate
from taskaction.lifecycle.decisions import Decision, Write
from taskaction.lifecycle.state import Observed


def with_partition_key(decision: Decision, observed: Observed) -> Decision:
    """Return the decision with the partition key in its status, if that is written anyway.

    An action in the queue is not written only for its key: a write changes its resourceVersion, which decides the order
    of actions that were created in the same second.
    """
    status = decision.status
    if observed.partition_key is None or status.partition_key is not None or decision.write is Write.NONE:
        return decision
    key = truncate(observed.partition_key, PARTITION_KEY_CHARS)
    return replace(decision, status=status.model_copy(update={"partition_key": key}))
