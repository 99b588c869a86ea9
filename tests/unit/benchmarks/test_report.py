"""What a run leaves behind can be read by people and programs, also when it ends early."""

import json

import pytest

from benchmarks.report import NOT_REACHED, Figure, Report, Target, document, read, shown, table

SPEED = Figure("speed", "actions/s", Target(0.75, at_least=True))
COST = Figure("cost", "ms", Target(1.7))
COUNT = Figure("count", "writes")
AROUND = {"machine": {"cores": 2}, "versions": {"python": "3.11"}}


@pytest.mark.parametrize(
    ("figure", "value", "holds"),
    [
        pytest.param(COST, 1.6, True, id="below an upper bound"),
        pytest.param(COST, 1.7, True, id="at an upper bound"),
        pytest.param(COST, 1.71, False, id="above an upper bound"),
        pytest.param(SPEED, 0.75, True, id="at a lower bound"),
        pytest.param(SPEED, 0.74, False, id="below a lower bound"),
        pytest.param(COUNT, 5, None, id="no target"),
    ],
)
def test_a_value_is_judged_by_its_target(figure, value, holds):
    assert figure.measured(value).holds is holds


def test_a_figure_that_could_not_be_measured_has_no_value_but_a_reason():
    assert COST.missing("no /proc here").to_dict() == {
        "name": "cost",
        "value": None,
        "unit": "ms",
        "target": 1.7,
        "holds": None,
        "reason": "no /proc here",
    }


def test_a_measured_figure_has_exactly_the_five_fields():
    assert SPEED.measured(0.9).to_dict() == {
        "name": "speed",
        "value": 0.9,
        "unit": "actions/s",
        "target": 0.75,
        "holds": True,
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1"), (0.6863, "0.686"), (1.75, "1.75"), (123.456, "123"), (12345.6, "12346"), (0.0, "0")],
)
def test_numbers_are_shown_with_the_digits_that_mean_something(value, text):
    assert shown(value) == text


def test_the_table_is_aligned_and_names_what_does_not_hold():
    rows = [SPEED.measured(0.6), COST.measured(1.25), COUNT.measured(3), Figure("gone", "s").missing("it crashed")]
    assert table(rows).splitlines() == [
        "figure  value  unit       target   holds",
        "speed     0.6  actions/s  >= 0.75  NO",
        "cost     1.25  ms         <= 1.7   yes",
        "count       3  writes",
        "gone        -  s                   it crashed",
    ]


def test_machine_and_versions_are_items_of_the_same_list():
    content = document([COST.measured(1)], AROUND)
    assert [item["name"] for item in content] == ["cost", "machine", "versions"]
    assert content[1] == {"name": "machine", "value": {"cores": 2}, "unit": "", "target": None, "holds": None}


def test_a_run_of_some_figures_keeps_the_others_and_replaces_its_own(tmp_path):
    path = tmp_path / ".bench" / "latest.json"
    Report(path, AROUND, keep=False).add([SPEED.measured(0.5), COST.measured(1)])
    Report(path, {"machine": {"cores": 8}}, keep=True).add([SPEED.measured(0.9)])
    assert {item["name"]: item["value"] for item in json.loads(path.read_text())} == {
        "speed": 0.9,
        "cost": 1,
        "machine": {"cores": 8},
    }


def test_a_full_run_forgets_earlier_figures(tmp_path):
    path = tmp_path / "latest.json"
    Report(path, AROUND, keep=False).add([SPEED.measured(0.5)])
    Report(path, AROUND, keep=False).add([COST.measured(1)])
    assert [item["name"] for item in json.loads(path.read_text())] == ["cost", "machine", "versions"]


def test_a_run_that_ends_early_tells_what_it_did_not_reach(tmp_path):
    path = tmp_path / "latest.json"
    report = Report(path, AROUND, keep=False)
    report.announce([SPEED, COST])
    report.add([SPEED.measured(0.9)])
    written = {item["name"]: item for item in json.loads(path.read_text())}
    assert written["speed"]["value"] == 0.9
    assert (written["cost"]["value"], written["cost"]["reason"]) == (None, NOT_REACHED)
    assert [row.figure.name for row in report.rows] == ["speed", "cost"]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param('[{"name": "sp', id="cut off"),
        pytest.param('{"figures": []}', id="not a list"),
        pytest.param('[1, {"value": 2}]', id="items without names"),
    ],
)
def test_an_earlier_file_that_cannot_be_understood_is_replaced(tmp_path, content):
    path = tmp_path / "latest.json"
    path.write_text(content)
    assert read(path) == []
    Report(path, {}, keep=True).add([COUNT.measured(2)])
    assert [item["name"] for item in json.loads(path.read_text())] == ["count"]
