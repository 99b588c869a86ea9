"""Settings are read from variables by their names; wrong ones are all named, former names still work."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import AfterValidator, Field, SecretStr

from taskaction.api.base import Duration
from taskaction.core.errors import ConfigurationError
from taskaction.plugin.setting_types import COMMA_LIST, JSON_OBJECT, PAIRS, BindAddress, Url
from taskaction.plugin.settings import FormerName, Settings, SettingsReader, SharedVariable
from taskaction.runtime.config import OperatorConfig, ProcessSettings


class Mine(Settings, env_prefix="TASKACTION_MINE_"):
    """Settings of a plug-in."""

    url: Url | None = None
    bind: BindAddress = "127.0.0.1:1"
    count: Annotated[int, Field(ge=1, le=9)] = 3
    enabled: bool = False
    names: Annotated[tuple[str, ...], COMMA_LIST] = ()
    labels: Annotated[dict[str, str], JSON_OBJECT] = Field(default_factory=dict)
    places: Annotated[dict[str, str], PAIRS] = Field(default_factory=dict)
    stale_after: Annotated[Duration, FormerName("deaf_after")] = timedelta(seconds=1)


def refuse(value: object) -> object:
    if value is not None:
        raise ValueError("I do not like hus")
    return value


class Guarded(Settings, env_prefix="TASKACTION_GUARDED_"):
    """Settings with a secret."""

    token: Annotated[SecretStr, Field(min_length=4)]
    tokens: Annotated[tuple[SecretStr, ...] | None, AfterValidator(refuse)] = None
    env: Annotated[dict[str, int], JSON_OBJECT] = Field(default_factory=dict, repr=False)


class WithPrefix(ProcessSettings, env_prefix="TASKACTION_ELSE_"):
    """Settings of another process."""


def read(**values: str) -> Mine:
    return Mine.from_environment({f"TASKACTION_MINE_{name}": value for name, value in values.items()})


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("URL", "https://host/path/", "https://host/path"),
        ("BIND", "[::]:80", "[::]:80"),
        ("COUNT", "9", 9),
        ("ENABLED", "true", True),
        ("ENABLED", "0", False),
        ("NAMES", " a, b,,", ("a", "b")),
        ("LABELS", '{"a": "b"}', {"a": "b"}),
        ("PLACES", "a=b, c/d=e", {"a": "b", "c/d": "e"}),
        ("STALE_AFTER", "1m30s", timedelta(seconds=90)),
        ("DEAF_AFTER", "2m", timedelta(minutes=2)),
    ],
)
def test_a_variable_sets_its_field(name, text, value):
    assert value in dict(read(**{name: text})).values()


@pytest.mark.parametrize(
    ("name", "text", "allowed"),
    [
        ("URL", "host", "use an HTTP or HTTPS URL without user, query and fragment, such as https://host.example.org"),
        ("BIND", "127.0.0.1", "use an address and a port, such as 127.0.0.1:8080"),
        ("COUNT", "10", "must be less than or equal to 9"),
        ("COUNT", "many", "use a whole number"),
        ("COUNT", "", "use a whole number"),
        ("ENABLED", "maybe", "use true or false"),
        ("LABELS", "[1]", "use a JSON object"),
        ("PLACES", "a=", "use pairs such as name=value, separated by commas; 'a=' is not one"),
        ("STALE_AFTER", "soon", "invalid duration; use e.g. 90s, 1m30s or 2h"),
        ("DEAF_AFTER", "soon", "invalid duration; use e.g. 90s, 1m30s or 2h"),
    ],
)
def test_the_message_names_variable_value_and_what_is_allowed(name, text, allowed):
    with pytest.raises(ConfigurationError) as refused:
        read(**{name: text})
    assert str(refused.value) == f'TASKACTION_MINE_{name}: invalid value "{text}"; {allowed}'


def test_all_wrong_ones_of_all_models_are_named_at_once():
    reader = SettingsReader({"TASKACTION_MINE_COUNT": "0", "TASKACTION_MINE_ENABLED": "x"})
    with pytest.raises(ConfigurationError) as refused:
        reader.check(Mine, Guarded)
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "TASKACTION_MINE_COUNT",
        "TASKACTION_MINE_ENABLED",
        "TASKACTION_GUARDED_TOKEN",
    ]


def test_no_message_and_no_log_shows_a_secret():
    with pytest.raises(ConfigurationError) as refused:
        Guarded.from_environment(
            {
                "TASKACTION_GUARDED_TOKEN": "hus",
                "TASKACTION_GUARDED_ENV": '{"A": "hus"}',
                "TASKACTION_GUARDED_TOKENS": "[hus]",
            }
        )
    assert "TASKACTION_GUARDED_TOKEN: invalid value; " in str(refused.value)
    assert "TASKACTION_GUARDED_ENV: invalid value; " in str(refused.value)
    assert "TASKACTION_GUARDED_TOKENS: invalid value" in str(refused.value)
    assert "hus" not in f"{refused.value}{refused.value.__cause__}"
    assert refused.value.__suppress_context__
    with pytest.raises(ConfigurationError, match=r"^TASKACTION_GUARDED_TOKEN: required, but not set$"):
        Guarded.from_environment({})
    reader = SettingsReader({"TASKACTION_GUARDED_TOKEN": "hush", "TASKACTION_GUARDED_ENV": '{"hush": 1}'})
    assert reader.check(Guarded).variables == {
        "TASKACTION_GUARDED_TOKEN": "**********",
        "TASKACTION_GUARDED_TOKENS": None,
    }
    assert "hush" not in f"{reader!r}{reader(Guarded)!r}"


def test_a_former_name_works_with_one_warning():
    reader = SettingsReader({"TASKACTION_MINE_DEAF_AFTER": "2m"})
    assert reader.check(Mine).warnings == ["TASKACTION_MINE_DEAF_AFTER is deprecated; use TASKACTION_MINE_STALE_AFTER"]
    assert reader(Mine).stale_after == timedelta(minutes=2)
    assert Mine(deaf_after="3m").stale_after == timedelta(minutes=3)


def test_the_new_name_wins_over_the_former_one():
    reader = SettingsReader({"TASKACTION_MINE_DEAF_AFTER": "soon", "TASKACTION_MINE_STALE_AFTER": "3m"})
    (warning,) = reader.check(Mine).warnings
    assert warning.startswith("TASKACTION_MINE_DEAF_AFTER is ignored, because TASKACTION_MINE_STALE_AFTER is set")
    assert reader(Mine).stale_after == timedelta(minutes=3)


class Sharing(Settings, env_prefix="TASKACTION_SHARING_"):
    """Settings of which one is set by the first word of another's variable, too."""

    first: Annotated[Url | None, FormerName("top"), SharedVariable("all", lambda text: text.split(",")[0] or None)] = (
        None
    )


SHARED = "https://a,https://b"
SHARES: dict[str, tuple[dict[str, str], str | None, list[str]]] = {
    "alone": (
        {"ALL": SHARED},
        "https://a",
        ["TASKACTION_SHARING_ALL is deprecated as a name of TASKACTION_SHARING_FIRST; set TASKACTION_SHARING_FIRST="],
    ),
    "with nothing to pick": ({"ALL": ""}, None, []),
    "next to its own": ({"ALL": SHARED, "FIRST": "https://c"}, "https://c", []),
    "next to the former name": (
        {"ALL": SHARED, "TOP": "https://d"},
        "https://d",
        ["TASKACTION_SHARING_TOP is deprecated; use TASKACTION_SHARING_FIRST"],
    ),
    "next to all": (
        {"ALL": SHARED, "TOP": "https://d", "FIRST": "https://c"},
        "https://c",
        ["TASKACTION_SHARING_TOP is ignored, because TASKACTION_SHARING_FIRST is set"],
    ),
}


@pytest.mark.parametrize(("variables", "value", "warnings"), SHARES.values(), ids=SHARES)
def test_a_shared_variable_sets_a_field_that_has_none_of_its_own(variables, value, warnings):
    reader = SettingsReader({f"TASKACTION_SHARING_{name}": text for name, text in variables.items()})
    assert reader(Sharing).first == value
    found = reader.check(Sharing).warnings
    assert len(found) == len(warnings)
    assert all(one.startswith(start) for one, start in zip(found, warnings, strict=True))


def test_a_wrong_shared_variable_is_named():
    with pytest.raises(ConfigurationError, match=r'^TASKACTION_SHARING_ALL: invalid value "a,b"; use an HTTP'):
        Sharing.from_environment({"TASKACTION_SHARING_ALL": "a,b"})


def test_the_case_of_letters_does_not_matter():
    with pytest.raises(ConfigurationError, match=r'^TASKACTION_MINE_COUNT: invalid value "0"; '):
        Mine.from_environment({"taskaction_mine_count": "0"})


def test_what_json_does_not_know_is_logged_as_text():
    class Thing:
        def __str__(self):
            return "a thing"

    class Odd(Settings, env_prefix="TASKACTION_ODD_"):
        thing: object = Thing()

    assert SettingsReader().check(Odd).variables == {"TASKACTION_ODD_THING": "a thing"}


@pytest.mark.parametrize("model", [OperatorConfig, WithPrefix], ids=["the operator", "another process"])
@pytest.mark.parametrize(("text", "path"), [("/a/config", Path("/a/config")), ("", None)], ids=["set", "empty"])
def test_all_processes_share_the_variable_of_kubectl(model, text, path):
    found = model.from_environment({"KUBECONFIG": text})
    assert found.kubeconfig == path
    assert model(kubeconfig=Path("/b")).kubeconfig == Path("/b")
    assert model.from_environment({"KUBECONFIG": text}, kubeconfig=Path("/b")).kubeconfig == Path("/b")
    shown = SettingsReader({"KUBECONFIG": text}).check(model).variables
    assert shown["KUBECONFIG"] == (text or None)


def test_unknown_variables_are_ignored_without_a_word():
    reader = SettingsReader({"TASKACTION_MINE_PORT_80_TCP": "tcp://10.0.0.1:80", "TASKACTION_OTHER": "x"})
    assert reader.check(Mine).warnings == []
    assert reader(Mine) == Mine()


def test_a_program_sets_fields_and_its_environment_does_not(monkeypatch):
    monkeypatch.setenv("TASKACTION_MINE_COUNT", "5")
    assert Mine().count == 3
    assert Mine.from_environment({"TASKACTION_MINE_COUNT": "5"}, count=7).count == 7
    with pytest.raises(ConfigurationError, match=r"^count: invalid value 70; must be less than or equal to 9$"):
        Mine.from_environment({}, count=70)
