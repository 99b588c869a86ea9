"""Limits of what runs produce; pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from taskaction.api.parameters import size_problem
from taskaction.control.flow_runs.documents import StateDocument
from taskaction.flows.effects import FlowDecision, StartAction
from taskaction.flows.privacy import hide

LOGGED_BYTES = 8_192
"""Maximum size of the details of an entry in the operator's log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """Limits of all runs.

    Attributes:
        state_bytes: maximum size of a state; ``remedy`` is what a user can do about a larger one.
        parameters_bytes: maximum size of the input of an action.
        visits: maximum number of states that a run enters.
    """

    state_bytes: int
    remedy: str
    parameters_bytes: int
    visits: int

    def state_problem(self, document: StateDocument) -> str | None:
        """Return why a state is too large, with the remedy, or None."""
        problem = document.overflow_problem(self.state_bytes)
        return None if problem is None else f"the state of the flow {problem}; {self.remedy}"

    def apply(self, decision: FlowDecision) -> FlowDecision:
        """Return a decision without what is too large for the log, or for an action."""
        return replace(
            decision,
            effects=tuple(self._bound(one) if isinstance(one, StartAction) else one for one in decision.effects),
            entries=tuple(one.shorten(LOGGED_BYTES) for one in decision.entries),
        )

    def bound_starts(self, starts: Iterable[StartAction]) -> tuple[StartAction, ...]:
        """Return actions of which those with an input that is too large have a problem instead of it."""
        return tuple(map(self._bound, starts))

    def _bound(self, start: StartAction) -> StartAction:
        shown = hide(start.body, start.private)  # the private parts go to a Secret
        problem = size_problem(shown, self.parameters_bytes, "the input of the action")
        return start if problem is None else replace(start, body={}, private=(), problem=problem)
