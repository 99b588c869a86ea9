"""Paths: what they read, what they write, and which are refused."""

import pytest

from taskaction.flows.errors import ExpressionError, RunTimeError
from taskaction.flows.paths import parse_path, parse_reference_path, parse_result_path
from taskaction.flows.scope import EvaluationScope

DATA = {"a": {"b": [1, {"c": 2}], "x-y": 3, "sp ace": 4}, "n": None}
CONTEXT = {"email": "e"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$", DATA),
        ("$.a.b[1].c", 2),
        ("$.a.b[-1]", {"c": 2}),
        ("$.a.x-y", 3),
        ("$.a['sp ace']", 4),
        ("$._context.email", "e"),
        ("$.n", None),
    ],
)
def test_a_definite_path_gives_the_bare_value(text, expected) -> None:
    assert parse_path(text).read(EvaluationScope(DATA, CONTEXT)) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$.a.b[*]", [1, {"c": 2}]),
        ("$.a.b[1:]", [{"c": 2}]),
        ("$..c", [2]),
        ("$.a.b[?@.c == 2]", [{"c": 2}]),
        ("$.nothing[*]", []),
    ],
)
def test_any_other_path_gives_the_list_of_what_matches(text, expected) -> None:
    assert parse_path(text).read(EvaluationScope(DATA, CONTEXT)) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("$.a.q", "no 'q' beside b, sp ace, x-y"),
        ("$.a.b[9]", "the list has 2 elements"),
        ("$.a.b.c", "a value that is no object"),
        ("$.a[0]", "a value that is no list"),
    ],
)
def test_a_definite_path_that_matches_nothing_says_what_there_is(text, why) -> None:
    with pytest.raises(RunTimeError) as error:
        parse_path(text).read(EvaluationScope(DATA, CONTEXT))
    assert why in str(error.value)


def test_too_many_matches_are_an_error() -> None:
    with pytest.raises(RunTimeError, match="more than 10000"):
        parse_path("$[*]").read(EvaluationScope([0] * 10_001))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a.b", "must start with"),
        ("$.a.", "no path: remove the dot at its end"),
        ("$.", "no path: remove the dot at its end"),
        ("$.1x", "write ['1x'] for .1x"),
        ("$.a.2b.c", "write ['2b'] for .2b"),
        ("$.two words", "write ['two words'] for .two words"),
        ("$.a:b[0]", "write ['a:b'] for .a:b"),
        ("$$.Execution.Id", "$._context describes the run"),
        ("States.Format('{}', $.a)", "write an expression"),
        ("$[", "no path"),
        ("$.a | $.b", "no path"),
        ("$.a[?@ =~ /(x+)+y/]", "no path"),
        ("$.a[?@.x in [1]]", "no path"),
        ("$..[?$.a[*].x]", "more than the value"),
        ("$..[?$.a == $.b]", "more than the value"),
        ("$.a[?@.x > $.b.y || !$.c[*]]", "more than the value"),
        ("$..a..b", "more than once"),
        ("$.a[?match(@, 'x*')]", "no path"),
        ("$.a[?@[?@.x]]", "filter"),
        ("$." + "a" * 2000, "longer than"),
    ],
)
def test_what_is_no_path_or_could_be_slow_is_refused(text, why) -> None:
    with pytest.raises(ExpressionError) as error:
        parse_path(text)
    assert why in str(error.value)


@pytest.mark.parametrize("text", ["$.a[*]", "$..a", "$.a[0:1]"])
def test_a_reference_path_means_one_place(text) -> None:
    with pytest.raises(ExpressionError, match="several values"):
        parse_reference_path(text)


def test_the_context_is_beside_the_state_and_no_part_of_it() -> None:
    scope = EvaluationScope({"_context": "a user's own", "a": 1}, {"email": "e", "ids": [{"email": "f"}]})
    assert parse_path("$").read(scope) == scope.data
    assert parse_path("$._context.ids[*].email").read(scope) == ["f"]
    assert parse_path("$..email").read(scope) == []
    assert parse_path("$._context.email").read(EvaluationScope([1, 2], {"email": "e"})) == "e"


def test_what_is_private_is_not_listed_in_an_error() -> None:
    with pytest.raises(RunTimeError) as error:
        parse_path("$._private_keys.zz").read(EvaluationScope({"_private_keys": {"hunter2": 1}}))
    assert "hunter2" not in str(error.value)


def test_a_path_through_much_data_is_charged() -> None:
    scope = EvaluationScope([[0] * 100] * 1_000)
    with pytest.raises(RunTimeError, match="too many steps"):
        parse_path("$..x").read(scope)


def test_the_context_cannot_be_written() -> None:
    with pytest.raises(ExpressionError, match="read-only"):
        parse_result_path("$._context.email")


def test_a_value_is_written_into_a_copy() -> None:
    before = {"a": {"b": [1, {"c": 2}]}}
    assert parse_path("$.a.b[1].c").write(before, 9) == {"a": {"b": [1, {"c": 9}]}}
    assert parse_path("$.new.deep").write(before, 9) == {"a": {"b": [1, {"c": 2}]}, "new": {"deep": 9}}
    assert parse_path("$").write(before, 9) == 9
    assert before == {"a": {"b": [1, {"c": 2}]}}


@pytest.mark.parametrize("text", ["$.a.b.c", "$.a.b[7]", "$.n[0]"])
def test_what_has_no_place_cannot_be_written(text) -> None:
    with pytest.raises(RunTimeError, match="cannot be written"):
        parse_path(text).write({"a": {"b": [1]}, "n": 5}, 9)
