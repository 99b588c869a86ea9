"""Wiring of executors, providers and their limits."""

from collections.abc import Iterable
from dataclasses import dataclass

from taskaction.api.enums import ProviderKind
from taskaction.app.foundation import Foundation
from taskaction.control.providers.execution_events import ExecutionEvents
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.providers.providers import ProviderTable
from taskaction.control.providers.quotas import ProviderQuotas
from taskaction.control.task_actions.followed import ChildObjectCache
from taskaction.execution.manager import ExecutionManager
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.evaluation import CallEvaluator
from taskaction.plugin.registry import Plugin, Registry
from taskaction.plugin.toolbox import Toolbox


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderControl:
    """The assembled part."""

    followed: ChildObjectCache
    registry: Registry
    providers: ProviderTable
    intake: ProviderIntake
    manager: ExecutionManager
    quotas: ProviderQuotas


def build_providers(base: Foundation, plugins: Iterable[Plugin]) -> ProviderControl:
    """Return the part; ``plugins`` are executors in addition to the installed ones."""
    config = base.config
    followed = ChildObjectCache(base.members.actions, base.tenures, base.requests)
    toolbox = Toolbox(
        clock=base.clock,
        cluster=base.cluster,
        addresses=AddressPolicy(config.http_allowed_cidrs),
        jitter=base.jitter,
        followed=followed,
        closed_namespaces=base.closed_namespaces,
        callbacks=config.callbacks(),
        settings=config.executor_settings,
        evaluator=CallEvaluator(base.evaluator),
        storage=base.storage,
    )
    registry = Registry.load(toolbox)
    for plugin in plugins:
        registry.register(plugin.build(toolbox))
    kinds = tuple(ProviderKind) if config.cluster_providers else (ProviderKind.ACTION_PROVIDER,)
    providers = ProviderTable(registry, kinds)
    intake = ProviderIntake(
        cluster=base.cluster,
        clock=base.clock,
        persistently=base.persistently,
        background=base.background,
        journal=base.journal,
        providers=providers,
        evaluator=base.evaluator,
        tenures=base.tenures,
        requests=base.requests,
        namespaces=config.watch_namespaces,
    )
    execution_events = ExecutionEvents(base.journal, base.requests)
    manager = ExecutionManager(
        workers_count=config.workers_count,
        observer=execution_events,
        clock=base.clock,
        jitter=base.jitter,
        shares=config.shares(),
        runs_buffer_high_watermark=config.runs_buffer_high_watermark,
        max_runs_buffer_util_pct_per_action=config.max_runs_buffer_util_pct_per_action,
    )
    quotas = ProviderQuotas(
        clock=base.clock,
        background=base.background,
        providers=providers,
        offers=intake,
        manager=manager,
        events=execution_events,
        recorder=base.journal,
        table=base.members.actions,
        tenures=base.tenures,
        requests=base.requests,
    )
    return ProviderControl(
        followed=followed, registry=registry, providers=providers, intake=intake, manager=manager, quotas=quotas
    )
