"""When finished actions are deleted."""

from datetime import datetime

from taskaction.api.task_action import TaskAction
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.lifecycle.placement import shard_for
from taskaction.lifecycle.policy import Settings, policy_for


class ActionExpiry:
    """Expiry times of the finished actions that this process owns."""

    def __init__(self, observer: ActionObserver, tenures: ShardTenures, settings: Settings) -> None:
        self._observer = observer
        self._tenures = tenures
        self._settings = settings

    def expires_at(self, action: TaskAction) -> datetime | None:
        """Return when a finished action must be deleted; None if this process does not own it."""
        tie = self._observer.shard_tie(action)
        shard = shard_for(action, self._observer.sharding_of(action), tie, shards=self._tenures.shards)
        if not self._tenures.owns(shard) or action.status.finished_at is None:
            return None
        bound = self._observer.bind_executor(action)
        offer = bound.offer if isinstance(bound, ExecutorBinding) else None
        defaults = offer.provider.spec.defaults if offer is not None else None
        return action.status.finished_at + policy_for(action.spec, defaults, self._settings).ttl
