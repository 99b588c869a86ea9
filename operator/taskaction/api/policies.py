"""Policies that actions and providers share: retry, timeouts, identity; data only."""

from typing import Annotated

from pydantic import ConfigDict, Field

from taskaction.api.base import ApiModel, DnsName, Duration, cel, rules
from taskaction.api.enums import RetryClass

_POSITIVE = rules(cel("duration(self) > duration('0s')", "must be longer than 0s"))


class Timeouts(ApiModel):
    """How long each part of an action's life may last; each has its own reason when it fires."""

    queued: Annotated[Duration, Field(json_schema_extra=_POSITIVE)] | None = None
    """From creation to the first start; then TimedOut with reason QueuedTimeout. Stands still while suspended."""
    attempt: Annotated[Duration, Field(json_schema_extra=_POSITIVE)] | None = None
    """From an attempt's start to its end; the attempt is cancelled, and may be retried as class Timeout."""
    total: Annotated[Duration, Field(json_schema_extra=_POSITIVE)] | None = None
    """From creation to the end, over all attempts; then TimedOut with reason TotalTimeout. Stands still while
    suspended."""


class BackoffPolicy(ApiModel):
    """The delay before a retry: initial * factor^(n-1), at most max, less up to the jitter share."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "!has(self.initial) || !has(self.max) || duration(self.initial) <= duration(self.max)",
                "max must be at least as long as initial",
            )
        )
    )

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
