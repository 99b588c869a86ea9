"""Builds the control layer over any cluster and clock: the operator and the tests put it together in the same way."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import Cluster
from taskaction.cluster.retry import Persistence
from taskaction.config import OperatorConfig
from taskaction.control.agenda import Agenda
from taskaction.control.background import Background
from taskaction.control.calls import Caller, CallSettings
from taskaction.control.cancelling import Canceller
from taskaction.control.departures import Departures
from taskaction.control.engine import Engine, Parts
from taskaction.control.events import EventPoster
from taskaction.control.expiry import Expiry
from taskaction.control.family import Family
from taskaction.control.followed import FollowedObjects
from taskaction.control.gather import Binding, Gatherer
from taskaction.control.intake import Intake
from taskaction.control.leases import LeaseSettings, ShardLeases
from taskaction.control.objects import ObjectEditor
from taskaction.control.offers import Offers
from taskaction.control.partitions import Partitions
from taskaction.control.providers import ProviderKey, Providers
from taskaction.control.records import Table
from taskaction.control.sweep import Sweeper
from taskaction.control.tree import Tree
from taskaction.control.writer import StatusWriter
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of
from taskaction.execution.manager import ExecutionManager
from taskaction.executors.addresses import AddressPolicy
from taskaction.executors.registry import Plugin, Registry
from taskaction.executors.toolbox import Toolbox
from taskaction.journal import OperatorJournal
from taskaction.lifecycle.placement import shard_for
from taskaction.lifecycle.policy import Settings, policy_for
from taskaction.metrics import Metrics


@dataclass(slots=True, kw_only=True)
class Control:
    """The assembled control layer.

    Attributes:
        noticed: how many notifications came in so far.
    """

    table: Table
    registry: Registry
    leases: ShardLeases
    manager: ExecutionManager
    agenda: Agenda
    expiry: Expiry
    sweeper: Sweeper
    events: EventPoster
    background: Background
    intake: Intake
    offers: Offers
    engine: Engine
    followed: FollowedObjects
    noticed: int = 0


def assemble(
    config: OperatorConfig,
    cluster: Cluster,
    clock: Clock,
    journal: OperatorJournal,
    metrics: Metrics,
    luck: Callable[[], float],
    plugins: Iterable[Plugin] = (),
) -> Control:
    """Give the control layer; nothing runs yet. ``plugins`` are executors beside those that are installed.

    Some parts call each other. What is named before it exists is only called later, through a closure.
    """
    settings = Settings(
        ttl=config.ttl,
        status_delay=config.status_delay,
        interrupt_grace=config.interrupt_grace,
        cancel_grace=config.cancel_grace,
    )
    closed = frozenset({"kube-system", config.namespace})
    table = Table()
    followed = FollowedObjects(table, lambda shard: leases.tenure(shard) is not None, lambda uid: engine.wake(uid))
    toolbox = Toolbox(
        clock=clock,
        cluster=cluster,
        addresses=AddressPolicy(config.http_allowed_cidrs),
        luck=luck,
        followed=followed,
        closed_namespaces=closed,
    )
    registry = Registry.load(toolbox)
    for plugin in plugins:
        registry.register(plugin.build(toolbox))
    background = Background(journal.failed)
    persistently = Persistence(clock, luck, journal.call_retried)
    tree, providers = Tree(), Providers(registry)
    gatherer = Gatherer(tree=tree, providers=providers, registry=registry, settings=settings, luck=luck)
    leases = ShardLeases(
        cluster,
        clock,
        LeaseSettings(
            namespace=config.namespace,
            identity=config.identity,
            shards=config.shards,
            duration=config.lease_duration.total_seconds(),
            renew_deadline=config.lease_renew_deadline.total_seconds(),
            retry=config.lease_retry.total_seconds(),
        ),
        _LeaseListener(lambda: intake, lambda: offers, lambda: expiry),
    )
    manager = ExecutionManager(lambda uid: engine.process(uid), workers_count=config.workers_count, observer=journal)
    family = Family(
        cluster=cluster,
        persistently=persistently,
        background=background,
        table=table,
        tree=tree,
        changed=lambda record: engine.look(record),
    )
    offers = Offers(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        journal=journal,
        providers=providers,
        owns=lambda key: leases.tenure(_provider_shard(key, config.shards)) is not None,
        changed=lambda key: intake.offer_changed(key),
    )
    editor = ObjectEditor(
        cluster, persistently, lambda record: intake.learned(record), in_flight=config.writes_in_flight
    )
    expiry = Expiry(
        cluster=cluster,
        clock=clock,
        editor=editor,
        background=background,
        table=table,
        tree=tree,
        judge=_Judge(gatherer, leases, settings, config.shards).expires,
        namespaces=config.watch_namespaces,
    )
    events = EventPoster(cluster, clock, metrics.events_dropped.inc)
    agenda = Agenda(clock, lambda uid: engine.due(uid))
    caller = Caller(
        cluster,
        clock,
        luck,
        CallSettings(closed_namespaces=closed),
        lambda record: engine.reported(record),
    )
    canceller = Canceller(
        clock=clock,
        background=background,
        gatherer=gatherer,
        caller=caller,
        journal=journal,
        identity=config.identity,
        stopped=lambda record: engine.stopped(record),
    )
    partitions = Partitions(
        background=background,
        gatherer=gatherer,
        caller=caller,
        observe=lambda record: engine.observed(record),
        found=lambda record: engine.partitioned(record),
        failed=lambda record, failure: engine.unpartitioned(record, failure),
    )
    departures = Departures(
        clock=clock,
        table=table,
        family=family,
        manager=manager,
        agenda=agenda,
        followed=followed,
        canceller=canceller,
    )
    engine = Engine(
        Parts(
            table=table,
            clock=clock,
            gatherer=gatherer,
            family=family,
            offers=offers,
            leases=leases,
            manager=manager,
            caller=caller,
            writer=StatusWriter(
                cluster,
                clock,
                luck,
                journal,
                lambda record: intake.learned(record),
                in_flight=config.writes_in_flight,
            ),
            editor=editor,
            agenda=agenda,
            expiry=expiry,
            events=events,
            background=background,
            canceller=canceller,
            departures=departures,
            partitions=partitions,
            journal=journal,
            identity=config.identity,
            status_delay=config.status_delay,
        )
    )
    intake = Intake(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        journal=journal,
        table=table,
        gatherer=gatherer,
        offers=offers,
        family=family,
        engine=engine,
        departures=departures,
        shards=config.shards,
    )
    return Control(
        table=table,
        registry=registry,
        leases=leases,
        manager=manager,
        agenda=agenda,
        expiry=expiry,
        sweeper=Sweeper(
            cluster=cluster,
            clock=clock,
            table=table,
            missing=intake.missing,
            namespaces=config.watch_namespaces,
        ),
        events=events,
        background=background,
        intake=intake,
        offers=offers,
        engine=engine,
        followed=followed,
    )


class _LeaseListener:
    """Passes changes of ownership on to those who act on them."""

    def __init__(
        self, intake: Callable[[], Intake], offers: Callable[[], Offers], expiry: Callable[[], Expiry]
    ) -> None:
        self._intake = intake
        self._offers = offers
        self._expiry = expiry

    def shard_acquired(self, shard: int, epoch: int) -> None:  # noqa: ARG002 - the listener's signature
        self._offers().publish_all()
        self._intake().shard_acquired(shard)
        self._expiry().taken_over()

    def shard_lost(self, shard: int) -> None:
        self._intake().shard_lost(shard)


class _Judge:
    """Says when finished objects expire, for those that this process answers for."""

    def __init__(self, gatherer: Gatherer, leases: ShardLeases, settings: Settings, shards: int) -> None:
        self._gatherer = gatherer
        self._leases = leases
        self._settings = settings
        self._shards = shards

    def expires(self, action: TaskAction) -> datetime | None:
        tie = self._gatherer.tie(action)
        shard = shard_for(action, self._gatherer.sharding(action), tie, shards=self._shards)
        if self._leases.tenure(shard) is None or action.status.finished_at is None:
            return None
        bound = self._gatherer.binding(action)
        offer = bound.offer if isinstance(bound, Binding) else None
        defaults = offer.provider.spec.defaults if offer is not None else None
        return action.status.finished_at + policy_for(action.spec, defaults, self._settings).ttl


def _provider_shard(key: ProviderKey, shards: int) -> int:
    kind, namespace, name = key
    return shard_of(f"{namespace}/{kind}:{name}", shards)
