"""Listeners that connect parts of ``control`` which are built at different times; decides nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime

from taskaction.api.task_action import TaskAction
from taskaction.app.flow_wiring import FlowRunControl
from taskaction.app.observer import OperatorRecorder
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.records import ActionRecord
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.providers.providers import ProviderKey
from taskaction.control.providers.quotas import ProviderQuotas
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.handover import ShardHandover
from taskaction.control.task_actions.intake import ActionIntake
from taskaction.control.task_actions.observe import ActionObserver, ExecutorBinding
from taskaction.control.task_actions.queueing import Queueing
from taskaction.lifecycle.placement import shard_for
from taskaction.lifecycle.policy import Settings, policy_for


class OwnershipListener:
    """Listener that forwards changes of shard ownership."""

    def __init__(
        self,
        intake: Callable[[], ActionIntake],
        offers: Callable[[], ProviderIntake],
        quotas: Callable[[], ProviderQuotas],
        expiry: Callable[[], ExpiryCollector[TaskAction, ActionRecord]],
        handover: Callable[[], ShardHandover],
        flows: Callable[[], FlowCatalogue],
        runs: Callable[[], FlowRunControl],
    ) -> None:
        self._intake = intake
        self._offers = offers
        self._quotas = quotas
        self._expiry = expiry
        self._handover = handover
        self._flows = flows
        self._runs = runs

    def on_shard_acquired(self, shard: int, epoch: int) -> None:  # noqa: ARG002 - the listener's signature
        """Take up the work of a shard: first the providers, then the actions."""
        self._offers().publish_all()
        self._quotas().on_shard_acquired(shard)
        self._intake().on_shard_acquired(shard)
        self._expiry().on_shard_acquired()
        self._flows().on_shard_acquired(shard)
        self._runs().intake.on_shard_acquired(shard)

    def on_shard_leaving(self, shard: int) -> None:
        """Bring a shard to rest."""
        self._handover().begin(shard)

    def is_shard_at_rest(self, shard: int) -> bool:
        """Whether a shard can be released."""
        actions, runs = self._handover().is_over(shard), self._runs().is_at_rest(shard)
        return actions and runs

    def on_shard_lost(self, shard: int) -> None:
        """Drop the work of a shard."""
        self._intake().on_shard_lost(shard)
        self._runs().intake.on_shard_lost(shard)

    def shard_loads(self) -> Mapping[int, int]:
        """Return the number of running calls in each shard."""
        return self._handover().active_calls()


class ActionExpiry:
    """Expiry times of the finished actions that this process owns."""

    def __init__(self, gatherer: ActionObserver, leases: ShardLeases, settings: Settings, shards: int) -> None:
        self._gatherer = gatherer
        self._leases = leases
        self._settings = settings
        self._shards = shards

    def expires_at(self, action: TaskAction) -> datetime | None:
        """Return when a finished action must be deleted; None if this process does not own it."""
        tie = self._gatherer.shard_tie(action)
        shard = shard_for(action, self._gatherer.sharding_of(action), tie, shards=self._shards)
        if self._leases.tenure(shard) is None or action.status.finished_at is None:
            return None
        bound = self._gatherer.bind_executor(action)
        offer = bound.offer if isinstance(bound, ExecutorBinding) else None
        defaults = offer.provider.spec.defaults if offer is not None else None
        return action.status.finished_at + policy_for(action.spec, defaults, self._settings).ttl


class ManagerObserver:
    """Observer that forwards the events of the execution manager."""

    def __init__(
        self, journal: OperatorRecorder, line: Callable[[], Queueing], quotas: Callable[[], ProviderQuotas]
    ) -> None:
        self._journal = journal
        self._line = line
        self._quotas = quotas

    def on_run_crashed(self, run_id: str, error: BaseException) -> None:
        """Record an unexpected error."""
        self._journal.on_run_crashed(run_id, error)

    def on_queue_full(self, run_id: str) -> None:
        """Show in the action that it waits outside the queue."""
        self._line().on_backlog_changed(run_id, crowded=True)

    def on_run_admitted(self, run_id: str) -> None:
        """Show in the action that it is queued."""
        self._line().on_backlog_changed(run_id, crowded=False)

    def on_rate_exhausted(self, source: str, until: datetime) -> None:
        """Count and show that a provider's rate is used up."""
        if self._quotas().on_rate_exhausted(source, until):
            self._journal.on_rate_exhausted(source, until)

    def on_counts_changed(self) -> None:
        """Update the counts of providers."""
        self._quotas().on_counts_changed()

    def on_reservation_needed(self, source: str) -> None:
        """Record a reservation."""
        self._quotas().on_reservation_needed(source)


def on_provider_changed(key: ProviderKey, quotas: ProviderQuotas, intake: ActionIntake, flows: FlowCatalogue) -> None:
    """Apply a changed provider: first its limits, then its actions, then the flows that refer to it."""
    quotas.on_provider_changed(key)
    intake.on_provider_changed(key)
    flows.on_provider_changed(key)
