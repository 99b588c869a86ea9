"""Passes on what one part of ``control`` tells another that is built after it; decides nothing itself."""

from collections.abc import Callable, Mapping
from datetime import datetime

from taskaction.api.task_action import TaskAction
from taskaction.app.flow_wiring import Runs
from taskaction.app.observer import OperatorJournal
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.objects.expiry import Expiry
from taskaction.control.objects.records import Record
from taskaction.control.providers.offers import Offers
from taskaction.control.providers.providers import ProviderKey
from taskaction.control.providers.quotas import Quotas
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.handover import Handover
from taskaction.control.task_actions.intake import Intake
from taskaction.control.task_actions.observe import Binding, Gatherer
from taskaction.control.task_actions.queueing import Line
from taskaction.lifecycle.placement import shard_for
from taskaction.lifecycle.policy import Settings, policy_for


class OwnershipListener:
    """Passes changes of ownership on to those who act on them."""

    def __init__(
        self,
        intake: Callable[[], Intake],
        offers: Callable[[], Offers],
        quotas: Callable[[], Quotas],
        expiry: Callable[[], Expiry[TaskAction, Record]],
        handover: Callable[[], Handover],
        flows: Callable[[], FlowCatalogue],
        runs: Callable[[], Runs],
    ) -> None:
        self._intake = intake
        self._offers = offers
        self._quotas = quotas
        self._expiry = expiry
        self._handover = handover
        self._flows = flows
        self._runs = runs

    def shard_acquired(self, shard: int, epoch: int) -> None:  # noqa: ARG002 - the listener's signature
        """Take up the work of a shard: first who is offered what, then the actions."""
        self._offers().publish_all()
        self._quotas().taken_over(shard)
        self._intake().shard_acquired(shard)
        self._expiry().taken_over()
        self._flows().taken_over(shard)
        self._runs().intake.shard_acquired(shard)

    def shard_leaving(self, shard: int) -> None:
        """Bring a shard to rest."""
        self._handover().begin(shard)

    def shard_at_rest(self, shard: int) -> bool:
        """Say whether a shard can be given away."""
        actions, runs = self._handover().is_over(shard), self._runs().is_over(shard)
        return actions and runs

    def shard_lost(self, shard: int) -> None:
        """Let go of the work of a shard."""
        self._intake().shard_lost(shard)
        self._runs().intake.shard_lost(shard)

    def shard_loads(self) -> Mapping[int, int]:
        """Give how much each shard has to do."""
        return self._handover().loads()


class ExpiryJudge:
    """Says when finished objects expire, for those that this process answers for."""

    def __init__(self, gatherer: Gatherer, leases: ShardLeases, settings: Settings, shards: int) -> None:
        self._gatherer = gatherer
        self._leases = leases
        self._settings = settings
        self._shards = shards

    def expires(self, action: TaskAction) -> datetime | None:
        """Give when a finished action is to be deleted; None for one that this process does not answer for."""
        tie = self._gatherer.tie(action)
        shard = shard_for(action, self._gatherer.sharding(action), tie, shards=self._shards)
        if self._leases.tenure(shard) is None or action.status.finished_at is None:
            return None
        bound = self._gatherer.binding(action)
        offer = bound.offer if isinstance(bound, Binding) else None
        defaults = offer.provider.spec.defaults if offer is not None else None
        return action.status.finished_at + policy_for(action.spec, defaults, self._settings).ttl


class ManagerObserver:
    """Passes what the manager cannot do itself on to those who can."""

    def __init__(self, journal: OperatorJournal, line: Callable[[], Line], quotas: Callable[[], Quotas]) -> None:
        self._journal = journal
        self._line = line
        self._quotas = quotas

    def crashed(self, run_id: str, error: BaseException) -> None:
        """Note what nobody had foreseen."""
        self._journal.crashed(run_id, error)

    def crowded(self, run_id: str) -> None:
        """Have it shown."""
        self._line().crowded(run_id, crowded=True)

    def admitted(self, run_id: str) -> None:
        """Have it shown."""
        self._line().crowded(run_id, crowded=False)

    def paced(self, source: str, until: datetime) -> None:
        """Have it counted and shown."""
        if self._quotas().paced(source, until):
            self._journal.paced(source, until)

    def moved(self) -> None:
        """Have the counts of providers shown."""
        self._quotas().moved()

    def unrecorded(self, source: str) -> None:
        """Have it put on record."""
        self._quotas().unrecorded(source)


def offer_changed(key: ProviderKey, quotas: Quotas, intake: Intake, flows: FlowCatalogue) -> None:
    """Go by a provider as it is now: first its limits, then those that go by them, then what is said of flows."""
    quotas.changed(key)
    intake.offer_changed(key)
    flows.provider_changed(key)
