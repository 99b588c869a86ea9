"""When finished runs are deleted."""

from datetime import datetime, timedelta

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.control.sharding.tenures import ShardTenures


class RunExpiry:
    """Expiry times of the finished runs that this process owns."""

    def __init__(self, tenures: ShardTenures, ttl: timedelta) -> None:
        """Create the times; ``ttl`` applies to runs without ``spec.ttlSecondsAfterFinished``."""
        self._tenures = tenures
        self._ttl = ttl

    def expires_at(self, run: ActionFlowRun) -> datetime | None:
        """Return when a finished run must be deleted; None if this process does not own it."""
        if run.status.finished_at is None or not self._tenures.owns_key(run.metadata.uid):
            return None
        seconds = run.spec.ttl_seconds_after_finished
        return run.status.finished_at + (self._ttl if seconds is None else timedelta(seconds=seconds))
