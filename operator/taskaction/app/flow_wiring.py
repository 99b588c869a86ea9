"""Builds the part of the control layer that runs flows, beside the one that runs actions."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.enums import ParentKind
from taskaction.app.observer import OperatorJournal
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, Body, Cluster
from taskaction.control.flow_runs.children import Children
from taskaction.control.flow_runs.definitions import Definitions
from taskaction.control.flow_runs.effects import Carrying
from taskaction.control.flow_runs.events import RunTeller
from taskaction.control.flow_runs.files import RunFiles
from taskaction.control.flow_runs.inline import InlineCalls
from taskaction.control.flow_runs.intake import RunIntake
from taskaction.control.flow_runs.parts import RunParts
from taskaction.control.flow_runs.persistence import Keeping
from taskaction.control.flow_runs.reconciler import RunEngine
from taskaction.control.flow_runs.records import LiveMembers, RunRecord, RunTable
from taskaction.control.flow_runs.vault import Vault
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import Expiry
from taskaction.control.objects.family import Family
from taskaction.control.objects.objects import ObjectEditor, Persistently
from taskaction.control.objects.sweep import Sweeper
from taskaction.control.objects.tree import Tree
from taskaction.control.objects.writer import StatusWriter
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.sources import Sources
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.plugin.registry import Registry
from taskaction.runtime.config import OperatorConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Runs:
    """The assembled part."""

    table: RunTable
    engine: RunEngine
    intake: RunIntake
    agenda: Agenda[str]
    inline: InlineCalls
    telling: Agenda[str]
    expiry: Expiry[ActionFlowRun, RunRecord]
    sweeper: Sweeper[RunRecord]

    def is_over(self, shard: int) -> bool:
        """Say whether nothing of the runs of a shard is under way or unwritten; what is unwritten is written."""
        restless = [record for record in self.table if record.shard == shard and not self.engine.is_at_rest(record)]
        return not restless


def assemble_runs(
    config: OperatorConfig,
    cluster: Cluster,
    clock: Clock,
    journal: OperatorJournal,
    luck: Callable[[], float],
    *,
    members: LiveMembers,
    tree: Tree,
    family: Family,
    leases: ShardLeases,
    background: Background,
    persistently: Persistently,
    registry: Registry,
    manager: ExecutionManager,
    closed_namespaces: frozenset[str],
    seen: Callable[[Body], None],
    wake: Callable[[str], None],
    events: EventPoster,
) -> Runs:
    """Give the part; nothing runs yet.

    ``seen`` is told of every action that a run makes, ``wake`` of every action whose own run has changed.
    """
    table = members.runs
    agenda: Agenda[str] = Agenda(clock, lambda uid: engine.due(uid))
    editor: ObjectEditor[RunRecord] = ObjectEditor(
        cluster, persistently, lambda record: intake.learned(record), in_flight=config.writes_in_flight
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
            expiry.note(run, at)

    expiry: Expiry[ActionFlowRun, RunRecord] = Expiry(
        cluster=cluster,
        clock=clock,
        kind=ParentKind.ACTION_FLOW_RUN,
        editor=editor,
        background=background,
        members=members,
        tree=tree,
        judge=expires,
        recorded=_recorded,
        namespaces=config.watch_namespaces,
        deleted=files.clear,
    )
    vault = Vault(cluster, persistently, closed_namespaces)
    children = Children(
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
        sources=lambda account: Sources(cluster, account, closed_namespaces, persistently=persistently),
        manager=manager,
        may_start=lambda record: leases.may_start(record.shard),
        happened=lambda record, events: engine.happened(record, events),
    )
    engine = RunEngine(
        RunParts(
            table=table,
            clock=clock,
            tree=tree,
            family=family,
            leases=leases,
            keeping=Keeping(
                vault=vault,
                files=files,
                writer=StatusWriter(
                    cluster,
                    clock,
                    luck,
                    journal,
                    lambda record: intake.learned(record),
                    in_flight=config.writes_in_flight,
                ),
                clock=clock,
                luck=luck,
                background=background,
            ),
            editor=editor,
            children=children,
            carrying=Carrying(
                children=children,
                inline=inline,
                happened=lambda record, events: engine.happened(record, events),
            ),
            definitions=Definitions(cluster, persistently),
            agenda=agenda,
            background=background,
            journal=journal,
            stored=lambda record: intake.stored(record),
            ended=lambda record: intake.ended(record),
            vanished=lambda record: intake.vanished(record),
            identity=config.identity,
            status_delay=config.status_delay,
            cancel_grace=config.cancel_grace,
        )
    )
    teller = RunTeller(
        clock=clock, table=table, post=lambda record, tell: events.tell(record.run, tell), patience=config.status_delay
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
    return Runs(
        table=table,
        engine=engine,
        intake=intake,
        agenda=agenda,
        inline=inline,
        telling=teller.agenda,
        expiry=expiry,
        sweeper=Sweeper(
            cluster=cluster,
            clock=clock,
            resource=ACTION_FLOW_RUNS,
            table=table,
            missing=intake.missing,
            namespaces=config.watch_namespaces,
        ),
    )


def _recorded(run: ActionFlowRun) -> RunRecord:
    return RunRecord(run=run, status=run.status, stored=run.status, version=run.metadata.resource_version)
