"""Followers of shard ownership: passes each change to the parts in the order that they need; decides nothing."""

from collections.abc import Callable, Mapping

from taskaction.app.action_wiring import ActionControl
from taskaction.app.flow_wiring import FlowRunControl
from taskaction.app.observer import OperatorRecorder
from taskaction.app.provider_wiring import ProviderControl
from taskaction.app.schedule_wiring import ScheduleControl
from taskaction.control.flow_runs.catalogue import FlowCatalogue


class OwnershipListener:
    """Listener that forwards changes of shard ownership."""

    def __init__(
        self,
        *,
        journal: OperatorRecorder,
        providers: ProviderControl,
        actions: ActionControl,
        flows: FlowCatalogue,
        runs: FlowRunControl,
        schedules: ScheduleControl,
    ) -> None:
        self._journal = journal
        self._providers = providers
        self._actions = actions
        self._flows = flows
        self._runs = runs
        self._schedules = schedules

    def on_shard_acquired(self, shard: int, epoch: int) -> None:  # noqa: ARG002 - the listener's signature
        """Start the work of a shard: first the providers, then the actions."""
        self._actions.handover.end(shard)
        self._providers.intake.publish_all()
        self._providers.quotas.on_shard_acquired(shard)
        self._actions.intake.on_shard_acquired(shard)
        self._actions.expiry.on_shard_acquired()
        self._flows.on_shard_acquired(shard)
        self._runs.intake.on_shard_acquired(shard)
        self._schedules.intake.on_shard_acquired(shard)

    def on_lease_renewed(self, shard: int) -> None:
        """Continue what has waited for the Lease of a shard."""
        self._actions.waits.on_lease_renewed(shard)

    def on_shard_leaving(self, shard: int) -> None:
        """Bring a shard to rest."""
        self._actions.handover.begin(shard)

    def is_shard_at_rest(self, shard: int) -> bool:
        """Whether a shard can be released."""
        actions, runs = self._actions.handover.is_over(shard), self._runs.is_at_rest(shard)
        return actions and runs

    def on_shard_lost(self, shard: int) -> None:
        """Drop the work of a shard."""
        self._actions.handover.end(shard)
        self._actions.waits.on_shard_lost(shard)
        self._actions.intake.on_shard_lost(shard)
        self._runs.intake.on_shard_lost(shard)

    def is_ready_to_acquire(self, on_ready: Callable[[], None]) -> bool:
        """Whether the actions of every shard are known; otherwise list them, and call ``on_ready`` when they are."""
        return self._actions.scope.is_ready_to_acquire(on_ready)

    def on_share_held(self) -> None:
        """Leave out the actions that only other replicas need, once nothing has moved for a while."""
        self._actions.scope.on_share_held()

    def on_clock_wrong(self, seconds: float) -> None:
        """Report that this replica does nothing, because its clock is wrong."""
        self._journal.on_clock_wrong(seconds)

    def on_clock_right(self, seconds: float) -> None:
        """Report that this replica works again."""
        self._journal.on_clock_right(seconds)

    def shard_loads(self) -> Mapping[int, int]:
        """Return the number of running calls in each shard."""
        return self._actions.handover.active_calls()
