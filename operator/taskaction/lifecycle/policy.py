"""Policy of one action: its own settings, otherwise its provider's, otherwise the operator's."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from taskaction.api.enums import ChildPolicy, RetryClass
from taskaction.api.provider import ProviderDefaults
from taskaction.api.retries_and_timeouts import RetryPolicy
from taskaction.api.task_action import TaskActionSpec
from taskaction.core.backoff import Backoff
from taskaction.lifecycle.retry_defaults import DEFAULT_BACKOFF, DEFAULT_RETRY_ON

_DAY = timedelta(hours=24)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Defaults and limits of the operator; times are ``timedelta``.

    Attributes:
        ttl: how long finished actions are kept.
        status_delay: ``Running`` is written only if an idempotent attempt takes longer than this.
        interrupt_grace: how long another owner's claim is respected before its attempt counts as interrupted.
        cancel_grace: how long an executor may take to confirm a cancel.
    """

    ttl: timedelta = _DAY
    status_delay: timedelta = timedelta(seconds=1)
    interrupt_grace: timedelta = timedelta(seconds=10)
    cancel_grace: timedelta = timedelta(seconds=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Effective policy of one action."""

    settings: Settings
    retry_limit: int
    system_limit: int | None = None
    retry_on: frozenset[RetryClass]
    backoff: Backoff
    queued: timedelta | None
    attempt: timedelta | None
    waiting: timedelta | None = None
    running: timedelta | None = None
    total: timedelta | None
    ttl: timedelta
    child_policy: ChildPolicy


def policy_for(spec: TaskActionSpec, defaults: ProviderDefaults | None, settings: Settings) -> Policy:
    """Return the policy; each field has its own fallback, so an action can override one timeout of its provider."""
    defaults = defaults or _NO_DEFAULTS
    retries = [policy for policy in (spec.retry_policy, defaults.retry_policy) if policy is not None]
    timeouts = [bounds for bounds in (spec.timeouts, defaults.timeouts) if bounds is not None]
    ttl = _first(spec.ttl_seconds_after_finished, defaults.ttl_seconds_after_finished)
    retry_on = _first(*(policy.retry_on for policy in retries))
    return Policy(
        settings=settings,
        retry_limit=_first(*(policy.limit for policy in retries)) or 0,
        system_limit=_first(*(policy.system_limit for policy in retries)),
        retry_on=DEFAULT_RETRY_ON if retry_on is None else frozenset(retry_on),
        backoff=_backoff(retries),
        queued=_first(*(bounds.queued for bounds in timeouts)),
        attempt=_first(*(bounds.attempt for bounds in timeouts)),
        waiting=_first(*(bounds.waiting for bounds in timeouts)),
        running=_first(*(bounds.running for bounds in timeouts)),
        total=_first(*(bounds.total for bounds in timeouts)),
        ttl=settings.ttl if ttl is None else timedelta(seconds=ttl),
        child_policy=spec.child_policy or ChildPolicy.KEEP,
    )


def _backoff(retries: list[RetryPolicy]) -> Backoff:
    backoffs = [policy.backoff for policy in retries if policy.backoff is not None]
    initial = _first(*(backoff.initial for backoff in backoffs))
    factor = _first(*(backoff.factor for backoff in backoffs))
    longest = _first(*(backoff.max for backoff in backoffs))
    jitter = _first(*(backoff.jitter for backoff in backoffs))
    return Backoff(
        initial=DEFAULT_BACKOFF.initial if initial is None else initial.total_seconds(),
        factor=DEFAULT_BACKOFF.factor if factor is None else factor,
        max=DEFAULT_BACKOFF.max if longest is None else longest.total_seconds(),
        jitter=DEFAULT_BACKOFF.jitter if jitter is None else jitter,
    )


def _first(*values: T | None) -> T | None:
    return next((value for value in values if value is not None), None)


_NO_DEFAULTS = ProviderDefaults()
