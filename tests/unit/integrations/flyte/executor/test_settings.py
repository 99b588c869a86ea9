"""The settings of Flyte's tasks come from the operator's environment, and a wrong one names its variable."""

import pytest

from taskaction.core.errors import ConfigurationError
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.settings import SettingsReader
from taskaction.runtime.config import OperatorConfig


def test_the_executor_gets_them_from_the_operators_environment() -> None:
    config = OperatorConfig.from_environment(
        {
            "TASKACTION_FLYTE_ENDPOINT": "https://actions.flyte.svc:8094/",
            "TASKACTION_FLYTE_STORAGE": "s3://bucket/flyte, file:///mnt/runs/",
            "TASKACTION_FLYTE_ENV": '{"AWS_REGION": "eu-1"}',
            "TASKACTION_FLYTE_INTERRUPTIBLE": '{"tolerations": [{"key": "spot"}]}',
            "TASKACTION_FLYTE_AUTHENTICATION": "true",
            "TASKACTION_WORKERS_COUNT": "8",
            "TASKACTION_FLOWS_STORAGE": "s3://bucket/flows",
        }
    )

    found = config.executor_settings(FlyteSettings)
    assert (config.workers_count, config.storage) == (8, "s3://bucket/flows/")
    assert found.endpoint == "https://actions.flyte.svc:8094"
    assert found.storage == ("s3://bucket/flyte/", "file:///mnt/runs/")
    assert (found.env, found.interruptible) == ({"AWS_REGION": "eu-1"}, {"tolerations": [{"key": "spot"}]})


def test_without_any_there_is_neither_endpoint_nor_storage() -> None:
    assert OperatorConfig.from_environment({}).executor_settings(FlyteSettings) == FlyteSettings()
    assert OperatorConfig().executor_settings(FlyteSettings) == FlyteSettings()


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ENDPOINT", "actions:8094", "use an HTTP or HTTPS URL"),
        ("STORAGE", "bucket/flyte", "use a folder such as s3://bucket/folder"),
        ("STORAGE", "zip://a::s3://b", "use a folder"),
        ("STORAGE", "file:///a/../b", "use a folder"),
        ("ENV", "A=b", "use a JSON object"),
        ("ENV", "[1]", "use a JSON object"),
        ("START_TIMEOUT", "soon", "duration"),
    ],
)
def test_a_wrong_one_is_named(name: str, value: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"TASKACTION_FLYTE_{name}: invalid value.*{problem}"):
        FlyteSettings.from_environment({f"TASKACTION_FLYTE_{name}": value})


def test_a_folder_of_flows_that_is_none_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r'TASKACTION_FLOWS_STORAGE: invalid value "bucket"; use a folder'):
        OperatorConfig.from_environment({"TASKACTION_FLOWS_STORAGE": "bucket"})


def test_an_audience_without_a_token_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="TASKACTION_FLYTE_AUDIENCE has no effect"):
        FlyteSettings.from_environment(
            {"TASKACTION_FLYTE_AUDIENCE": "flyte", "TASKACTION_FLYTE_AUTHENTICATION": "false"}
        )


S, FLOWS, FLYTE = "TASKACTION_STORAGE", "TASKACTION_FLOWS_STORAGE", "TASKACTION_FLYTE_STORAGE"
OWN, OLD, TASKS = "s3://own", "s3://old", "s3://tasks"
NAMES: dict[str, tuple[dict[str, str], str | None, list[str]]] = {
    "none": ({}, None, []),
    "the name": ({S: OWN}, "s3://own/", []),
    "the former name": ({FLOWS: OLD}, "s3://old/", [FLOWS]),
    "Flyte's": ({FLYTE: TASKS}, "s3://tasks/", [FLYTE]),
    "Flyte's, with grants before": ({FLYTE: f"a=s3://x, *=s3://y, {TASKS}, s3://z"}, "s3://tasks/", [FLYTE]),
    "Flyte's, with grants alone": ({FLYTE: "a=s3://x, *=s3://y"}, None, []),
    "the name and the former one": ({S: OWN, FLOWS: OLD}, "s3://own/", [FLOWS]),
    "the name and Flyte's": ({S: OWN, FLYTE: TASKS}, "s3://own/", []),
    "the former name and Flyte's": ({FLOWS: OLD, FLYTE: TASKS}, "s3://old/", [FLOWS]),
    "all": ({S: OWN, FLOWS: OLD, FLYTE: TASKS}, "s3://own/", [FLOWS]),
    "all, equal": ({S: OWN, FLOWS: OWN, FLYTE: OWN}, "s3://own/", [FLOWS]),
}


@pytest.mark.parametrize(("variables", "storage", "warned"), NAMES.values(), ids=NAMES)
def test_the_storage_of_the_project_has_one_name_and_two_aliases(
    variables: dict[str, str], storage: str | None, warned: list[str]
) -> None:
    config = OperatorConfig.from_environment(variables)
    assert config.storage == storage
    folders = config.executor_settings(FlyteSettings).storage
    assert len(folders) == len([one for one in variables.get(FLYTE, "").split(",") if one])
    warnings = SettingsReader(variables).check(OperatorConfig).warnings
    assert [warning.split()[0] for warning in warnings] == warned
    assert all(S in warning for warning in warnings)


def test_a_wrong_folder_of_flyte_is_named_by_its_variable() -> None:
    with pytest.raises(ConfigurationError, match=r'^TASKACTION_FLYTE_STORAGE: invalid value "bucket"; use a folder'):
        OperatorConfig.from_environment({FLYTE: "bucket"})
