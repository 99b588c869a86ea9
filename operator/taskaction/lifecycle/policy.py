"""Policy of one action: its own settings, otherwise its provider's, otherwise the operator's."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from taskaction.api.enums import ChildPolicy, RetryClass
from taskaction.api.provider import ProviderDefaults
from taskaction.api.retries_and_timeouts import BackoffPolicy, RetryPolicy, Timeouts
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
    own, provided = spec.retry_policy or _NO_RETRIES, defaults.retry_policy or _NO_RETRIES
    bounds, provided_bounds = spec.timeouts or _NO_TIMEOUTS, defaults.timeouts or _NO_TIMEOUTS
    ttl = _first(spec.ttl_seconds_after_finished, defaults.ttl_seconds_after_finished)
    retry_on = _first(own.retry_on, provided.retry_on)
    return Policy(
        settings=settings,
        retry_limit=_first(own.limit, provided.limit) or 0,
        system_limit=_first(own.system_limit, provided.system_limit),
        retry_on=DEFAULT_RETRY_ON if retry_on is None else frozenset(retry_on),
        backoff=_backoff(own.backoff, provided.backoff),
        queued=_first(bounds.queued, provided_bounds.queued),
        attempt=_first(bounds.attempt, provided_bounds.attempt),
        waiting=_first(bounds.waiting, provided_bounds.waiting),
        running=_first(bounds.running, provided_bounds.running),
        total=_first(bounds.total, provided_bounds.total),
        ttl=settings.ttl if ttl is None else timedelta(seconds=ttl),
        child_policy=spec.child_policy or ChildPolicy.KEEP,
    )


def _backoff(own: BackoffPolicy | None, provided: BackoffPolicy | None) -> Backoff:
    if own is None and provided is None:
        return DEFAULT_BACKOFF
    own, provided = own or _NO_BACKOFF, provided or _NO_BACKOFF
    initial, longest = _first(own.initial, provided.initial), _first(own.max, provided.max)
    factor, jitter = _first(own.factor, provided.factor), _first(own.jitter, provided.jitter)
    return Backoff(
        initial=DEFAULT_BACKOFF.initial if initial is None else initial.total_seconds(),
        factor=DEFAULT_BACKOFF.factor if factor is None else factor,
        max=DEFAULT_BACKOFF.max if longest is None else longest.total_seconds(),
        jitter=DEFAULT_BACKOFF.jitter if jitter is None else jitter,
    )


def _first(own: T | None, provided: T | None) -> T | None:
    return provided if own is None else own


_NO_DEFAULTS = ProviderDefaults()
_NO_RETRIES = RetryPolicy()
_NO_TIMEOUTS = Timeouts()
_NO_BACKOFF = BackoffPolicy()
