"""Events of one run that are not posted yet: they wait for a durable status, or whether they are still true later."""

from dataclasses import dataclass, field

from taskaction.api.action_flow_run import ActionFlowRunStatus
from taskaction.execution.limits import TokenBucket
from taskaction.lifecycle.decisions import RecordEvent


@dataclass(slots=True, eq=False, kw_only=True)
class EventBacklog:
    """Backlog of a run, and what is left of the limit of its Events.

    Attributes:
        unposted: Events to post when the status is durable.
        deferred: the Event to post if it is still true later.
        tokens: None before the first Event that the limit counts.
        announced: the last status whose Events were decided; the object may show the next one before its write ends.
    """

    unposted: list[RecordEvent] = field(default_factory=list)
    deferred: RecordEvent | None = None
    tokens: TokenBucket | None = None
    announced: ActionFlowRunStatus = field(default_factory=ActionFlowRunStatus)

    def post_when_stored(self, event: RecordEvent) -> None:
        """Post an Event when the status is durable."""
        self.unposted.append(event)

    def take_unposted(self) -> list[RecordEvent]:
        """Remove and return the Events that waited for a durable status."""
        events, self.unposted = self.unposted, []
        return events

    def defer(self, event: RecordEvent | None) -> None:
        """Set the Event to post if it is still true later; None for none."""
        self.deferred = event

    def take_deferred(self) -> RecordEvent | None:
        """Remove and return the deferred Event."""
        event, self.deferred = self.deferred, None
        return event

    def announce(self, status: ActionFlowRunStatus) -> ActionFlowRunStatus:
        """Set the status whose Events are decided, and return the one before."""
        before, self.announced = self.announced, status
        return before

    def set_tokens(self, tokens: TokenBucket) -> None:
        """Set what is left of the limit."""
        self.tokens = tokens

    def clear(self) -> None:
        """Forget the Events of a state that is dropped; what is left of the limit stays."""
        self.unposted, self.deferred = [], None
