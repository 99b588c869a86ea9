"""The assembled control layer: passes notifications and requests to its parts, and names their background work.

``wiring`` builds it; nothing here decides anything.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from taskaction.api.enums import ParentKind, ProviderKind
from taskaction.app.action_wiring import ActionControl
from taskaction.app.flow_wiring import FlowRunControl
from taskaction.app.foundation import Foundation
from taskaction.app.provider_wiring import ProviderControl
from taskaction.app.schedule_wiring import ScheduleControl
from taskaction.cluster.gateway import (
    ACTION_EVENTS,
    ACTION_FLOW_RUNS,
    ACTION_FLOWS,
    ACTION_SCHEDULES,
    TASK_ACTIONS,
    Body,
)
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.objects.background import Background
from taskaction.control.objects.gap_sweeps import GapSweeps
from taskaction.control.objects.requests import ProviderKey
from taskaction.control.objects.storage_sweep import StorageSweeper
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.tree import ParentLink
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.followed import FOLLOWED
from taskaction.execution.manager import ExecutionManager
from taskaction.plugin.registry import Registry


@dataclass(slots=True, kw_only=True)
class ControlPlane:
    """The assembled control layer."""

    base: Foundation
    leases: ShardLeases
    providers: ProviderControl
    actions: ActionControl
    flows: FlowCatalogue
    runs: FlowRunControl
    schedules: ScheduleControl
    storage_sweeper: StorageSweeper
    gap_sweeps: GapSweeps

    @property
    def table(self) -> ActionTable:
        """The live actions."""
        return self.base.members.actions

    @property
    def tenures(self) -> ShardTenures:
        """The shards that this process owns."""
        return self.base.tenures

    @property
    def background(self) -> Background:
        """Tasks that nothing awaits."""
        return self.base.background

    @property
    def manager(self) -> ExecutionManager:
        """Queues and workers."""
        return self.providers.manager

    @property
    def registry(self) -> Registry:
        """The executors."""
        return self.providers.registry

    def dispatch_notification(self, kind: str, event: str | None, body: Body) -> None:
        """Pass a notification to its part; ``event`` is None for a listed object."""
        if kind == TASK_ACTIONS.kind:
            self.actions.intake.on_notification(event, body)
            self.schedules.intake.on_object_notification(event, body)
        elif kind == ACTION_EVENTS.kind:
            self.actions.dispatcher.on_notification(event, body)
        elif kind == ACTION_FLOWS.kind:
            self.flows.on_notification(event, body)
        elif kind == ACTION_FLOW_RUNS.kind:
            self.runs.intake.on_notification(event, body)
            self.schedules.intake.on_object_notification(event, body)
        elif kind == ACTION_SCHEDULES.kind:
            self.schedules.intake.on_notification(event, body)
        elif kind in FOLLOWED:
            self.providers.followed.on_notification(kind, event, body)
        else:
            self.providers.intake.on_notification(ProviderKind(kind), event, body)

    # -- requests -----------------------------------------------------------------------------------------------------

    def on_provider_changed(self, key: ProviderKey) -> None:
        """Apply a changed provider: first where its actions belong and its limits, then its actions, then its flows."""
        self.actions.scope.on_provider_changed(key)
        self.providers.quotas.on_provider_changed(key)
        self.actions.intake.on_provider_changed(key)
        self.flows.on_provider_changed(key)

    def on_source_changed(self, source: str) -> None:
        """Apply that the rate limit of a source is reached, or must be reserved further."""
        self.providers.quotas.on_source_changed(source)

    def poll_action(self, uid: str) -> None:
        """Poll an action at once."""
        self.actions.reconciler.poll(uid)

    def reconcile_action(self, uid: str) -> None:
        """Reconcile an action."""
        self.actions.reconciler.reconcile(uid)

    def reconcile_run(self, uid: str) -> None:
        """Reconcile a flow run."""
        self.runs.reconciler.reconcile(uid)

    def read_parent(self, link: ParentLink) -> None:
        """Read a live parent that no notification has shown."""
        if link.kind is ParentKind.TASK_ACTION:
            self.actions.intake.read_parent(link)

    # -- work ---------------------------------------------------------------------------------------------------------

    def start_processing(self) -> None:
        """Start actions and inline calls in workers from now on."""
        self.manager.start_processing_action_runs(self._process)

    async def _process(self, run_id: str) -> None:
        inline = self.runs.inline
        await (inline.process(run_id) if inline.has_call(run_id) else self.actions.turns.process(run_id))

    def background_work(
        self, interval: float, failed: Callable[[str, BaseException], None]
    ) -> dict[str, Coroutine[Any, Any, None]]:
        """Return the coroutines that run while the layer lives, by name; scans are ``interval`` seconds apart."""
        return {
            "leases": self.leases.run(lambda error: failed("leases", error)),
            "requests": self.base.requests.run(self),
            "timers": self.actions.timers.run(self.actions.reconciler.on_due, failed),
            "limits": self.manager.run_timers(failed),
            "quotas": self.providers.quotas.run(),
            "expiry": self.actions.expiry.run_agenda(failed),
            "stale finalizers": self.actions.expiry.run_finalizer_cleanup(failed),
            "scans": self.actions.expiry.run_scans(interval, failed),
            "sweeps": self.actions.sweeper.run(interval, failed),
            "run timers": self.runs.agenda.run(self.runs.reconciler.on_due, failed),
            "run polls": self.runs.inline.run_polls(failed),
            "run events": self.runs.event_poster.run(failed),
            "run expiry": self.runs.expiry.run_agenda(failed),
            "run scans": self.runs.expiry.run_scans(interval, failed),
            "run sweeps": self.runs.sweeper.run(interval, failed),
            "schedules": self.schedules.agenda.run(self.schedules.reconciler.request, failed),
            "looks at schedules": self.schedules.reconciler.run_looks(),
            "storage sweeps": self.storage_sweeper.run(self.base.config.storage_sweep_interval.total_seconds()),
            "ActionEvents": self.actions.dispatcher.run_agenda(failed),
            "ActionEvent scans": self.actions.dispatcher.run_scans(interval, failed),
            "events": self.base.events.run(),
            "history": self.base.history.run(),
        }
