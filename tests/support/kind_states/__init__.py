"""Every state of every known kind, from its controller's own code, and what it means for an action."""

from support.kind_states.core import CORE, CREATED
from support.kind_states.delivery import DELIVERY
from support.kind_states.model import MEANINGS, Known, State, condition
from support.kind_states.pipelines import PIPELINES
from support.kind_states.provisioning import PROVISIONING
from support.kind_states.training import TRAINING

ALL = (*CREATED, *CORE, *TRAINING, *PIPELINES, *DELIVERY, *PROVISIONING)

__all__ = [
    "ALL",
    "CORE",
    "CREATED",
    "DELIVERY",
    "MEANINGS",
    "PIPELINES",
    "PROVISIONING",
    "TRAINING",
    "Known",
    "State",
    "condition",
]
