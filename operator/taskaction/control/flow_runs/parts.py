"""What the engine of runs is made of; values only."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from taskaction.control.flow_runs.children import Children
from taskaction.control.flow_runs.definitions import Definitions
from taskaction.control.flow_runs.effects import Carrying
from taskaction.control.flow_runs.journal import RunJournal
from taskaction.control.flow_runs.persistence import Keeping
from taskaction.control.flow_runs.records import RunRecord, RunTable
from taskaction.control.objects.background import Background
from taskaction.control.objects.family import Family
from taskaction.control.objects.objects import ObjectEditor
from taskaction.control.objects.tree import Tree
from taskaction.control.sharding.leases import ShardLeases
from taskaction.core.clock import Clock
from taskaction.execution.agenda import Agenda


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What the engine of runs is made of.

    ``stored`` is told of every run whose status is durable, ``ended`` of those whose end is.
    """

    table: RunTable
    clock: Clock
    tree: Tree
    family: Family
    leases: ShardLeases
    editor: ObjectEditor[RunRecord]
    children: Children
    carrying: Carrying
    definitions: Definitions
    keeping: Keeping
    agenda: Agenda[str]
    background: Background
    journal: RunJournal
    stored: Callable[[RunRecord], None]
    ended: Callable[[RunRecord], None]
    vanished: Callable[[RunRecord], None]
    identity: str
    status_delay: timedelta
    cancel_grace: timedelta
