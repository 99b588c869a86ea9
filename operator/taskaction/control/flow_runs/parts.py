"""Collaborators of the reconciler of runs; values only."""

from dataclasses import dataclass
from datetime import timedelta

from taskaction.control.flow_runs.children import RunChildren
from taskaction.control.flow_runs.definitions import DefinitionLoader
from taskaction.control.flow_runs.effects import EffectRunner
from taskaction.control.flow_runs.journal import RunRecorder
from taskaction.control.flow_runs.persistence import RunPersistence
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.run_log import RunLog
from taskaction.control.flow_runs.steps import StepRunner
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.flow_runs.teardown import RunTeardown
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import ParentTracker
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.requests import Requests
from taskaction.control.objects.tree import OwnerTree
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReconcilerParts:
    """Collaborators of the reconciler of runs."""

    table: RunTable
    clock: Clock
    tree: OwnerTree
    family: ParentTracker
    tenures: ShardTenures
    editor: ObjectEditor[RunRecord]
    children: RunChildren
    effect_runner: EffectRunner
    definitions: DefinitionLoader
    steps: StepRunner
    log: RunLog
    persistence: RunPersistence
    agenda: Agenda[str]
    background: Background
    journal: RunRecorder
    teardown: RunTeardown
    requests: Requests
    identity: str
    status_delay: timedelta
    cancel_grace: timedelta
