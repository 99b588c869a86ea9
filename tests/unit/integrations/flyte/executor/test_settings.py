"""The settings of Flyte's tasks come from the operator's environment, and a wrong one names its variable."""

import pytest

from taskaction.core.errors import ConfigurationError
from taskaction.integrations.flyte.executor.settings import FlyteSettings
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
