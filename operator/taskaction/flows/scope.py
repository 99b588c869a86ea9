"""Scope of an evaluation: the state of the flow, the run's context, and the budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any

from taskaction.flows.budget import Budget
from taskaction.flows.privacy import Place, Places, private_places

CONTEXT = "_context"
"""The read-only part of every state that describes the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Value of ``$._context``."""

    flow_id: str
    run_id: str
    flow_name: str
    run_name: str
    namespace: str

    def to_json(self) -> dict[str, Any]:
        """Return the value as JSON."""
        return asdict(self)


CONTEXT_NAMES = tuple(one.name for one in fields(RunContext))
"""Names of all properties of ``$._context``, without that of the items of a Map."""


@dataclass(frozen=True)
class EvaluationScope:
    """Scope of one evaluation.

    Attributes:
        data: the state of the flow; ``private`` are its private places.
        context: the value of ``$._context``; it is not part of the data, and so never of a copy of it. In
            ``private_context`` are its private places, with the name ``_context``.
        find_private: returns the places of the data that are private by their names.
    """

    data: Any
    context: Mapping[str, Any] = field(default_factory=dict)
    budget: Budget = field(default_factory=Budget)
    private: Places = ()
    private_context: Places = ()
    find_private: Callable[[Any], Sequence[Place]] = private_places

    @cached_property
    def names(self) -> Mapping[str, Any]:
        """Names in expressions: the properties of the state, and the context."""
        return {**self.data, CONTEXT: self.context} if isinstance(self.data, Mapping) else self.around

    @cached_property
    def around(self) -> Mapping[str, Any]:
        """Root of paths into the context."""
        return {CONTEXT: self.context}

    @cached_property
    def all_private(self) -> Places:
        """All private places of the state and the context, also those that are private by their names."""
        return (*self.private, *self.find_private(self.data), *self.private_context)

    def with_data(self, data: Any, private: Places) -> "EvaluationScope":
        """Return a scope for another state of the flow, such as the input that an InputPath selects."""
        return replace(self, data=data, private=private)

    def with_item(self, item: Mapping[str, Any], private: Places) -> "EvaluationScope":
        """Return a scope with an item of a Map in the context; ``private`` are the private places of its value."""
        places = tuple((CONTEXT, "Map", "Item", "Value", *place) for place in private)
        return replace(self, context={**self.context, "Map": {"Item": item}}, private_context=places)
