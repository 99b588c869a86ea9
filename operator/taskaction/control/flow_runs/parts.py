"""Collaborators of the reconciler of runs; values only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from taskaction.control.flow_runs.children import RunChildren
from taskaction.control.flow_runs.definitions import DefinitionLoader
from taskaction.control.flow_runs.effects import EffectRunner
from taskaction.control.flow_runs.journal import RunRecorder
from taskaction.control.flow_runs.persistence import RunPersistence
from taskaction.control.flow_runs.records import RunRecord, RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.tree import OwnerTree
from taskaction.control.sharding.leases import ShardLeases
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReconcilerParts:
    """Collaborators of the reconciler of runs.

    The callbacks are called with every run whose status was stored, whose end was stored, and whose object was deleted.
    """

    table: RunTable
    clock: Clock
    tree: OwnerTree
    family: ParentTracker
    leases: ShardLeases
    editor: ObjectEditor[RunRecord]
    children: RunChildren
    effect_runner: EffectRunner
    definitions: DefinitionLoader
    persistence: RunPersistence
    agenda: Agenda[str]
    background: Background
    journal: RunRecorder
    on_status_stored: Callable[[RunRecord], None]
    on_run_finished: Callable[[RunRecord], None]
    on_run_deleted: Callable[[RunRecord], None]
    identity: str
    status_delay: timedelta
    cancel_grace: timedelta
