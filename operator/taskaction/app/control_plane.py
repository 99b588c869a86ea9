"""The assembled control layer: hands each notification to the part that it concerns, and names the work of all parts.

How it is put together is in `assembly.py`; nothing here decides anything.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from taskaction.api.enums import ProviderKind
from taskaction.api.task_action import TaskAction
from taskaction.app.flow_wiring import Runs
from taskaction.cluster.gateway import ACTION_EVENTS, ACTION_FLOW_RUNS, ACTION_FLOWS, TASK_ACTIONS, Body
from taskaction.control.events.dispatcher import Deliveries
from taskaction.control.flow_runs.catalogue import FlowCatalogue
from taskaction.control.objects.background import Background
from taskaction.control.objects.events import EventPoster
from taskaction.control.objects.expiry import Expiry
from taskaction.control.objects.records import Record, Table
from taskaction.control.objects.sweep import Sweeper
from taskaction.control.providers.offers import Offers
from taskaction.control.providers.quotas import Quotas
from taskaction.control.sharding.leases import ShardLeases
from taskaction.control.task_actions.followed import FOLLOWED, FollowedObjects
from taskaction.control.task_actions.handover import Handover
from taskaction.control.task_actions.intake import Intake
from taskaction.control.task_actions.reconciler import Engine
from taskaction.execution.agenda import Agenda
from taskaction.execution.manager import ExecutionManager
from taskaction.plugin.registry import Registry


@dataclass(slots=True, kw_only=True)
class Control:
    """The assembled control layer.

    Attributes:
        listed: how many objects came in by a list so far.
    """

    table: Table
    registry: Registry
    leases: ShardLeases
    manager: ExecutionManager
    agenda: Agenda[str]
    expiry: Expiry[TaskAction, Record]
    sweeper: Sweeper[Record]
    events: EventPoster
    background: Background
    intake: Intake
    offers: Offers
    quotas: Quotas
    engine: Engine
    followed: FollowedObjects
    deliveries: Deliveries
    handover: Handover
    flows: FlowCatalogue
    runs: Runs
    listed: int = 0

    def notice(self, kind: str, event: str | None, body: Body) -> None:
        """Hand one notification to the part that it concerns; ``event`` is None for an object that was listed."""
        if kind == TASK_ACTIONS.kind:
            self.intake.notice(event, body)
        elif kind == ACTION_EVENTS.kind:
            self.deliveries.notice(event, body)
        elif kind == ACTION_FLOWS.kind:
            self.flows.notice(event, body)
        elif kind == ACTION_FLOW_RUNS.kind:
            self.runs.intake.notice(event, body)
        elif kind in FOLLOWED:
            self.followed.notice(kind, event, body)
        else:
            self.offers.notice(ProviderKind(kind), event, body)

    def work(
        self, interval: float, failed: Callable[[str, BaseException], None]
    ) -> dict[str, Coroutine[Any, Any, None]]:
        """Give what goes on for as long as the layer lives, each by its name; scans are ``interval`` seconds apart."""
        return {
            "leases": self.leases.run(lambda error: failed("leases", error)),
            "agenda": self.agenda.run(),
            "limits": self.manager.run_timers(),
            "quotas": self.quotas.run(),
            "expiry": self.expiry.run_agenda(),
            "frees": self.expiry.run_frees(failed),
            "scans": self.expiry.run_scans(interval, failed),
            "sweeps": self.sweeper.run(interval, failed),
            "runs": self.runs.agenda.run(),
            "run polls": self.runs.inline.agenda.run(),
            "run events": self.runs.telling.run(),
            "run expiry": self.runs.expiry.run_agenda(),
            "run scans": self.runs.expiry.run_scans(interval, failed),
            "run sweeps": self.runs.sweeper.run(interval, failed),
            "deliveries": self.deliveries.run_agenda(),
            "delivery scans": self.deliveries.run_scans(interval, failed),
            "events": self.events.run(),
        }
