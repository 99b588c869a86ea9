"""Wiring of the part of the control layer that makes objects at times."""

from dataclasses import dataclass

from taskaction.app.foundation import Foundation
from taskaction.control.schedules.intake import ScheduleIntake
from taskaction.control.schedules.objects import ScheduledObjects
from taskaction.control.schedules.pruning import ObjectPruner
from taskaction.control.schedules.reconciler import ScheduleReconciler
from taskaction.execution.agenda import Agenda


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleControl:
    """The assembled part."""

    intake: ScheduleIntake
    reconciler: ScheduleReconciler
    agenda: Agenda[str]


def build_schedules(base: Foundation) -> ScheduleControl:
    """Return the part; nothing runs yet."""
    agenda: Agenda[str] = Agenda(base.clock)
    objects = ScheduledObjects(base.cluster, base.slots, base.closed_namespaces)
    reconciler = ScheduleReconciler(
        cluster=base.cluster,
        clock=base.clock,
        jitter=base.jitter,
        slots=base.slots,
        table=base.schedules,
        tenures=base.tenures,
        objects=objects,
        pruner=ObjectPruner(objects, base.history, base.background),
        agenda=agenda,
        background=base.background,
        events=base.events,
        recorder=base.journal,
    )
    intake = ScheduleIntake(
        cluster=base.cluster,
        recorder=base.journal,
        table=base.schedules,
        tenures=base.tenures,
        request=reconciler.request,
        forget=reconciler.forget,
        namespaces=base.config.watch_namespaces,
    )
    return ScheduleControl(intake=intake, reconciler=reconciler, agenda=agenda)
