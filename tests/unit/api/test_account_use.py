"""The operator knows the same executors with an account as the admission policies."""

import re
from pathlib import Path

import pytest

from taskaction.api.account_use import uses_account

POLICIES = Path(__file__).parents[3] / "crds" / "policies"


@pytest.mark.parametrize("name", ["rights", "schedule-rights"])
def test_the_policies_for_actions_and_schedules_list_the_same_executors(name: str) -> None:
    policy = (POLICIES / f"{name}.yaml").read_text()
    (listed,) = re.findall(r"\.executor in \[([^]]*)\]", policy)
    never = re.findall(r"'(\w+)'", listed)
    sometimes = re.findall(r"\.executor == '(\w+)' && !\('(\w+)' in variables\.parameters\)", policy)
    assert never
    assert sometimes
    assert not any(uses_account(executor, {"auth": 1, "tokens": 1, "object": 1}) for executor in never)
    assert all(uses_account(executor, {}) for executor in ("job", "flow", "a-plug-in"))
    assert not uses_account("", {})
    assert all(uses_account(executor, {word: {}}) and not uses_account(executor, {}) for executor, word in sometimes)


def test_the_policy_for_providers_exempts_only_executors_without_an_account() -> None:
    policy = (POLICIES / "provider-rights.yaml").read_text()
    (listed,) = re.findall(r"object\.spec\.executor in \[([^]]*)\]", policy)
    exempt = re.findall(r"'(\w+)'", listed)
    without = re.findall(r"object\.spec\.executor == '(\w+)' && !\('(\w+)' in variables\.config\)", policy)
    assert exempt
    assert without
    assert not any(uses_account(executor, {"auth": 1, "tokens": 1, "object": 1}) for executor in exempt)
    assert all(uses_account(executor, {word: {}}) and not uses_account(executor, {}) for executor, word in without)
