"""Retry policy of an action of which neither the action nor its provider says anything."""

from taskaction.api.enums import RetryClass
from taskaction.core.backoff import Backoff

DEFAULT_BACKOFF = Backoff(initial=1.0, factor=2.0, max=300.0, jitter=0.1)
"""Seconds; ``api.retries_and_timeouts.BackoffPolicy`` describes the same values to users."""

DEFAULT_RETRY_ON = frozenset({RetryClass.ERROR, RetryClass.TIMEOUT, RetryClass.RATE_LIMITED, RetryClass.SYSTEM})
"""Classes of failures that are followed by another attempt, if the limit allows one."""
