"""Wiring of the part of the control layer that runs flows."""

from dataclasses import dataclass
from functools import partial

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.enums import ParentKind
from taskaction.app.action_wiring import ActionControl
from taskaction.app.foundation import Foundation
from taskaction.app.provider_wiring import ProviderControl
from taskaction.cluster.gateway import ACTION_FLOW_RUNS
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.flow_runs.children import RunChildren
from taskaction.control.flow_runs.definitions import DefinitionLoader
from taskaction.control.flow_runs.effects import EffectRunner
from taskaction.control.flow_runs.events import RunEventPoster
from taskaction.control.flow_runs.expiry import RunExpiry
from taskaction.control.flow_runs.files import RunFiles
from taskaction.control.flow_runs.inline import InlineCalls
from taskaction.control.flow_runs.inputs import ClusterInputs
from taskaction.control.flow_runs.intake import RunIntake
from taskaction.control.flow_runs.limits import RunLimits
from taskaction.control.flow_runs.parts import RunReconcilerParts
from taskaction.control.flow_runs.persistence import RunPersistence
from taskaction.control.flow_runs.reconciler import RunReconciler
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.run_log import RunLog
from taskaction.control.flow_runs.steps import StepRunner
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.flow_runs.teardown import RunTeardown
from taskaction.control.flow_runs.vault import PrivateDataVault
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.sweep import DeletionSweeper
from taskaction.control.task_actions.sources import ParameterSources, ServiceAccountRef
from taskaction.execution.agenda import Agenda
from taskaction.plugin.origin import OriginGuard
from taskaction.plugin.stored_outputs import StoredOutputs


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRunControl:
    """The assembled part."""

    table: RunTable
    reconciler: RunReconciler
    intake: RunIntake
    agenda: Agenda[str]
    inline: InlineCalls
    event_poster: RunEventPoster
    expiry: ExpiryCollector[ActionFlowRun, RunRecord]
    sweeper: DeletionSweeper[RunRecord]

    def is_at_rest(self, shard: int) -> bool:
        """Whether no run of a shard has an active turn or an unwritten status; write the latter at once."""
        restless = [record for record in self.table if record.shard == shard and not self.reconciler.is_at_rest(record)]
        return not restless


def build_catalogue(base: Foundation, providers: ProviderControl) -> FlowCatalogue:
    """Return the catalogue of flows; nothing runs yet."""
    return FlowCatalogue(
        cluster=base.cluster,
        clock=base.clock,
        persistently=base.persistently,
        background=base.background,
        journal=base.journal,
        inputs=ClusterInputs(providers.registry, providers.providers),
        evaluator=base.evaluator,
        offers=providers.intake,
        tenures=base.tenures,
        runs=base.members.runs,
        requests=base.requests,
        namespaces=base.config.watch_namespaces,
    )


def build_runs(base: Foundation, providers: ProviderControl, actions: ActionControl) -> FlowRunControl:
    """Return the part; nothing runs yet."""
    config, table = base.config, base.members.runs
    agenda: Agenda[str] = Agenda(base.clock)
    files = RunFiles(base.storage)
    vault = PrivateDataVault(base.cluster, base.persistently, base.closed_namespaces)
    editor: ObjectEditor[RunRecord] = ObjectEditor(base.cluster, base.persistently, base.requests, base.slots)
    expiry_times = RunExpiry(base.tenures, config.ttl)
    expiry: ExpiryCollector[ActionFlowRun, RunRecord] = ExpiryCollector(
        cluster=base.cluster,
        clock=base.clock,
        kind=ParentKind.ACTION_FLOW_RUN,
        editor=editor,
        background=base.background,
        members=base.members,
        tree=base.tree,
        expires_at=expiry_times.expires_at,
        to_record=RunRecord.from_run,
        history=base.history,
        namespaces=config.watch_namespaces,
        files=files,
        is_recorded=base.schedules.has_recorded,
    )
    event_poster = RunEventPoster(clock=base.clock, table=table, events=base.events, patience=config.status_delay)
    teardown = RunTeardown(
        clock=base.clock,
        table=table,
        family=base.family,
        agenda=agenda,
        expiry_times=expiry_times,
        expiry=expiry,
        history=base.history,
        files=files,
        event_poster=event_poster,
        background=base.background,
        tenures=base.tenures,
        journal=base.journal,
        requests=base.requests,
    )
    inline = InlineCalls(
        registry=providers.registry,
        clock=base.clock,
        sources=partial(_sources, base),
        manager=providers.manager,
        tenures=base.tenures,
        requests=base.requests,
        outputs=base.outputs,
    )
    reconciler = _build_reconciler(base, actions, agenda, editor, teardown, inline, vault, files)
    intake = RunIntake(
        cluster=base.cluster,
        persistently=base.persistently,
        background=base.background,
        journal=base.journal,
        table=table,
        family=base.family,
        tenures=base.tenures,
        teardown=teardown,
        requests=base.requests,
    )
    return FlowRunControl(
        table=table,
        reconciler=reconciler,
        intake=intake,
        agenda=agenda,
        inline=inline,
        event_poster=event_poster,
        expiry=expiry,
        sweeper=DeletionSweeper(
            cluster=base.cluster,
            clock=base.clock,
            resource=ACTION_FLOW_RUNS,
            table=table,
            missing=intake.on_missing,
            namespaces=config.watch_namespaces,
        ),
    )


def _build_reconciler(
    base: Foundation,
    actions: ActionControl,
    agenda: Agenda[str],
    editor: ObjectEditor[RunRecord],
    teardown: RunTeardown,
    inline: InlineCalls,
    vault: PrivateDataVault,
    files: RunFiles,
) -> RunReconciler:
    config = base.config
    limits = RunLimits(
        state_bytes=files.limit,
        remedy=files.remedy,
        parameters_bytes=config.max_parameters_bytes,
        visits=config.flows_max_visits,
    )
    children = RunChildren(
        cluster=base.cluster,
        persistently=base.persistently,
        vault=vault,
        table=base.members.actions,
        closed_namespaces=base.closed_namespaces,
        max_parameters_bytes=config.max_parameters_bytes,
        guard=OriginGuard(base.cluster, base.clock),
        on_created=partial(actions.intake.on_notification, "ADDED"),
        slots=base.slots,
    )
    persistence = RunPersistence(
        vault=vault,
        files=files,
        outputs=StoredOutputs(base.storage),
        writer=base.build_status_writer(),
        clock=base.clock,
        jitter=base.jitter,
        background=base.background,
        recorder=base.journal,
    )
    return RunReconciler(
        RunReconcilerParts(
            table=base.members.runs,
            clock=base.clock,
            tree=base.tree,
            family=base.family,
            tenures=base.tenures,
            persistence=persistence,
            editor=editor,
            children=children,
            effect_runner=EffectRunner(children=children, inline=inline, requests=base.requests),
            definitions=DefinitionLoader(base.cluster, base.persistently, base.evaluator),
            steps=StepRunner(base.evaluator, base.clock, limits),
            log=RunLog(base.journal, base.clock),
            agenda=agenda,
            background=base.background,
            journal=base.journal,
            teardown=teardown,
            requests=base.requests,
            identity=config.identity,
            status_delay=config.status_delay,
            cancel_grace=config.cancel_grace,
        )
    )


def _sources(base: Foundation, account: ServiceAccountRef) -> ParameterSources:
    return ParameterSources(base.cluster, account, base.closed_namespaces, persistently=base.persistently)
