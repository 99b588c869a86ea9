"""What the chart is made of beside its templates: alerts with runbooks, the dashboard, values that are explained."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from chart import generated
from chart.helm import CHART
from chart.readme import values
from docsite.generated import pages
from support.observability import DASHBOARD, RULES, expressions

RUNBOOKS = CHART.parents[1] / "docs" / "runbooks"
PARTS = ("What it means", "What to check", "What to do")
SUFFIXES = re.compile(r"_(bucket|count|sum)$")
VALUES = list(values(CHART / "values.yaml"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text())
OF_PROCESSES = {"process_cpu_seconds_total", "process_resident_memory_bytes"}
"""What prometheus_client itself tells of a process on Linux; the reference names it in general."""
METRICS = pages()[Path("docs/reference/metrics.md")]
OPEN = {"global", "resources", "affinity", "valueFrom", "extraSpec", "dnsConfig", "strategy"}
OPEN |= {"podSecurityContext", "securityContext"}
"""What is Kubernetes' or Helm's own business."""


@pytest.mark.parametrize("path", generated.files(), ids=lambda path: path.name)
def test_what_is_generated_is_up_to_date(path: Path) -> None:
    assert path.read_text() == generated.files()[path], "run `make generate`"


@pytest.mark.parametrize("name", [rule["alert"] for rule in RULES])
def test_an_alert_has_a_runbook_that_says_what_to_do(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert tuple(headings) == PARTS


def test_no_runbook_is_about_an_alert_that_is_gone() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == {rule["alert"] for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_has_a_duration_a_severity_and_a_sentence(rule: dict[str, Any]) -> None:
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert rule["annotations"]["summary"].endswith(".")


def metrics(expr: str) -> set[str]:
    """Give the names of the metrics that an expression is about."""
    found = set()

    def note(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector):
            found.add(SUFFIXES.sub("", str(part.name)))

    promql_parser.walk(promql_parser.parse(expr), note)
    return found


@pytest.mark.parametrize("expr", sorted(set(expressions())))
def test_prometheus_understands_an_expression_and_each_metric_in_it_exists(expr: str) -> None:
    known = OF_PROCESSES | set(re.findall(r"^\| `(\w+)", METRICS, re.MULTILINE))
    assert metrics(expr) - known == set()
    assert metrics(expr)


def test_what_an_expression_asks_by_is_a_label() -> None:
    own = {name for names in re.findall(r"^\| `\w+\{(.+?)\}`", METRICS, re.MULTILINE) for name in names.split(",")}
    by_scraping = {"namespace", "pod", "component", "le"}
    used = {
        label.strip()
        for expr in expressions()
        for labels in re.findall(r"by \(([^)]*)\)", expr)
        for label in labels.split(",")
    }
    assert used - {""} - own - by_scraping == set()


def test_the_dashboard_has_room_for_each_panel() -> None:
    panels = DASHBOARD["panels"]
    taken = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(taken) == len(set(taken))
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_every_value_is_explained() -> None:
    assert [value.path for value in VALUES if len(value.text) < 8] == []


def test_the_schema_knows_every_value_and_no_other() -> None:
    def leaves(schema: dict[str, Any], path: str = "") -> Iterator[str]:
        for name, inner in schema["properties"].items():
            resolved = SCHEMA["definitions"][inner["$ref"].rpartition("/")[2]] if "$ref" in inner else inner
            if "properties" in resolved:
                yield from leaves(resolved, f"{path}{name}.")
            else:
                yield f"{path}{name}"

    assert sorted(leaves(SCHEMA)) == sorted([*(value.path for value in VALUES), "global"])


def test_the_schema_refuses_unknown_keys_wherever_keys_have_names() -> None:
    def lenient(schema: Any, name: str) -> Iterator[str]:
        if isinstance(schema, dict):
            if schema.get("type") == "object" and "additionalProperties" not in schema and name not in OPEN:
                yield name
            for key, inner in schema.items():
                if key not in {"then", "items"}:
                    yield from lenient(inner, key)

    assert list(lenient(SCHEMA, "")) == []


def test_the_chart_says_what_it_ships() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    told = yaml.safe_load(about["annotations"]["artifacthub.io/crds"])
    crds = [yaml.safe_load(path.read_text())["spec"] for path in (CHART / "files" / "crds").glob("*.yaml")]
    assert sorted(one["name"] for one in told) == sorted(f"{crd['names']['plural']}.{crd['group']}" for crd in crds)
    assert {one["kind"] for one in told} == {crd["names"]["kind"] for crd in crds}
