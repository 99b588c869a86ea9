"""What a state can see while it is evaluated: the state of the flow, the run's context, and what looking may cost."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from taskaction.flows.budget import Budget

CONTEXT = "_context"
"""The part of every state that describes the run; it cannot be written (reference section 2.12)."""


@dataclass(frozen=True)
class Scope:
    """One look at the state of a flow.

    Attributes:
        data: the state of the flow.
        context: what ``$._context`` is; it is beside the data, and never part of a copy of it.
    """

    data: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """What expressions know by name: the properties of the state, and the context."""
        return {**self.data, CONTEXT: self.context} if isinstance(self.data, Mapping) else self.around

    @cached_property
    def around(self) -> Mapping[str, Any]:
        """Where paths into the context begin."""
        return {CONTEXT: self.context}

    def beside(self, **more: Any) -> "Scope":
        """Give the same with more in its context."""
        return replace(self, context={**self.context, **more})
