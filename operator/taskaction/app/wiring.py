"""Wiring of the control layer over any cluster and clock; the operator and the tests use the same.

Each part gets what was built before it. What a part wants from a later one, it requests by key
(``control.objects.requests``).
"""

from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import Any

from taskaction.app.action_wiring import ActionControl, build_actions
from taskaction.app.control_plane import ControlPlane
from taskaction.app.flow_wiring import FlowRunControl, build_catalogue, build_runs
from taskaction.app.foundation import Foundation, build_foundation
from taskaction.app.listeners import OwnershipListener
from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.app.provider_wiring import ProviderControl, build_providers
from taskaction.app.schedule_wiring import ScheduleControl, build_schedules
from taskaction.cluster.gateway import (
    ACTION_EVENTS,
    ACTION_FLOW_RUNS,
    ACTION_FLOWS,
    ACTION_SCHEDULES,
    TASK_ACTIONS,
    Cluster,
)
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.objects.gap_sweeps import GapSweeps
from taskaction.control.objects.storage_marks import StorageMarks
from taskaction.control.objects.storage_sweep import StorageSweeper
from taskaction.control.providers.offers import RESOURCES
from taskaction.control.sharding.lease_settings import LeaseSettings
from taskaction.control.sharding.leases import ShardLeases
from taskaction.core.clock import Clock
from taskaction.plugin.registry import Plugin
from taskaction.runtime.config import OperatorConfig


def assemble(
    config: OperatorConfig,
    cluster: Cluster,
    clock: Clock,
    journal: OperatorRecorder,
    metrics: OperatorMetrics,
    jitter: Callable[[], float],
    plugins: Iterable[Plugin] = (),
) -> ControlPlane:
    """Return the control layer; nothing runs yet.

    ``plugins`` are executors in addition to the installed ones; ``jitter`` returns random numbers in [0, 1).
    """
    base = build_foundation(config, cluster, clock, journal, metrics, jitter)
    providers = build_providers(base, plugins)
    actions = build_actions(base, providers)
    flows = build_catalogue(base, providers)
    runs = build_runs(base, providers, actions)
    schedules = build_schedules(base)
    listener = OwnershipListener(
        journal=journal, providers=providers, actions=actions, flows=flows, runs=runs, schedules=schedules
    )
    return ControlPlane(
        base=base,
        leases=_build_leases(base, listener),
        providers=providers,
        actions=actions,
        flows=flows,
        runs=runs,
        schedules=schedules,
        storage_sweeper=_build_storage_sweeper(base),
        gap_sweeps=_build_gap_sweeps(base, providers, actions, flows, runs, schedules),
    )


def _build_gap_sweeps(
    base: Foundation,
    providers: ProviderControl,
    actions: ActionControl,
    flows: FlowCatalogue,
    runs: FlowRunControl,
    schedules: ScheduleControl,
) -> GapSweeps:
    sweeps: dict[str, Callable[[], Coroutine[Any, Any, object]]] = {
        TASK_ACTIONS.plural: actions.sweeper.sweep,
        ACTION_FLOW_RUNS.plural: runs.sweeper.sweep,
        ACTION_EVENTS.plural: actions.dispatcher.sweep,
        ACTION_FLOWS.plural: flows.sweep,
        ACTION_SCHEDULES.plural: schedules.intake.sweep,
        **{resource.plural: partial(providers.intake.sweep, kind) for kind, resource in RESOURCES.items()},
    }
    return GapSweeps(
        clock=base.clock, jitter=base.jitter, background=base.background, recorder=base.journal, sweeps=sweeps
    )


def _build_storage_sweeper(base: Foundation) -> StorageSweeper:
    return StorageSweeper(
        cluster=base.cluster,
        clock=base.clock,
        storage=base.storage,
        marks=StorageMarks(base.cluster, base.storage, base.config.namespace),
        members=base.members,
        tenures=base.tenures,
        recorder=base.journal,
        namespaces=base.config.watch_namespaces,
    )


def _build_leases(base: Foundation, listener: OwnershipListener) -> ShardLeases:
    config = base.config
    settings = LeaseSettings(
        namespace=config.namespace,
        identity=config.identity,
        shards=config.shards,
        duration=config.lease_duration.total_seconds(),
        renew_deadline=config.lease_renew_deadline.total_seconds(),
        retry=config.lease_retry.total_seconds(),
        patience=config.drain_timeout.total_seconds(),
    )
    return ShardLeases(base.cluster, base.clock, settings, base.tenures, listener)
