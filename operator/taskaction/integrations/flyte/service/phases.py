"""Which phase of Flyte's an action's own is, and back: the one table for watches and for reports."""

from collections.abc import Mapping

from flyteidl2.common.phase_pb2 import ActionPhase

from taskaction.api.enums import Phase

PHASES: Mapping[Phase, ActionPhase] = {
    Phase.QUEUED: ActionPhase.ACTION_PHASE_QUEUED,  # also between two attempts
    Phase.WAITING_FOR_RESOURCES: ActionPhase.ACTION_PHASE_WAITING_FOR_RESOURCES,  # a limit, or a full queue
    Phase.INITIALIZING: ActionPhase.ACTION_PHASE_INITIALIZING,  # its pod is not scheduled, or pulls its image
    Phase.RUNNING: ActionPhase.ACTION_PHASE_RUNNING,
    Phase.PAUSED: ActionPhase.ACTION_PHASE_PAUSED,  # waits for a signal
    Phase.SUCCEEDED: ActionPhase.ACTION_PHASE_SUCCEEDED,
    Phase.FAILED: ActionPhase.ACTION_PHASE_FAILED,
    Phase.ABORTED: ActionPhase.ACTION_PHASE_ABORTED,
    Phase.TIMED_OUT: ActionPhase.ACTION_PHASE_TIMED_OUT,
}
"""Reasons change nothing about it: whatever an action failed of, it is FAILED."""
