"""Builds the control layer over any cluster and clock: the operator and the tests put it together in the same way."""

from collections.abc import Callable, Iterable

from taskaction.api.enums import ParentKind, ProviderKind
from taskaction.api.task_action import TaskAction
from taskaction.app.control_plane import Control
from taskaction.app.flow_wiring import assemble_runs
from taskaction.app.listeners import ExpiryJudge, ManagerObserver, OwnershipListener, offer_changed
from taskaction.app.observer import OperatorJournal
from taskaction.cluster.gateway import TASK_ACTIONS, Cluster
from taskaction.cluster.retry import Persistence
from taskaction.control.events.dispatcher import Deliveries
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.flow_runs.inputs import OfferedInputs
from taskaction.control.flow_runs.records import LiveMembers, RunRecord, RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import Expiry
from taskaction.control.objects.family import Family
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import Record, Table
from taskaction.control.objects.sweep import Sweeper
from taskaction.control.objects.tree import Tree
from taskaction.control.objects.writer import StatusWriter
from taskaction.control.providers.offers import Offers
from taskaction.control.providers.providers import ProviderKey, Providers
from taskaction.control.providers.quotas import Quotas
from taskaction.control.sharding.leases import LeaseSettings, ShardLeases
from taskaction.control.task_actions.calls import Caller, CallSettings
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.followed import FollowedObjects
from taskaction.control.task_actions.handover import Handover
from taskaction.control.task_actions.intake import Intake
from taskaction.control.task_actions.observe import Gatherer
from taskaction.control.task_actions.overlaps import Overlaps
from taskaction.control.task_actions.partitions import Partitions
from taskaction.control.task_actions.queueing import Line
from taskaction.control.task_actions.reconciler import Engine, Parts
from taskaction.control.task_actions.status_commit import Landing
from taskaction.control.task_actions.target_release import Releaser
from taskaction.control.task_actions.teardown import Departures
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.placement import provider_source
from taskaction.lifecycle.policy import Settings
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.registry import Plugin, Registry
from taskaction.plugin.toolbox import Toolbox
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.metrics import Metrics


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
    members = LiveMembers(table, RunTable())
    followed = FollowedObjects(table, lambda shard: leases.tenure(shard) is not None, lambda uid: engine.wake(uid))
    toolbox = Toolbox(
        clock=clock,
        cluster=cluster,
        addresses=AddressPolicy(config.http_allowed_cidrs),
        luck=luck,
        followed=followed,
        closed_namespaces=closed,
        callbacks=config.callbacks(),
        flyte=config.flyte,
    )
    registry = Registry.load(toolbox)
    for plugin in plugins:
        registry.register(plugin.build(toolbox))
    background = Background(journal.failed)
    persistently = Persistence(clock, luck, journal.call_retried)
    looked_at = tuple(ProviderKind) if config.cluster_providers else (ProviderKind.ACTION_PROVIDER,)
    tree, overlaps, providers = Tree(), Overlaps(table), Providers(registry, looked_at)
    gatherer = Gatherer(
        tree=tree, overlaps=overlaps, providers=providers, registry=registry, settings=settings, luck=luck
    )
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
            patience=config.drain_timeout.total_seconds(),
        ),
        OwnershipListener(
            lambda: intake,
            lambda: offers,
            lambda: quotas,
            lambda: expiry,
            lambda: handover,
            lambda: flows,
            lambda: runs,
        ),
    )
    manager = ExecutionManager(
        lambda uid: runs.inline.process(uid) if runs.inline.knows(uid) else engine.process(uid),
        workers_count=config.workers_count,
        observer=ManagerObserver(journal, lambda: line, lambda: quotas),
        clock=clock,
        luck=luck,
        runs_buffer_high_watermark=config.runs_buffer_high_watermark,
        max_runs_buffer_util_pct_per_action=config.max_runs_buffer_util_pct_per_action,
    )

    def look(record: OwnedRecord) -> None:
        if isinstance(record, Record):
            engine.look(record)
        elif isinstance(record, RunRecord):
            runs.engine.look(record)

    def follows(uid: str) -> bool:
        run = members.runs.get(uid)
        return run is not None and owns(run.shard)

    family = Family(
        cluster=cluster,
        persistently=persistently,
        background=background,
        members=members,
        tree=tree,
        changed=look,
        follows=follows,
    )

    def shard_of_provider(key: ProviderKey) -> int:
        return shard_of(provider_source(*key).key, config.shards)

    def owns(shard: int) -> bool:
        return leases.tenure(shard) is not None

    offers = Offers(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        journal=journal,
        providers=providers,
        owns=lambda key: owns(shard_of_provider(key)),
        changed=lambda key: offer_changed(key, quotas, intake, flows),
    )
    quotas = Quotas(
        clock=clock,
        background=background,
        providers=providers,
        offers=offers,
        manager=manager,
        shard_of=shard_of_provider,
        owns=owns,
        limited=lambda uid, until: line.limited(uid, until),
    )
    flows = FlowCatalogue(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        journal=journal,
        inputs=OfferedInputs(registry, providers),
        sought=offers.seek,
        owns=owns,
        changed=lambda namespace, name: runs.intake.flow_changed(namespace, name),
        shards=config.shards,
    )
    editor: ObjectEditor[Record] = ObjectEditor(
        cluster, persistently, lambda record: intake.learned(record), in_flight=config.writes_in_flight
    )
    expiry: Expiry[TaskAction, Record] = Expiry(
        cluster=cluster,
        clock=clock,
        kind=ParentKind.TASK_ACTION,
        editor=editor,
        background=background,
        members=members,
        tree=tree,
        judge=ExpiryJudge(gatherer, leases, settings, config.shards).expires,
        recorded=_recorded,
        namespaces=config.watch_namespaces,
    )
    events = EventPoster(cluster, clock, metrics.events_dropped.inc)
    agenda: Agenda[str] = Agenda(clock, lambda uid: engine.due(uid))
    caller = Caller(
        cluster,
        clock,
        luck,
        persistently,
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
        found=lambda record: line.partitioned(record),
        failed=lambda record, failure: engine.unpartitioned(record, failure),
    )
    deliveries = Deliveries(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        table=table,
        subject=gatherer.subject,
        owns=owns,
        answers_for=lambda uid: owns(shard_of(uid, config.shards)),
        changed=lambda uid: engine.wake(uid),
        shared=config.namespace,
        namespaces=config.watch_namespaces,
    )
    departures = Departures(
        clock=clock,
        table=table,
        family=family,
        manager=manager,
        agenda=agenda,
        followed=followed,
        overlaps=overlaps,
        deliveries=deliveries,
        canceller=canceller,
        left=lambda record: runs.intake.child_changed(record),
    )
    line = Line(
        table=table,
        clock=clock,
        agenda=agenda,
        gatherer=gatherer,
        overlaps=overlaps,
        partitions=partitions,
        quotas=quotas,
        manager=manager,
        look=lambda record: engine.look(record),
    )
    landing = Landing(
        table=table,
        clock=clock,
        writer=StatusWriter(
            cluster,
            clock,
            luck,
            journal,
            lambda record: intake.learned(record),
            in_flight=config.writes_in_flight,
        ),
        editor=editor,
        deliveries=deliveries,
        departures=departures,
        releaser=Releaser(
            background=background, gatherer=gatherer, caller=caller, journal=journal, identity=config.identity
        ),
        expiry=expiry,
        events=events,
        journal=journal,
        look=lambda record: engine.look(record),
        changed=lambda record: runs.intake.child_changed(record),
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
            editor=editor,
            agenda=agenda,
            background=background,
            canceller=canceller,
            departures=departures,
            line=line,
            landing=landing,
            deliveries=deliveries,
            journal=journal,
            identity=config.identity,
            status_delay=config.status_delay,
        )
    )
    handover = Handover(clock=clock, table=table, gatherer=gatherer, engine=engine, departures=departures)
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
        line=line,
        departures=departures,
        changed=lambda record: runs.intake.child_changed(record),
        shards=config.shards,
    )
    runs = assemble_runs(
        config,
        cluster,
        clock,
        journal,
        luck,
        members=members,
        tree=tree,
        family=family,
        leases=leases,
        background=background,
        persistently=persistently,
        registry=registry,
        manager=manager,
        closed_namespaces=closed,
        seen=lambda body: intake.notice("ADDED", body),
        wake=lambda uid: engine.wake(uid),
        events=events,
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
            resource=TASK_ACTIONS,
            table=table,
            missing=intake.missing,
            namespaces=config.watch_namespaces,
        ),
        events=events,
        background=background,
        intake=intake,
        offers=offers,
        quotas=quotas,
        engine=engine,
        followed=followed,
        deliveries=deliveries,
        handover=handover,
        flows=flows,
        runs=runs,
    )


def _recorded(action: TaskAction) -> Record:
    return Record(
        action=action,
        status=action.status,
        stored=action.status,
        version=action.metadata.resource_version,
        first_version=0,
    )
