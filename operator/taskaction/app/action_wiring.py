"""Wiring of the part of the control layer that reconciles actions."""

from dataclasses import dataclass

from taskaction.api.enums import ParentKind
from taskaction.api.provider import Provider
from taskaction.api.task_action import TaskAction
from taskaction.app.foundation import Foundation
from taskaction.app.provider_wiring import ProviderControl
from taskaction.cluster.gateway import TASK_ACTIONS
from taskaction.control.events.contents import ContentReader
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.events.target_lookup import TargetLookup
from taskaction.control.events.unmatched import UnmatchedEvents
from taskaction.control.flow_runs.child_events import ChildEvents
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.sweep import DeletionSweeper
from taskaction.control.providers.providers import Offer
from taskaction.control.task_actions.calls import CallSettings, ExecutorCaller
from taskaction.control.task_actions.cancelling import Canceller
from taskaction.control.task_actions.expiry import ActionExpiry
from taskaction.control.task_actions.handover import ShardHandover
from taskaction.control.task_actions.intake import ActionIntake
from taskaction.control.task_actions.lease_waits import LeaseWaits
from taskaction.control.task_actions.observe import ActionObserver
from taskaction.control.task_actions.overlaps import OverlapTable
from taskaction.control.task_actions.owners import ActionOwners
from taskaction.control.task_actions.partitions import PartitionLookup
from taskaction.control.task_actions.placing import ActionPlacer
from taskaction.control.task_actions.queueing import Queueing
from taskaction.control.task_actions.reconciler import Reconciler
from taskaction.control.task_actions.relevance import ActionRelevance
from taskaction.control.task_actions.results import ResultKeeper
from taskaction.control.task_actions.scope_keeper import ScopeKeeper
from taskaction.control.task_actions.status_commit import StatusCommitter
from taskaction.control.task_actions.target_release import TargetReleaser
from taskaction.control.task_actions.teardown import Teardown
from taskaction.control.task_actions.timers import ActionTimers
from taskaction.control.task_actions.turns import ActionTurns
from taskaction.control.task_actions.validation import ParameterInspector
from taskaction.lifecycle.policy import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionControl:
    """The assembled part."""

    timers: ActionTimers
    expiry: ExpiryCollector[TaskAction, ActionRecord]
    sweeper: DeletionSweeper[ActionRecord]
    dispatcher: EventDispatcher
    reconciler: Reconciler
    turns: ActionTurns
    handover: ShardHandover
    intake: ActionIntake
    relevance: ActionRelevance
    scope: ScopeKeeper
    waits: LeaseWaits


@dataclass(frozen=True, slots=True, kw_only=True)
class _Observation:
    """What is known about actions, before anything is done with them."""

    overlaps: OverlapTable
    observer: ActionObserver
    owners: ActionOwners
    partitions: PartitionLookup
    queueing: Queueing
    placer: ActionPlacer
    timers: ActionTimers
    caller: ExecutorCaller
    dispatcher: EventDispatcher
    settings: Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class _Writing:
    """How what was decided is written, and what follows from a durable status."""

    editor: ObjectEditor[ActionRecord]
    expiry: ExpiryCollector[TaskAction, ActionRecord]
    canceller: Canceller
    teardown: Teardown
    committer: StatusCommitter
    child_events: ChildEvents


def build_actions(base: Foundation, providers: ProviderControl) -> ActionControl:
    """Return the part; nothing runs yet."""
    seen = _build_observation(base, providers)
    writing = _build_writing(base, providers, seen)
    table = base.members.actions
    waits = LeaseWaits(tenures=base.tenures, table=table, requests=base.requests)
    reconciler = Reconciler(
        table=table,
        clock=base.clock,
        observer=seen.observer,
        owners=seen.owners,
        placer=seen.placer,
        offers=providers.intake,
        waits=waits,
        editor=writing.editor,
        timers=seen.timers,
        background=base.background,
        canceller=writing.canceller,
        teardown=writing.teardown,
        queueing=seen.queueing,
        committer=writing.committer,
        dispatcher=seen.dispatcher,
        requests=base.requests,
    )
    turns = ActionTurns(
        table=table,
        clock=base.clock,
        observer=seen.observer,
        owners=seen.owners,
        tenures=base.tenures,
        waits=waits,
        manager=providers.manager,
        caller=seen.caller,
        editor=writing.editor,
        timers=seen.timers,
        teardown=writing.teardown,
        committer=writing.committer,
        dispatcher=seen.dispatcher,
        contents=ContentReader(base.cluster, base.contents, seen.dispatcher, base.events),
        reconciler=reconciler,
        results=ResultKeeper(
            store=base.outputs,
            clock=base.clock,
            jitter=base.jitter,
            observer=seen.observer,
            owners=seen.owners,
            timers=seen.timers,
            journal=base.journal,
        ),
        background=base.background,
        journal=base.journal,
    )
    relevance = ActionRelevance(
        scope=base.scope,
        tenures=base.tenures,
        table=table,
        tree=base.tree,
        providers=providers.providers,
        registry=providers.registry,
    )
    intake = _build_intake(base, providers, seen, writing, relevance)
    return ActionControl(
        timers=seen.timers,
        expiry=writing.expiry,
        sweeper=DeletionSweeper(
            cluster=base.cluster,
            clock=base.clock,
            resource=TASK_ACTIONS,
            table=table,
            missing=intake.on_missing,
            namespaces=base.config.watch_namespaces,
        ),
        dispatcher=seen.dispatcher,
        reconciler=reconciler,
        turns=turns,
        handover=ShardHandover(
            clock=base.clock,
            table=table,
            reconciler=reconciler,
            teardown=writing.teardown,
        ),
        intake=intake,
        relevance=relevance,
        scope=ScopeKeeper(
            clock=base.clock,
            background=base.background,
            scope=base.scope,
            tenures=base.tenures,
            relevance=relevance,
            intake=intake,
        ),
        waits=waits,
    )


def _build_intake(
    base: Foundation, providers: ProviderControl, seen: _Observation, writing: _Writing, relevance: ActionRelevance
) -> ActionIntake:
    return ActionIntake(
        cluster=base.cluster,
        clock=base.clock,
        persistently=base.persistently,
        background=base.background,
        journal=base.journal,
        table=base.members.actions,
        family=base.family,
        placer=seen.placer,
        queueing=seen.queueing,
        manager=providers.manager,
        tenures=base.tenures,
        teardown=writing.teardown,
        dispatcher=seen.dispatcher,
        editor=writing.editor,
        requests=base.requests,
        relevance=relevance,
        listener=writing.child_events,
        namespaces=base.config.watch_namespaces,
    )


def _build_observation(base: Foundation, providers: ProviderControl) -> _Observation:
    config = base.config
    settings = Settings(
        ttl=config.ttl,
        status_delay=config.status_delay,
        interrupt_grace=config.interrupt_grace,
        cancel_grace=config.cancel_grace,
    )
    overlaps = OverlapTable(base.members.actions)
    inspector = ParameterInspector(
        cluster=base.cluster,
        persistently=base.persistently,
        evaluator=base.evaluator,
        background=base.background,
        requests=base.requests,
        max_bytes=config.max_parameters_bytes,
    )
    observer = ActionObserver(
        tree=base.tree,
        overlaps=overlaps,
        providers=providers.providers,
        registry=providers.registry,
        inspector=inspector,
        settings=settings,
        manager=providers.manager,
        jitter=base.jitter,
    )
    timers = ActionTimers(base.clock, config.status_delay)
    owners = ActionOwners(base.tenures, config.identity)
    caller = ExecutorCaller(
        base.cluster,
        base.clock,
        base.jitter,
        base.persistently,
        CallSettings(
            closed_namespaces=base.closed_namespaces,
            call_timeout=config.call_timeout.total_seconds(),
            quota_patience=config.rate_check_timeout.total_seconds(),
        ),
        timers,
        base.evaluator,
        inspector,
        base.outputs,
    )
    partitions = PartitionLookup(
        background=base.background,
        observer=observer,
        owners=owners,
        caller=caller,
        manager=providers.manager,
        requests=base.requests,
    )
    queueing = Queueing(
        clock=base.clock,
        observer=observer,
        tenures=base.tenures,
        partitions=partitions,
        quotas=providers.quotas,
        manager=providers.manager,
    )
    return _Observation(
        overlaps=overlaps,
        observer=observer,
        owners=owners,
        partitions=partitions,
        queueing=queueing,
        placer=ActionPlacer(
            observer=observer,
            offers=providers.intake,
            family=base.family,
            overlaps=overlaps,
            queueing=queueing,
            requests=base.requests,
            shards=config.shards,
        ),
        timers=timers,
        caller=caller,
        dispatcher=_build_dispatcher(base, providers, observer),
        settings=settings,
    )


def _build_dispatcher(base: Foundation, providers: ProviderControl, observer: ActionObserver) -> EventDispatcher:
    config = base.config
    return EventDispatcher(
        cluster=base.cluster,
        clock=base.clock,
        persistently=base.persistently,
        background=base.background,
        table=base.members.actions,
        subject=observer.event_subject,
        tenures=base.tenures,
        requests=base.requests,
        post=base.events.post,
        contents=base.contents,
        unmatched=UnmatchedEvents(
            base.clock, lambda key: _provider_of(providers.providers.get(key)), base.events, base.journal
        ),
        lookup=TargetLookup(
            cluster=base.cluster,
            persistently=base.persistently,
            background=base.background,
            scope=base.scope,
            shared=config.namespace,
            namespaces=config.watch_namespaces,
        ),
        shared=config.namespace,
        namespaces=config.watch_namespaces,
    )


def _build_writing(base: Foundation, providers: ProviderControl, seen: _Observation) -> _Writing:
    editor: ObjectEditor[ActionRecord] = ObjectEditor(base.cluster, base.persistently, base.requests, base.slots)
    expiry: ExpiryCollector[TaskAction, ActionRecord] = ExpiryCollector(
        cluster=base.cluster,
        clock=base.clock,
        kind=ParentKind.TASK_ACTION,
        editor=editor,
        background=base.background,
        members=base.members,
        tree=base.tree,
        expires_at=ActionExpiry(seen.observer, base.tenures, seen.settings).expires_at,
        to_record=ActionRecord.from_action,
        history=base.history,
        namespaces=base.config.watch_namespaces,
        files=base.outputs,
        is_recorded=base.schedules.has_recorded,
    )
    canceller = Canceller(
        clock=base.clock,
        observer=seen.observer,
        owners=seen.owners,
        caller=seen.caller,
        background=base.background,
        journal=base.journal,
    )
    child_events = ChildEvents(base.members.runs, base.requests)
    teardown = Teardown(
        clock=base.clock,
        table=base.members.actions,
        family=base.family,
        manager=providers.manager,
        timers=seen.timers,
        followed=providers.followed,
        overlaps=seen.overlaps,
        partitions=seen.partitions,
        dispatcher=seen.dispatcher,
        canceller=canceller,
        background=base.background,
        outputs=base.outputs,
        history=base.history,
        listener=child_events,
    )
    committer = StatusCommitter(
        table=base.members.actions,
        clock=base.clock,
        writer=base.build_status_writer(),
        editor=editor,
        dispatcher=seen.dispatcher,
        teardown=teardown,
        releaser=TargetReleaser(
            background=base.background,
            observer=seen.observer,
            owners=seen.owners,
            caller=seen.caller,
            journal=base.journal,
        ),
        expiry=expiry,
        history=base.history,
        events=base.events,
        journal=base.journal,
        requests=base.requests,
        listener=child_events,
    )
    return _Writing(
        editor=editor,
        expiry=expiry,
        canceller=canceller,
        teardown=teardown,
        committer=committer,
        child_events=child_events,
    )


def _provider_of(offer: Offer | None) -> Provider | None:
    return offer.provider if offer is not None else None
