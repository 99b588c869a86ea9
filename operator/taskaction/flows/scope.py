"""Scope of an evaluation: the state of the flow, the run's context, and the budget."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from taskaction.flows.budget import Budget

CONTEXT = "_context"
"""The read-only part of every state that describes the run."""


@dataclass(frozen=True)
class EvaluationScope:
    """Scope of one evaluation.

    Attributes:
        data: the state of the flow.
        context: the value of ``$._context``; it is not part of the data, and so never of a copy of it.
    """

    data: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """Names in expressions: the properties of the state, and the context."""
        return {**self.data, CONTEXT: self.context} if isinstance(self.data, Mapping) else self.around

    @cached_property
    def around(self) -> Mapping[str, Any]:
        """Root of paths into the context."""
        return {CONTEXT: self.context}

    def with_context(self, **more: Any) -> "EvaluationScope":
        """Return a scope with additional context."""
        return replace(self, context={**self.context, **more})
