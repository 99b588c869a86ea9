"""What all parts of the control layer share: the cluster, the clock, tables, requests and ownership."""

from collections.abc import Callable
from dataclasses import dataclass

from taskaction.app.history_wiring import build_history
from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.cluster.concurrency import ConcurrencyLimit
from taskaction.cluster.gateway import Cluster
from taskaction.cluster.retry import Retrier
from taskaction.cluster.write_slots import WriteSlots
from taskaction.control.flow_runs.tables import LiveRecords, RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.history import History
from taskaction.control.objects.outputs import OutputStore
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.tree import OwnerTree
from taskaction.control.objects.writer import R, StatusWriter
from taskaction.control.schedules.records import ScheduleTable
from taskaction.control.sharding.scope import WatchScope
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.event_content import EventContents
from taskaction.plugin.storage import ProjectStorage
from taskaction.runtime.config import OperatorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Foundation:
    """Parts that know no other part of the control layer, and what they were built from.

    Attributes:
        jitter: returns random numbers in [0, 1).
        closed_namespaces: namespaces whose ServiceAccounts and Secrets are never used.
        persistently: repeats a call until it succeeds or fails permanently.
    """

    config: OperatorConfig
    cluster: Cluster
    clock: Clock
    journal: OperatorRecorder
    jitter: Callable[[], float]
    closed_namespaces: frozenset[str]
    background: Background
    persistently: Retrier
    slots: WriteSlots
    requests: Requests
    tenures: ShardTenures
    scope: WatchScope
    members: LiveRecords
    schedules: ScheduleTable
    tree: OwnerTree
    family: ParentTracker
    events: EventPoster
    storage: ProjectStorage
    contents: EventContents
    evaluator: Evaluator
    outputs: OutputStore
    history: History

    def build_status_writer(self) -> StatusWriter[R]:
        """Return a writer of the statuses of one kind."""
        return StatusWriter(
            self.cluster,
            self.clock,
            self.jitter,
            self.journal,
            self.requests,
            self.events,
            self.slots,
            self.family.on_refused,
        )


def build_foundation(
    config: OperatorConfig,
    cluster: Cluster,
    clock: Clock,
    journal: OperatorRecorder,
    metrics: OperatorMetrics,
    jitter: Callable[[], float],
) -> Foundation:
    """Return the foundation of one replica."""
    background = Background(journal.on_task_failed)
    persistently = Retrier(clock, jitter, journal.on_call_retried)
    requests = Requests(journal.on_task_failed)
    renew_deadline = config.lease_renew_deadline.total_seconds()
    tenures = ShardTenures(clock, shards=config.shards, renew_deadline=renew_deadline)
    storage = ProjectStorage(config.storage)
    members, tree = LiveRecords(ActionTable(), RunTable()), OwnerTree()
    return Foundation(
        config=config,
        cluster=cluster,
        clock=clock,
        journal=journal,
        jitter=jitter,
        closed_namespaces=frozenset({"kube-system", config.namespace}),
        background=background,
        persistently=persistently,
        slots=WriteSlots(
            clock,
            ConcurrencyLimit(config.writes_in_flight),
            lambda namespace: config.namespace_weights.get(namespace, 1),
        ),
        requests=requests,
        tenures=tenures,
        scope=WatchScope(),
        members=members,
        schedules=ScheduleTable(),
        tree=tree,
        family=ParentTracker(
            cluster=cluster,
            persistently=persistently,
            background=background,
            members=members,
            tree=tree,
            requests=requests,
            tenures=tenures,
        ),
        events=EventPoster(cluster, clock, metrics.events_dropped.inc),
        storage=storage,
        contents=EventContents(storage),
        evaluator=Evaluator(),
        outputs=OutputStore(storage, max_bytes=config.max_output_bytes),
        history=build_history(config, cluster, clock, journal, jitter, background, persistently, tenures),
    )
