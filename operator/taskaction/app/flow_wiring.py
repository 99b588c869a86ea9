"""Wiring of the part of the control layer that runs flows."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.enums import ParentKind
from taskaction.app.observer import OperatorRecorder
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, Body, Cluster
from taskaction.control.flow_runs.children import RunChildren
from taskaction.control.flow_runs.definitions import DefinitionLoader
from taskaction.control.flow_runs.effects import EffectRunner
from taskaction.control.flow_runs.events import RunEventPoster
from taskaction.control.flow_runs.files import RunFiles
from taskaction.control.flow_runs.inline import InlineCalls
from taskaction.control.flow_runs.intake import RunIntake
from taskaction.control.flow_runs.parts import RunReconcilerParts
from taskaction.control.flow_runs.persistence import RunPersistence
from taskaction.control.flow_runs.reconciler import RunReconciler
from taskaction.control.flow_runs.records import LiveRecords, RunRecord, RunTable
from taskaction.control.flow_runs.vault import PrivateDataVault
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import ObjectEditor, RetryingCall
from taskaction.control.objects.sweep import DeletionSweeper
from taskaction.control.objects.tree import OwnerTree
from taskaction.control.objects.writer import StatusWriter
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.sources import ParameterSources
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.registry import Registry
from taskaction.runtime.config import OperatorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunControl:
    """The assembled part."""

    table: RunTable
    reconciler: RunReconciler
    intake: RunIntake
    agenda: Agenda[str]
    inline: InlineCalls
    event_agenda: Agenda[str]
    expiry: ExpiryCollector[ActionFlowRun, RunRecord]
    sweeper: DeletionSweeper[RunRecord]

    def is_at_rest(self, shard: int) -> bool:
        """Whether no run of a shard has an active turn or an unwritten status; write the latter at once."""
        restless = [record for record in self.table if record.shard == shard and not self.reconciler.is_at_rest(record)]
        return not restless


def assemble_runs(
    config: OperatorConfig,
    cluster: Cluster,
    clock: Clock,
    journal: OperatorRecorder,
    luck: Callable[[], float],
    *,
    members: LiveRecords,
    tree: OwnerTree,
    family: ParentTracker,
    leases: ShardLeases,
    background: Background,
    persistently: RetryingCall,
    registry: Registry,
    evaluator: Evaluator,
    manager: ExecutionManager,
    closed_namespaces: frozenset[str],
    seen: Callable[[Body], None],
    wake: Callable[[str], None],
    events: EventPoster,
) -> FlowRunControl:
    """Return the part; nothing runs yet.

    ``seen`` is called with every action that a run creates, ``wake`` with the uid of every action whose run changed.
    """
    table = members.runs
    agenda: Agenda[str] = Agenda(clock, lambda uid: engine.on_due(uid))
    editor: ObjectEditor[RunRecord] = ObjectEditor(
        cluster, persistently, lambda record: intake.on_object_read(record), in_flight=config.writes_in_flight
    )

    files = RunFiles(config.flows_storage)

    def expires(run: ActionFlowRun) -> datetime | None:
        if leases.tenure(shard_of(run.metadata.uid, config.shards)) is None or run.status.finished_at is None:
            return None
        seconds = run.spec.ttl_seconds_after_finished
        return run.status.finished_at + (config.ttl if seconds is None else timedelta(seconds=seconds))

    def note_end(run: ActionFlowRun) -> None:
        at = expires(run)
        if at is not None:
            expiry.schedule(run, at)

    expiry: ExpiryCollector[ActionFlowRun, RunRecord] = ExpiryCollector(
        cluster=cluster,
        clock=clock,
        kind=ParentKind.ACTION_FLOW_RUN,
        editor=editor,
        background=background,
        members=members,
        tree=tree,
        judge=expires,
        recorded=_to_record,
        namespaces=config.watch_namespaces,
        deleted=files.clear,
    )
    vault = PrivateDataVault(cluster, persistently, closed_namespaces)
    children = RunChildren(
        cluster=cluster,
        persistently=persistently,
        vault=vault,
        table=members.actions,
        closed_namespaces=closed_namespaces,
        seen=seen,
        in_flight=config.writes_in_flight,
    )
    inline = InlineCalls(
        registry=registry,
        clock=clock,
        sources=lambda account: ParameterSources(cluster, account, closed_namespaces, persistently=persistently),
        manager=manager,
        may_start=lambda record: leases.may_start(record.shard),
        happened=lambda record, events: engine.on_action_events(record, events),
    )
    engine = RunReconciler(
        RunReconcilerParts(
            table=table,
            clock=clock,
            tree=tree,
            family=family,
            leases=leases,
            persistence=RunPersistence(
                vault=vault,
                files=files,
                writer=StatusWriter(
                    cluster,
                    clock,
                    luck,
                    journal,
                    lambda record: intake.on_object_read(record),
                    in_flight=config.writes_in_flight,
                ),
                clock=clock,
                luck=luck,
                background=background,
            ),
            editor=editor,
            children=children,
            effect_runner=EffectRunner(
                children=children,
                inline=inline,
                happened=lambda record, events: engine.on_action_events(record, events),
            ),
            definitions=DefinitionLoader(cluster, persistently, evaluator),
            agenda=agenda,
            background=background,
            journal=journal,
            on_status_stored=lambda record: intake.on_status_stored(record),
            on_run_finished=lambda record: intake.on_run_finished(record),
            on_run_deleted=lambda record: intake.on_run_deleted(record),
            identity=config.identity,
            status_delay=config.status_delay,
            cancel_grace=config.cancel_grace,
        )
    )
    teller = RunEventPoster(
        clock=clock, table=table, post=lambda record, tell: events.post(record.run, tell), patience=config.status_delay
    )
    intake = RunIntake(
        cluster=cluster,
        clock=clock,
        persistently=persistently,
        background=background,
        journal=journal,
        table=table,
        family=family,
        engine=engine,
        agenda=agenda,
        teller=teller,
        expires=note_end,
        deleted=files.clear,
        wake=wake,
        shards=config.shards,
    )
    return FlowRunControl(
        table=table,
        reconciler=engine,
        intake=intake,
        agenda=agenda,
        inline=inline,
        event_agenda=teller.agenda,
        expiry=expiry,
        sweeper=DeletionSweeper(
            cluster=cluster,
            clock=clock,
            resource=ACTION_FLOW_RUNS,
            table=table,
            missing=intake.on_missing,
            namespaces=config.watch_namespaces,
        ),
    )


def _to_record(run: ActionFlowRun) -> RunRecord:
    return RunRecord(run=run, status=run.status, stored=run.status, version=run.metadata.resource_version)
