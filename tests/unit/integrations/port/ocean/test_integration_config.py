"""Variables of an integration are read with the types and defaults of its spec, as Ocean reads them."""

from pathlib import Path
from typing import Any

import pytest

from taskaction.core.errors import ConfigurationError
from taskaction.integrations.port.ocean.integration_config import find_spec_folder, load_specs, read_config

SPEC = """
type: example
configurations:
  - {name: githubHost, type: url, default: "https://api.github.com/"}
  - {name: pageSize, type: integer, required: false, default: 50}
  - {name: skipWebhookPatching, type: boolean, default: false}
  - {name: projects, type: array}
  - {name: tokenMapping, type: object, sensitive: true}
  - {name: githubAppId, type: string}
  - {name: useSSL, type: boolean}
"""
PREFIX = "OCEAN__INTEGRATION__CONFIG__"
DEFAULTS: dict[str, Any] = {
    "github_host": "https://api.github.com",
    "page_size": 50,
    "skip_webhook_patching": False,
    "projects": None,
    "token_mapping": None,
    "github_app_id": None,
    "use_ssl": None,
}


def given(**variables: str) -> dict[str, str]:
    return {f"{PREFIX}{name}": value for name, value in variables.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".port").mkdir()
    (tmp_path / ".port" / "spec.yaml").write_text(SPEC)
    return tmp_path


CASES: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({}, {}),
    (given(GITHUB_HOST="https://ghe.example.org/"), {"github_host": "https://ghe.example.org"}),
    (given(PAGE_SIZE="10"), {"page_size": 10}),
    (given(page_size="10"), {"page_size": 10}),
    (given(SKIP_WEBHOOK_PATCHING="true"), {"skip_webhook_patching": True}),
    (given(USE_SSL="0"), {"use_ssl": False}),
    (given(PROJECTS='["a", 1]'), {"projects": ["a", 1]}),
    (given(TOKEN_MAPPING='{"a": {"b": 1}}'), {"token_mapping": {"a": {"b": 1}}}),
    (given(TOKEN_MAPPING__ORG="t", TOKEN_MAPPING__DEEP__ER="u"), {"token_mapping": {"org": "t", "deep": {"er": "u"}}}),
    (given(GITHUB_APP_ID="123456"), {"github_app_id": "123456"}),
    ({"OCEAN__INTEGRATION__CONFIG": '{"page_size": 7, "github_app_id": 8}'}, {"page_size": 7, "github_app_id": "8"}),
    ({"OCEAN__INTEGRATION": '{"config": {"page_size": "7"}}'}, {"page_size": 7}),
    ({"OCEAN__INTEGRATION__CONFIG": '{"page_size": 7}', **given(PAGE_SIZE="9")}, {"page_size": 9}),
    (given(UNDECLARED="5"), {"undeclared": "5"}),
]


@pytest.mark.parametrize(("environment", "expected"), CASES)
def test_r42_values_have_the_types_and_defaults_of_the_spec(
    folder: Path, environment: dict[str, str], expected: dict[str, Any]
) -> None:
    found = read_config({"PATH": "/bin", **environment}, load_specs([folder]))
    assert found == DEFAULTS | expected
    assert {name: type(value) for name, value in found.items()} == {
        name: type(value) for name, value in (DEFAULTS | expected).items()
    }


def test_r42_without_a_spec_values_are_text_and_nested_names_are_objects() -> None:
    environment = given(PAGE_SIZE="10", HOSTS='["a"]', ODD="{curly", AUTH__USER="me", AUTH__TOKEN="t")
    assert read_config(environment, {}) == {
        "page_size": "10",
        "hosts": ["a"],
        "odd": "{curly",
        "auth": {"user": "me", "token": "t"},
    }


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (given(PAGE_SIZE="many"), f"{PREFIX}PAGE_SIZE: invalid integer; use a whole number"),
        (given(TOKEN_MAPPING="geheim"), f"{PREFIX}TOKEN_MAPPING: invalid object; use a JSON object"),
        (given(PROJECTS='{"a": 1}'), f"{PREFIX}PROJECTS: invalid array; use a JSON list"),
        ({"OCEAN__INTEGRATION__CONFIG": "[]"}, "OCEAN__INTEGRATION__CONFIG: invalid value; use a JSON object"),
    ],
)
def test_r42_a_value_of_another_type_is_refused_without_being_shown(
    folder: Path, environment: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_config(environment, load_specs([folder]))
    assert str(refused.value) == message


def test_r42_the_nearest_spec_above_an_executor_counts(folder: Path) -> None:
    (folder / "actions" / "deep").mkdir(parents=True)
    assert find_spec_folder(folder / "actions" / "deep") == folder
    assert find_spec_folder(Path("/nowhere/at/all")) is None


@pytest.mark.parametrize(
    "content", ["configurations: [{name: a, type: number}]", "configurations: [{type: string}]", "["]
)
def test_r42_an_invalid_spec_names_its_file(tmp_path: Path, content: str) -> None:
    (tmp_path / ".port").mkdir()
    (tmp_path / ".port" / "spec.yml").write_text(content)
    with pytest.raises(ConfigurationError, match=r"\.port/spec\.yml: invalid spec"):
        load_specs([tmp_path])
