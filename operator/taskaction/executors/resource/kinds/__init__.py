"""Tables of the states of well-known kinds: one for each kind, one module for each family; data only."""

from collections.abc import Mapping

from taskaction.cluster.gateway import Resource
from taskaction.executors.resource.kinds import core, delivery, pipelines, provisioning, training
from taskaction.executors.resource.states import States

KNOWN: Mapping[tuple[str, str], States] = (
    core.KINDS | training.KINDS | pipelines.KINDS | delivery.KINDS | provisioning.KINDS
)
"""Tables by (group, kind)."""


def find_states(resource: Resource) -> States | None:
    """Return the table of a kind: by its name, otherwise by a category that a whole family of kinds has."""
    by_category = (provisioning.CATEGORIES[one] for one in resource.categories if one in provisioning.CATEGORIES)
    return KNOWN.get((resource.group, resource.kind)) or next(by_category, None)
