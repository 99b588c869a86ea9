"""The reference of settings, metrics and reasons is what the code says, and leaves nothing out."""

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from docsite import errors, generated
from taskaction.api.reasons import Reason
from taskaction.plugin.registry import Registry
from taskaction.plugin.settings import variable_of
from taskaction.runtime.process_metrics import FORMER_NAMES, ProcessMetrics

ROOT = Path(__file__).parents[3]
PAGES = generated.pages()
PROGRAMS = generated.programs()


@pytest.mark.parametrize("path", PAGES, ids=str)
def test_a_page_is_up_to_date(path: Path) -> None:
    assert (ROOT / path).read_text() == PAGES[path], "run `make generate`"


def rows(name: str) -> list[list[str]]:
    page = PAGES[Path(f"docs/reference/{name}.md")]
    found = [re.split(r"(?<!\\) ?\| ?", line)[1:-1] for line in page.splitlines() if line.startswith("| `")]
    assert found
    assert all(len(row) == 3 for row in found)  # whatever is in them
    return found


def test_every_setting_has_a_meaning_and_stands_there_once() -> None:
    models = [*(program.model for program in PROGRAMS), *Registry.find_settings().values()]
    variables = [f"`{variable_of(model, name)}`" for model in models for name in model.model_fields]
    assert "`TASKACTION_FLYTE_ENDPOINT`" in variables
    assert [row[0] for row in rows("settings")] == variables
    assert [row for row in rows("settings") if not row[1] or len(row[2]) < 10] == []


def test_defaults_and_bounds_are_those_that_hold() -> None:
    found = {row[0].strip("`"): row[1:] for row in rows("settings")}
    assert found["TASKACTION_LEASE_DURATION"][0] == "`6s`"
    assert found["TASKACTION_WORKERS_COUNT"][0] == "`64`"
    assert found["TASKACTION_WORKERS_COUNT"][1].endswith("From 1 to 10000")
    assert found["TASKACTION_CLUSTER_PROVIDERS"][0] == "`true`"
    assert found["TASKACTION_WATCH_STALE_AFTER"][1].endswith("Former name: `TASKACTION_DEAF_AFTER`")
    assert found["TASKACTION_WATCH_NAMESPACES"][0] == "none"
    assert found["TASKACTION_IDENTITY"][0] == "made at each start"
    assert found["TASKACTION_PORT_AGENT_CLIENT_ID"][0] == "must be set"
    assert found["TASKACTION_PORT_AGENT_RUN_KINDS"][0] == "`action,workflow_node`"


def test_every_metric_that_a_process_registers_is_there_with_its_labels() -> None:
    names = [row[0].strip("`") for row in rows("metrics")]
    families = (family.name for program in PROGRAMS for family in program.metrics.registry.collect())
    registered = {name for name in families if name.startswith("taskaction_")}
    assert registered - {re.sub(r"(_total)?(\{.*)?$", "", name) for name in names} == set()
    assert "taskaction_actions_finished_total{phase,reason}" in names


def test_a_metric_is_there_once_for_all_processes_that_have_it() -> None:
    names = [re.sub(r"\{.*$", "", row[0].strip("`")) for row in rows("metrics")]
    assert [name for name, count in Counter(names).items() if count > 1] == []
    assert "taskaction_api_request_seconds" in names


def test_a_metric_has_the_same_labels_meaning_and_buckets_in_every_process() -> None:
    found: dict[str, set[Any]] = {}
    for program in PROGRAMS:
        for collector in program.metrics.registry._collector_to_names:
            about = collector.describe()[0] if hasattr(collector, "_labelnames") else None
            if about is not None:
                bounds = tuple(getattr(collector, "_upper_bounds", ()))
                meaning = (about.type, about.documentation, collector._labelnames, bounds)
                found.setdefault(about.name, set()).add(meaning)
    shared = {family.name for family in ProcessMetrics("any").registry.collect()} & set(found)
    assert shared >= {"taskaction_errors", "taskaction_api_request_seconds", "taskaction_loop_lag_seconds"}
    assert {name: meanings for name, meanings in found.items() if len(meanings) > 1} == {}


def test_a_renamed_metric_names_its_former_name() -> None:
    meanings = {row[0].strip("`"): row[2] for row in rows("metrics")}
    assert FORMER_NAMES
    for former, present in FORMER_NAMES.items():
        assert meanings[present].endswith(f"Former name: `{former}`")


def test_every_reason_says_what_it_means() -> None:
    assert [row[0] for row in rows("reasons")] == [f"`{reason}`" for reason in Reason]
    assert [reason for reason in Reason if not reason.description] == []


def test_every_code_of_the_executors_is_there_with_what_it_says() -> None:
    page = PAGES[Path("docs/reference/errors.md")]
    for row in (
        "| `RateLimitedError` | `RateLimited` | `User` | `RateLimited` |",
        "| `Timeout` | `http` | no response from … within …s |",
        "| `OOMKilled` | `job`, `pod` |",
        "| `Http…` | `http` |",
        "| `Rejected` | `approval` |",
    ):
        assert row in page
    codes = re.findall(r'code="(\w+)"', "".join(path.read_text() for path, _ in errors.modules()))
    assert {f"| `{code}` |" for code in codes if f"| `{code}` |" not in page} == set()


def test_what_a_reason_says_ends_as_a_part_of_a_sentence() -> None:
    assert [reason for reason in Reason if reason.description.endswith(".") or reason.remedy.endswith(".")] == []
