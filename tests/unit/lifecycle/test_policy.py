"""Each rule of an action falls back by itself: the action's own word, then its provider's, then the operator's."""

from typing import Any

import pytest

from support.lifecycle import seconds
from taskaction.api.enums import RetryClass
from taskaction.api.provider import ProviderDefaults
from taskaction.api.task_action import TaskActionSpec
from taskaction.core.backoff import Backoff
from taskaction.lifecycle.policy import Policy, Settings, policy_for
from taskaction.lifecycle.retry_defaults import DEFAULT_RETRY_ON

SETTINGS = Settings(ttl=seconds(500))


def resolved(own: dict[str, Any], defaults: dict[str, Any] | None = None) -> Policy:
    provider = None if defaults is None else ProviderDefaults.model_validate(defaults)
    return policy_for(TaskActionSpec.model_validate({"executor": "noop", **own}), provider, SETTINGS)


@pytest.mark.parametrize("defaults", [None, {}], ids=["no-provider", "provider-says-nothing"])
def test_without_a_word_there_is_no_retry_and_no_bound(defaults: dict[str, Any] | None) -> None:
    policy = resolved({}, defaults)

    assert (policy.retry_limit, policy.retry_on) == (0, DEFAULT_RETRY_ON)
    assert (policy.queued, policy.attempt, policy.total) == (None, None, None)
    assert policy.backoff == Backoff(initial=1.0, factor=2.0, max=300.0, jitter=0.1)
    assert policy.ttl == seconds(500)


def test_an_action_may_change_one_bound_of_its_providers() -> None:
    policy = resolved({"timeouts": {"total": "5m"}}, {"timeouts": {"total": "1m", "attempt": "20s"}})

    assert (policy.queued, policy.attempt, policy.total) == (None, seconds(20), seconds(300))


def test_an_action_may_change_one_part_of_its_providers_retry_policy() -> None:
    provided = {"limit": 4, "retryOn": ["Timeout"], "backoff": {"initial": "3s", "factor": 4, "max": "9s"}}

    policy = resolved({"retryPolicy": {"backoff": {"max": "1m", "jitter": 0}}}, {"retryPolicy": provided})

    assert (policy.retry_limit, policy.retry_on) == (4, frozenset({RetryClass.TIMEOUT}))
    assert policy.backoff == Backoff(initial=3.0, factor=4.0, max=60.0, jitter=0.0)


@pytest.mark.parametrize(
    ("own", "defaults", "expected"),
    [
        ({"retryPolicy": {"limit": 0}}, {"retryPolicy": {"limit": 4}}, {"retry_limit": 0}),
        ({"retryPolicy": {"systemLimit": 0}}, {"retryPolicy": {"systemLimit": 4}}, {"system_limit": 0}),
        ({"retryPolicy": {"retryOn": []}}, {"retryPolicy": {"retryOn": ["Error"]}}, {"retry_on": frozenset()}),
        ({"ttlSecondsAfterFinished": 0}, {"ttlSecondsAfterFinished": 60}, {"ttl": seconds(0)}),
        ({}, {"ttlSecondsAfterFinished": 0}, {"ttl": seconds(0)}),
        ({}, {"ttlSecondsAfterFinished": 60}, {"ttl": seconds(60)}),
    ],
    ids=[
        "no-retries",
        "no-system-retries",
        "no-classes",
        "delete-at-once",
        "provider-deletes-at-once",
        "provider-keeps",
    ],
)
def test_nothing_is_a_word_too(own: dict[str, Any], defaults: dict[str, Any], expected: dict[str, Any]) -> None:
    policy = resolved(own, defaults)

    assert {name: getattr(policy, name) for name in expected} == expected


def test_no_delay_is_a_word_too() -> None:
    own = {"retryPolicy": {"backoff": {"initial": "0s"}}}

    assert resolved(own, {"retryPolicy": {"backoff": {"initial": "3s"}}}).backoff.initial == 0.0
