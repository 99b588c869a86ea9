"""Wiring of the control layer over any cluster and clock; the operator and the tests use the same."""

from collections.abc import Callable, Iterable

from taskaction.api.enums import ParentKind, ProviderKind
from taskaction.api.task_action import TaskAction
from taskaction.app.control_plane import ControlPlane
from taskaction.app.flow_wiring import assemble_runs
from taskaction.app.listeners import ActionExpiry, ManagerObserver, OwnershipListener, on_provider_changed
from taskaction.app.observer import OperatorRecorder
from taskaction.cluster.gateway import TASK_ACTIONS, Cluster
from taskaction.cluster.retry import Retrier
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.flow_runs.inputs import ClusterInputs
from taskaction.control.flow_runs.records import LiveRecords, RunRecord, RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.owned import OwnedRecord
from taskaction.control.objects.records import ActionRecord, ActionTable
from taskaction.control.objects.sweep import DeletionSweeper
from taskaction.control.objects.tree import OwnerTree
from taskaction.control.objects.writer import StatusWriter
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.providers.providers import ProviderKey, ProviderTable
from taskaction.control.providers.quotas import ProviderQuotas
from taskaction.control.sharding.leases import LeaseSettings, ShardLeases
from taskaction.control.task_actions.calls import CallSettings, ExecutorCaller
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.followed import ChildObjectCache
from taskaction.control.task_actions.handover import ShardHandover
from taskaction.control.task_actions.intake import ActionIntake
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.overlaps import OverlapTable
from taskaction.control.task_actions.partitions import PartitionLookup
from taskaction.control.task_actions.queueing import Queueing
from taskaction.control.task_actions.reconciler import Reconciler, ReconcilerParts
from taskaction.control.task_actions.status_commit import StatusCommitter
from taskaction.control.task_actions.target_release import TargetReleaser
from taskaction.control.task_actions.teardown import Teardown
from taskaction.control.task_actions.validation import ParameterValidation
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.lifecycle.placement import provider_source
from taskaction.lifecycle.policy import Settings
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.evaluation import CallEvaluator, Evaluator
from taskaction.plugin.registry import Plugin, Registry
from taskaction.plugin.toolbox import Toolbox
from taskaction.runtime.config import OperatorConfig
from taskaction.runtime.metrics import Metrics


def assemble(
    config: OperatorConfig,
    cluster: Cluster,
    clock: Clock,
    journal: OperatorRecorder,
    metrics: Metrics,
    luck: Callable[[], float],
    plugins: Iterable[Plugin] = (),
) -> ControlPlane:
    """Return the control layer; nothing runs yet. ``plugins`` are executors in addition to the installed ones.

    Some parts call each other. A part that is used before it exists is called later, through a closure.
    """
    settings = Settings(
        ttl=config.ttl,
        status_delay=config.status_delay,
        interrupt_grace=config.interrupt_grace,
        cancel_grace=config.cancel_grace,
    )
    closed = frozenset({"kube-system", config.namespace})
    table = ActionTable()
    members = LiveRecords(table, RunTable())
    followed = ChildObjectCache(table, lambda shard: leases.tenure(shard) is not None, lambda uid: engine.poll_now(uid))
    evaluator = Evaluator()
    toolbox = Toolbox(
        clock=clock,
        cluster=cluster,
        addresses=AddressPolicy(config.http_allowed_cidrs),
        jitter=luck,
        followed=followed,
        closed_namespaces=closed,
        callbacks=config.callbacks(),
        settings=config.executor_settings,
        evaluator=CallEvaluator(evaluator),
    )
    registry = Registry.load(toolbox)
    for plugin in plugins:
        registry.register(plugin.build(toolbox))
    background = Background(journal.on_task_failed)
    persistently = Retrier(clock, luck, journal.on_call_retried)
    looked_at = tuple(ProviderKind) if config.cluster_providers else (ProviderKind.ACTION_PROVIDER,)
    tree, overlaps, providers = OwnerTree(), OverlapTable(table), ProviderTable(registry, looked_at)
    gatherer = ActionObserver(
        tree=tree,
        overlaps=overlaps,
        providers=providers,
        registry=registry,
        validation=ParameterValidation(evaluator, background, lambda record: engine.reconcile(record)),
        settings=settings,
        luck=luck,
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
        lambda uid: runs.inline.process(uid) if runs.inline.has_call(uid) else engine.process(uid),
        workers_count=config.workers_count,
        observer=ManagerObserver(journal, lambda: line, lambda: quotas),
        clock=clock,
        luck=luck,
        runs_buffer_high_watermark=config.runs_buffer_high_watermark,
        max_runs_buffer_util_pct_per_action=config.max_runs_buffer_util_pct_per_action,
    )

    def look(record: OwnedRecord) -> None:
        if isinstance(record, ActionRecord):
            engine.reconcile(record)
        elif isinstance(record, RunRecord):
            runs.reconciler.request(record)

    def follows(uid: str) -> bool:
        run = members.runs.get(uid)
        return run is not None and owns(run.shard)

    family = ParentTracker(
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

    offers = ProviderIntake(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        journal=journal,
        providers=providers,
        evaluator=evaluator,
        owns=lambda key: owns(shard_of_provider(key)),
        changed=lambda key: on_provider_changed(key, quotas, intake, flows),
    )
    quotas = ProviderQuotas(
        clock=clock,
        background=background,
        providers=providers,
        offers=offers,
        manager=manager,
        shard_of=shard_of_provider,
        owns=owns,
        limited=lambda uid, until: line.on_rate_limited(uid, until),
    )
    flows = FlowCatalogue(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        journal=journal,
        inputs=ClusterInputs(registry, providers),
        evaluator=evaluator,
        sought=offers.look_up_pending,
        owns=owns,
        changed=lambda namespace, name: runs.intake.on_flow_changed(namespace, name),
        shards=config.shards,
    )
    editor: ObjectEditor[ActionRecord] = ObjectEditor(
        cluster, persistently, lambda record: intake.on_object_read(record), in_flight=config.writes_in_flight
    )
    expiry: ExpiryCollector[TaskAction, ActionRecord] = ExpiryCollector(
        cluster=cluster,
        clock=clock,
        kind=ParentKind.TASK_ACTION,
        editor=editor,
        background=background,
        members=members,
        tree=tree,
        judge=ActionExpiry(gatherer, leases, settings, config.shards).expires_at,
        recorded=_to_record,
        namespaces=config.watch_namespaces,
    )
    events = EventPoster(cluster, clock, metrics.events_dropped.inc)
    agenda: Agenda[str] = Agenda(clock, lambda uid: engine.on_due(uid))
    caller = ExecutorCaller(
        cluster,
        clock,
        luck,
        persistently,
        CallSettings(closed_namespaces=closed),
        lambda record: engine.on_progress_reported(record),
        evaluator,
    )
    canceller = Canceller(
        clock=clock,
        background=background,
        gatherer=gatherer,
        caller=caller,
        journal=journal,
        identity=config.identity,
        stopped=lambda record: engine.on_cancel_ended(record),
    )
    partitions = PartitionLookup(
        background=background,
        gatherer=gatherer,
        caller=caller,
        observe=lambda record: engine.observe_owned(record),
        found=lambda record: line.on_partition_known(record),
        failed=lambda record, failure: engine.on_partition_failed(record, failure),
    )
    deliveries = EventDispatcher(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        table=table,
        subject=gatherer.event_subject,
        owns=owns,
        answers_for=lambda uid: owns(shard_of(uid, config.shards)),
        changed=lambda uid: engine.poll_now(uid),
        shared=config.namespace,
        namespaces=config.watch_namespaces,
    )
    departures = Teardown(
        clock=clock,
        table=table,
        family=family,
        manager=manager,
        agenda=agenda,
        followed=followed,
        overlaps=overlaps,
        deliveries=deliveries,
        canceller=canceller,
        left=lambda record: runs.intake.on_child_changed(record),
    )
    line = Queueing(
        table=table,
        clock=clock,
        agenda=agenda,
        gatherer=gatherer,
        overlaps=overlaps,
        partitions=partitions,
        quotas=quotas,
        manager=manager,
        look=lambda record: engine.reconcile(record),
    )
    landing = StatusCommitter(
        table=table,
        clock=clock,
        writer=StatusWriter(
            cluster,
            clock,
            luck,
            journal,
            lambda record: intake.on_object_read(record),
            in_flight=config.writes_in_flight,
        ),
        editor=editor,
        deliveries=deliveries,
        departures=departures,
        releaser=TargetReleaser(
            background=background, gatherer=gatherer, caller=caller, journal=journal, identity=config.identity
        ),
        expiry=expiry,
        events=events,
        journal=journal,
        look=lambda record: engine.reconcile(record),
        changed=lambda record: runs.intake.on_child_changed(record),
    )
    engine = Reconciler(
        ReconcilerParts(
            table=table,
            clock=clock,
            observer=gatherer,
            family=family,
            offers=offers,
            leases=leases,
            manager=manager,
            caller=caller,
            editor=editor,
            agenda=agenda,
            background=background,
            canceller=canceller,
            teardown=departures,
            queueing=line,
            status_committer=landing,
            dispatcher=deliveries,
            journal=journal,
            identity=config.identity,
            status_delay=config.status_delay,
        )
    )
    handover = ShardHandover(clock=clock, table=table, gatherer=gatherer, engine=engine, departures=departures)
    intake = ActionIntake(
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
        changed=lambda record: runs.intake.on_child_changed(record),
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
        evaluator=evaluator,
        manager=manager,
        closed_namespaces=closed,
        seen=lambda body: intake.on_notification("ADDED", body),
        wake=lambda uid: engine.poll_now(uid),
        events=events,
    )
    return ControlPlane(
        table=table,
        registry=registry,
        leases=leases,
        manager=manager,
        agenda=agenda,
        expiry=expiry,
        sweeper=DeletionSweeper(
            cluster=cluster,
            clock=clock,
            resource=TASK_ACTIONS,
            table=table,
            missing=intake.on_missing,
            namespaces=config.watch_namespaces,
        ),
        events=events,
        background=background,
        intake=intake,
        offers=offers,
        quotas=quotas,
        reconciler=engine,
        followed=followed,
        dispatcher=deliveries,
        handover=handover,
        flows=flows,
        runs=runs,
    )


def _to_record(action: TaskAction) -> ActionRecord:
    return ActionRecord(
        action=action,
        status=action.status,
        stored=action.status,
        version=action.metadata.resource_version,
        first_version=0,
    )
