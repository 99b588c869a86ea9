"""Policies that actions and providers share: retries, timeouts, identity; data only."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsName, Duration, PositiveDuration
from taskaction.api.enums import RetryClass
from taskaction.api.rules import cel, rules


class Timeouts(ApiModel):
    """Timeouts for each part of an action's life. Each timeout has its own reason."""

    queued: PositiveDuration | None = None
    """Maximum time from creation to the first start; then TimedOut with reason QueuedTimeout. Paused while the action
    is suspended."""
    attempt: PositiveDuration | None = None
    """Maximum time from the start of an attempt to its end. The attempt is then cancelled, and may be retried as class
    Timeout, or as Interrupted if its work may continue."""
    waiting: PositiveDuration | None = None
    """Maximum time that each attempt waits before it has room to run: in the queue, for limits, and, if it is a pod of
    the executor flyte, for a node. The attempt may then be retried as class Timeout, with reason QueuedTimeout. Paused
    while the action is suspended."""
    running: PositiveDuration | None = None
    """Maximum time that each attempt runs: from the start of its container for the executor flyte, otherwise from the
    start of the attempt. The attempt is then cancelled, and may be retried as for `attempt`."""
    total: PositiveDuration | None = None
    """Maximum time from creation to the end, over all attempts; then TimedOut with reason TotalTimeout. Paused while
    the action is suspended."""


def initial_within_max_rule() -> dict[str, Any]:
    """Return the rule that ``initial`` is not longer than ``max``, for delays that grow from one to the other."""
    return rules(
        cel(
            "!has(self.initial) || !has(self.max) || duration(self.initial) <= duration(self.max)",
            "max must be at least as long as initial: raise max or lower initial",
        )
    )


class BackoffPolicy(ApiModel):
    """Delay before a retry: initial * factor^(n-1), at most max, reduced by up to the jitter share."""

    model_config = ConfigDict(json_schema_extra=initial_within_max_rule())

    initial: Duration | None = None
    """The delay before the first retry. Default 1s."""
    factor: Annotated[float, Field(ge=1, le=10)] | None = None
    """Factor by which each further delay grows, 1 to 10. Default 2."""
    max: Duration | None = None
    """The maximum delay. Default 5m."""
    jitter: Annotated[float, Field(ge=0, le=1)] | None = None
    """The share of a delay by which it is randomly reduced, 0 to 1, so that retries do not coincide. Default 0.1."""


class RetryPolicy(ApiModel):
    """Policy for retrying failed attempts."""

    limit: Annotated[int, Field(ge=0, le=100)] | None = None
    """Maximum number of retries after the first attempt, 0 to 100. Default 0."""
    system_limit: Annotated[int, Field(ge=0, le=100)] | None = None
    """Maximum number of retries after failures of the platform (errors of kind System), 0 to 100. If set, these retries
    do not count towards `limit`. Default: `limit` counts all retries."""
    backoff: BackoffPolicy | None = None
    """Delay between attempts."""
    retry_on: (
        Annotated[
            tuple[RetryClass, ...],
            Field(max_length=5, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """Classes of failures that are retried. Default Error, Timeout, RateLimited and System. Add Interrupted only if
    repeating the effect is harmless."""


class RunAs(ApiModel):
    """The account that the operator impersonates for this action."""

    service_account_name: DnsName
    """A ServiceAccount in the action's namespace. The creator must have the verb `impersonate` on it."""
