"""Rules of retention as settings: places are read, and a wrong one is named with its remedy."""

from datetime import timedelta

import pytest

from taskaction.core.errors import ConfigurationError
from taskaction.services.history.settings import HistoryServeConfig

PREFIX = "TASKACTION_HISTORY_SERVE_"


def read(**variables: str) -> HistoryServeConfig:
    return HistoryServeConfig.from_environment({f"{PREFIX}{name}": text for name, text in variables.items()})


def test_without_rules_everything_is_kept() -> None:
    assert read().retention().is_empty


def test_places_are_namespaces_and_providers() -> None:
    rules = read(KEEP="720h", KEEP_PLACES="team-a=24h,*/ci=1h", MAX_RECORDS_PLACES="team-a/ci=5").retention()
    assert not rules.is_empty
    assert rules.age == timedelta(days=30)
    assert rules.ages == {("team-a", ""): timedelta(days=1), ("", "ci"): timedelta(hours=1)}
    assert rules.numbers == {("team-a", "ci"): 5}
    assert rules.at_least == timedelta(days=1)


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("KEEP_PLACES", "*=1h", "use a namespace, namespace/provider or"),
        ("MAX_RECORDS_PLACES", "a/b/c=5", "use a namespace, namespace/provider or"),
        ("MAX_RECORDS_PLACES", "team-a=0", "must be greater than or equal to 1"),
        ("KEEP_PLACES", "team-a=forever", "use e.g. 90s"),
    ],
)
def test_a_wrong_rule_is_named(name, text, problem) -> None:
    with pytest.raises(ConfigurationError) as error:
        read(**{name: text})
    assert f"{PREFIX}{name}" in str(error.value)
    assert problem in str(error.value)
