"""The rules of Choice states, operator by operator."""

import itertools

import pytest

from taskaction.flows.choice import OPERATORS, compile_pattern, parse_comparison
from taskaction.flows.errors import ExpressionError, RunTimeError
from taskaction.flows.rules import parse_rule
from taskaction.flows.scope import EvaluationScope

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-01T01:30:00+01:00"
PAIRS = {"String": ("a", "b"), "Numeric": (1, 2.5), "Timestamp": (EARLY, LATE)}
ORDERS = {
    "Equals": (False, True, False),
    "LessThan": (True, False, False),
    "GreaterThan": (False, False, True),
    "LessThanEquals": (True, True, False),
    "GreaterThanEquals": (False, True, True),
}
CASES = [
    (kind, order, left, right, expected)
    for kind, (low, high) in PAIRS.items()
    for order, results in ORDERS.items()
    for (left, right), expected in zip([(low, high), (low, low), (high, low)], results, strict=True)
]


RIGHT = {"String": "a", "Numeric": 1, "Timestamp": EARLY, "Boolean": True}
WRONG = {"String": 1, "Numeric": "1", "Timestamp": "today", "Boolean": "true"}
EVERYTHING = [None, True, 5, 2.5, "a", "1", EARLY, [], {}, ["a"], {"a": 1}]


def kind_of(operator: str) -> str:
    return next((kind for kind in RIGHT if operator.startswith(kind)), "Boolean")


def test_there_are_39_operators() -> None:
    assert len(OPERATORS) == 39


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_an_operator_takes_operands_of_its_type_only(operator) -> None:
    right, wrong = ("$.y", "y") if operator.endswith("Path") else (RIGHT[kind_of(operator)], WRONG[kind_of(operator)])
    parse_comparison("$.x", operator, right)
    for one in (wrong, None, [], {}):
        with pytest.raises(ExpressionError):
            parse_comparison("$.x", operator, one)


@pytest.mark.parametrize("operator", sorted(OPERATORS))
def test_no_value_makes_an_operator_fail(operator) -> None:
    """A value of another type than the operator's makes the rule false."""
    of_the_type = {"String": str, "Numeric": (int, float), "Timestamp": str, "Boolean": bool}[kind_of(operator)]
    right = RIGHT[kind_of(operator)]
    one = parse_comparison("$.x", operator, "$.y" if operator.endswith("Path") else right)
    for value in EVERYTHING:
        found = one.holds(EvaluationScope({"x": value, "y": right}))
        fits = isinstance(value, of_the_type) and (kind_of(operator) == "Boolean" or not isinstance(value, bool))
        assert isinstance(found, bool)
        assert fits or found is False or operator.startswith("Is")
    if operator.endswith("Path"):
        for operand in EVERYTHING:
            if not isinstance(operand, of_the_type):
                assert one.holds(EvaluationScope({"x": right, "y": operand})) is False


@pytest.mark.parametrize(("kind", "order", "left", "right", "expected"), CASES)
def test_comparisons_with_values_and_with_paths(kind, order, left, right, expected) -> None:
    assert parse_comparison("$.x", f"{kind}{order}", right).holds(EvaluationScope({"x": left})) is expected
    assert (
        parse_comparison("$.x", f"{kind}{order}Path", "$.y").holds(EvaluationScope({"x": left, "y": right})) is expected
    )


@pytest.mark.parametrize(("left", "right"), list(itertools.product([True, False], repeat=2)))
def test_booleans(left, right) -> None:
    assert parse_comparison("$.x", "BooleanEquals", right).holds(EvaluationScope({"x": left})) is (left == right)
    assert parse_comparison("$.x", "BooleanEqualsPath", "$.y").holds(EvaluationScope({"x": left, "y": right})) is (
        left == right
    )


@pytest.mark.parametrize(
    ("operator", "operand"), [("StringEquals", "1"), ("NumericEquals", 1), ("TimestampEquals", EARLY)]
)
def test_a_value_of_another_type_is_no_error_and_does_not_match(operator, operand) -> None:
    for value in [None, True, {}, [], 5 if operator != "NumericEquals" else "5"]:
        assert parse_comparison("$.x", operator, operand).holds(EvaluationScope({"x": value})) is False


@pytest.mark.parametrize(
    ("operator", "yes", "no"),
    [
        ("IsNull", [None], [0, ""]),
        ("IsNumeric", [0, 1.5], [True, "1"]),
        ("IsString", ["", "a"], [None, 1]),
        ("IsBoolean", [True, False], [0, None]),
        (
            "IsTimestamp",
            [EARLY, "2026-01-01t00:00:00.25z"],
            ["2026-01-01", "2026-13-01T00:00:00Z", "2026-01-01T00:00:00+05:60", 5],
        ),
    ],
)
def test_kinds(operator, yes, no) -> None:
    for value in yes:
        assert parse_comparison("$.x", operator, True).holds(EvaluationScope({"x": value}))
        assert not parse_comparison("$.x", operator, False).holds(EvaluationScope({"x": value}))
    for value in no:
        assert not parse_comparison("$.x", operator, True).holds(EvaluationScope({"x": value}))


def test_only_is_present_may_ask_for_what_is_not_there() -> None:
    assert parse_comparison("$.x", "IsPresent", False).holds(EvaluationScope({}))
    assert parse_comparison("$.x", "IsPresent", True).holds(EvaluationScope({"x": None}))
    with pytest.raises(RunTimeError, match="check IsPresent first"):
        parse_comparison("$.x", "IsNull", True).holds(EvaluationScope({}))


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        ("a*c", ["ac", "abc", "abcc"], ["ab", "xac"]),
        ("*.log", [".log", "a.log"], ["log"]),
        (r"a\*", ["a*"], ["ab"]),
        (r"a\\*", ["a\\", "a\\b"], ["ab"]),
        ("a*b*c", ["aXbYc", "abc"], ["acb"]),
        ("a.c", ["a.c"], ["abc"]),
        ("log-*.txt", ["log-.txt", "log-2026-01.txt"], ["log-a.txt.gz", "alog-1.txt"]),
        ("*a*a*", ["aa", "xaxax"], ["a", "xax"]),
        (r"\**\*", ["**", "*a*"], ["*", "a*"]),
        (r"a\b", [r"a\b"], ["ab"]),
        ("", [""], ["a"]),
        ("*", ["", "any\nthing"], []),
    ],
)
def test_string_matches(text, yes, no) -> None:
    assert all(compile_pattern(text).fullmatch(value) for value in yes)
    assert not any(compile_pattern(text).fullmatch(value) for value in no)


@pytest.mark.parametrize(
    ("operator", "operand"),
    [("NumericEquals", "1"), ("IsNull", "yes"), ("StringEqualsPath", 5), ("TimestampEquals", "today")],
)
def test_an_operand_of_the_wrong_kind_is_refused(operator, operand) -> None:
    with pytest.raises(ExpressionError, match=operator):
        parse_comparison("$.x", operator, operand)


def test_a_pattern_of_many_stars_takes_no_long_time() -> None:
    assert not parse_comparison("$.x", "StringMatches", "*a" * 400 + "b").holds(EvaluationScope({"x": "a" * 100_000}))


def test_dear_comparisons_are_charged() -> None:
    scope = EvaluationScope({"x": "a" * 100_000})
    one = parse_comparison("$.x", "StringMatches", "*b")
    with pytest.raises(RunTimeError, match="too many steps"):
        all(not one.holds(scope) for _ in range(20))


def holds(written, state) -> bool:
    problems = []
    found = parse_rule(written | {"Next": "B"}, "$", problems)
    assert problems == []
    return found.condition.holds(EvaluationScope(state))


def test_rules_are_nested() -> None:
    low, high = {"Variable": "$.x", "NumericLessThan": 3}, {"Variable": "$.x", "NumericGreaterThan": 8}
    assert holds({"Or": [low, high]}, {"x": 9})
    assert not holds({"Or": [low, high]}, {"x": 5})
    assert holds({"And": [low, {"Not": high}]}, {"x": 1})
    assert not holds({"Not": {"Or": [low, high]}}, {"x": 1})


def test_what_decides_nothing_any_more_is_not_looked_at() -> None:
    absent = {"Variable": "$.absent", "NumericEquals": 1}
    assert holds({"Or": [{"Variable": "$.x", "NumericEquals": 1}, absent]}, {"x": 1})
    assert not holds({"And": [{"Variable": "$.absent", "IsPresent": True}, absent]}, {"x": 1})


@pytest.mark.parametrize(
    ("written", "place", "why"),
    [
        ({"Variable": "$.x", "IsNull": True}, "$.Next", "is required"),
        ({"Next": "B", "And": []}, "$.And", "at least one"),
        ({"Next": "B", "Not": {"Variable": "$.x", "IsNull": True, "Next": "C"}}, "$.Not.Next", "outermost"),
        ({"Next": "B", "Variable": "$.x"}, "$", "has none"),
        ({"Next": "B", "Variable": "$.x", "IsNull": True, "IsString": True}, "$", "IsNull, IsString"),
        ({"Next": "B", "IsNull": True}, "$.Variable", "is required"),
        ({"Next": "B", "Variable": "$.x", "Is": True}, "$.Is", "unknown operator"),
        ({"Next": "B", "Variable": "$.x[*]", "IsNull": True}, "$.IsNull", "several values"),
    ],
)
def test_a_rule_that_is_wrong_says_where_and_why(written, place, why) -> None:
    problems = []
    parse_rule(written, "$", problems)
    assert [one.path for one in problems] == [place]
    assert why in problems[0].message
