"""Policies that actions and providers share: retry, timeouts, identity; data only."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsName, Duration, PositiveDuration
from taskaction.api.enums import RetryClass
from taskaction.api.rules import cel, rules


class Timeouts(ApiModel):
    """How long each part of an action's life may last; each has its own reason when it fires."""

    queued: PositiveDuration | None = None
    """From creation to the first start; then TimedOut with reason QueuedTimeout. Stands still while suspended."""
    attempt: PositiveDuration | None = None
    """From an attempt's start to its end; the attempt is cancelled, and may be retried as class Timeout."""
    total: PositiveDuration | None = None
    """From creation to the end, over all attempts; then TimedOut with reason TotalTimeout. Stands still while
    suspended."""


def longest_after_first() -> dict[str, Any]:
    """Give the rule of every series of waits that grows from ``initial`` to ``max``."""
    return rules(
        cel(
            "!has(self.initial) || !has(self.max) || duration(self.initial) <= duration(self.max)",
            "max must be at least as long as initial: raise max or lower initial",
        )
    )


class BackoffPolicy(ApiModel):
    """The delay before a retry: initial * factor^(n-1), at most max, less up to the jitter share."""

    model_config = ConfigDict(json_schema_extra=longest_after_first())

    initial: Duration | None = None
    """The delay before the first retry. Default 1s."""
    factor: Annotated[float, Field(ge=1, le=10)] | None = None
    """How much longer each further delay is, 1 to 10. Default 2."""
    max: Duration | None = None
    """The longest delay. Default 5m."""
    jitter: Annotated[float, Field(ge=0, le=1)] | None = None
    """The share of a delay that chance may take off, 0 to 1, so that failures do not return in step. Default 0.1."""


class RetryPolicy(ApiModel):
    """Whether a failed attempt is followed by another one."""

    limit: Annotated[int, Field(ge=0, le=100)] | None = None
    """How many attempts may follow the first one, 0 to 100. Default 0."""
    system_limit: Annotated[int, Field(ge=0, le=100)] | None = None
    """How many further attempts may follow ones that the platform ended (errors of kind System), 0 to 100; these then
    do not count for `limit`. Default: `limit` counts all attempts."""
    backoff: BackoffPolicy | None = None
    """How long to wait between attempts."""
    retry_on: (
        Annotated[
            tuple[RetryClass, ...],
            Field(max_length=5, json_schema_extra={"x-kubernetes-list-type": "set"}),
        ]
        | None
    ) = None
    """The classes of failure that are retried. Default Error, Timeout, RateLimited and System. Add Interrupted only
    where a repeated effect does no harm."""


class RunAs(ApiModel):
    """Whose rights the operator uses for this action, by impersonation."""

    service_account_name: DnsName
    """A ServiceAccount in the action's namespace. The creator must have the verb `impersonate` on it."""
