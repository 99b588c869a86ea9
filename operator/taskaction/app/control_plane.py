"""The assembled control layer: dispatches notifications to its parts, and names their background work.

``wiring`` builds it; nothing here decides anything.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from taskaction.api.enums import ProviderKind
from taskaction.api.task_action import TaskAction
from taskaction.app.flow_wiring import FlowRunControl
from taskaction.cluster.gateway import ACTION_EVENTS, ACTION_FLOW_RUNS, ACTION_FLOWS, TASK_ACTIONS, Body
from taskaction.control.events.dispatcher import EventDispatcher
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import ExpiryCollector
from taskaction.control.objects.records import ActionRecord, ActionTable
from taskaction.control.objects.sweep import DeletionSweeper
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.providers.quotas import ProviderQuotas
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.followed import FOLLOWED, ChildObjectCache
from taskaction.control.task_actions.handover import ShardHandover
from taskaction.control.task_actions.intake import ActionIntake
from taskaction.control.task_actions.reconciler import Reconciler
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.plugin.registry import Registry


@dataclass(slots=True, kw_only=True)
class ControlPlane:
    """The assembled control layer.

    Attributes:
        listed: number of objects that lists have returned.
    """

    table: ActionTable
    registry: Registry
    leases: ShardLeases
    manager: ExecutionManager
    agenda: Agenda[str]
    expiry: ExpiryCollector[TaskAction, ActionRecord]
    sweeper: DeletionSweeper[ActionRecord]
    events: EventPoster
    background: Background
    intake: ActionIntake
    offers: ProviderIntake
    quotas: ProviderQuotas
    reconciler: Reconciler
    followed: ChildObjectCache
    dispatcher: EventDispatcher
    handover: ShardHandover
    flows: FlowCatalogue
    runs: FlowRunControl
    listed: int = 0

    def dispatch_notification(self, kind: str, event: str | None, body: Body) -> None:
        """Pass a notification to its part; ``event`` is None for a listed object."""
        if kind == TASK_ACTIONS.kind:
            self.intake.on_notification(event, body)
        elif kind == ACTION_EVENTS.kind:
            self.dispatcher.on_notification(event, body)
        elif kind == ACTION_FLOWS.kind:
            self.flows.on_notification(event, body)
        elif kind == ACTION_FLOW_RUNS.kind:
            self.runs.intake.on_notification(event, body)
        elif kind in FOLLOWED:
            self.followed.on_notification(kind, event, body)
        else:
            self.offers.on_notification(ProviderKind(kind), event, body)

    def background_work(
        self, interval: float, failed: Callable[[str, BaseException], None]
    ) -> dict[str, Coroutine[Any, Any, None]]:
        """Return the coroutines that run while the layer lives, by name; scans are ``interval`` seconds apart."""
        return {
            "leases": self.leases.run(lambda error: failed("leases", error)),
            "agenda": self.agenda.run(),
            "limits": self.manager.run_timers(),
            "quotas": self.quotas.run(),
            "expiry": self.expiry.run_agenda(),
            "frees": self.expiry.run_finalizer_cleanup(failed),
            "scans": self.expiry.run_scans(interval, failed),
            "sweeps": self.sweeper.run(interval, failed),
            "runs": self.runs.agenda.run(),
            "run polls": self.runs.inline.agenda.run(),
            "run events": self.runs.event_agenda.run(),
            "run expiry": self.runs.expiry.run_agenda(),
            "run scans": self.runs.expiry.run_scans(interval, failed),
            "run sweeps": self.runs.sweeper.run(interval, failed),
            "deliveries": self.dispatcher.run_agenda(),
            "delivery scans": self.dispatcher.run_scans(interval, failed),
            "events": self.events.run(),
        }
