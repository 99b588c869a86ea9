"""What expressions mean, and what the sandbox refuses."""

import pytest

from taskaction.flows.errors import ExpressionError, RunTimeError
from taskaction.flows.expressions import parse_expression
from taskaction.flows.scope import EvaluationScope

STATE = {
    "a": {"b": [1, 2, {"c": "d"}], "email": "x@y"},
    "n": 3,
    "s": "/~/p/q",
    "l": ["x", "y"],
    "obj-1": 7,
}


def scope() -> EvaluationScope:
    return EvaluationScope(STATE, {"email": "me"})


SPELLINGS = ["{name}", "$.{name}", "['{name}']", "$['{name}']"]


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("name", ["a", "n", "obj-1", "_context"])
def test_a_name_is_found_in_every_spelling(spelling: str, name: str) -> None:
    spelled = spelling.format(name=name)
    assert parse_expression(f'is_present("{spelled}")').evaluate(scope(), "seed") is True
    expected = {**STATE, "_context": {"email": "me"}}[name]
    assert parse_expression(f'getattr("{spelled}", 1)').evaluate(scope(), "seed") == expected


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("prefix", ["", "a.", "a.b[2].", "_context."])
def test_what_does_not_exist_is_not_present_in_any_spelling(spelling: str, prefix: str) -> None:
    name = spelling.format(name="zz")
    spelled = prefix + name if not name.startswith(("$", "[")) else name.replace("$", "$." + prefix if prefix else "$")
    spelled = spelled.replace(".[", "[").replace("..", ".")
    assert parse_expression(f'is_present("{spelled}")').evaluate(scope(), "seed") is False
    assert parse_expression(f'getattr("{spelled}", 1)').evaluate(scope(), "seed") == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`$.zz` if is_present('zz') else 'x'", "x"),
        ("is_present('zz') and `$.zz`", False),
        ("`$.n` if is_present('$.n') else 'x'", 3),
        ("[`$.zz` for x in []]", []),
        ("[`$.n` + x for x in (1, 2)]", [4, 5]),
        ("is_present('$.a.b[2].c') and is_present('a.b[-1].c')", True),
        ("is_present('l[0]') and not is_present('l[2]')", True),
        ("is_present('$.l[1]') and not is_present('$.l[1].x')", True),
        ("is_present('$')", True),
        ("is_present('a.' + 'b[0]')", True),
        ("is_present(name='$.n')", True),
        ("getattr('$._context.email')", "me"),
        ("getattr('two words')", None),
    ],
)
def test_paths_are_read_when_they_are_reached(text, expected) -> None:
    assert parse_expression(text).evaluate(scope(), "seed") == expected


def test_a_path_that_is_reached_must_exist() -> None:
    with pytest.raises(RunTimeError, match="zz does not exist"):
        parse_expression("1 if n == 4 else `$.zz`").evaluate(scope(), "seed")


@pytest.mark.parametrize("sign", ["+", "-", "*", "//", "and", "=="])
def test_a_chain_of_many_operators_works(sign: str) -> None:
    text = f" {sign} ".join(["n"] * 150)
    assert parse_expression(text).evaluate(EvaluationScope({"n": 1}), "seed") == eval(text, {"n": 1})


def test_a_chain_of_too_many_operators_is_refused_with_the_bound() -> None:
    with pytest.raises(ExpressionError, match="nested more than 200 levels deep; split it"):
        parse_expression(" + ".join(["n"] * 202))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b[2].c", "d"),
        ("a['b'][0:2]", [1, 2]),
        ("n + 1", 4),
        ("-n // 2 % 5", 3),
        ("2 ** 10", 1024),
        ("`$.a.b[0]` == 1 and not False", True),
        ("`$._context.email` or 'nobody'", "me"),
        ("`$.obj-1`", 7),
        ("'`' + s", "`/~/p/q"),
        ("[x * 2 for x in a.b[:2]]", [2, 4]),
        ("[[x, y] for x in l for y in l if x != y]", [["x", "y"], ["y", "x"]]),
        ("{x: len(x) for x in l}", {"x": 1, "y": 1}),
        ("'%s-%d' % (s, n)", "/~/p/q-3"),
        ("f'{n:03d}'", "003"),
        ("f'{s!r:>9}'", " '/~/p/q'"),
        ("pathsplit(s)", ["/~/p", "q"]),
        ("pathsplit('/~/path')", ["/~/", "path"]),
        ("is_present('a.b') and not is_present('zz')", True),
        ("getattr('zz')", None),
        ("getattr('zz', default=4)", 4),
        ("_context.email if n > 2 else None", "me"),
        ("s.rstrip('/').split('/')[-1]", "q"),
        ("s.endswith('q') and s.rpartition('/')[2] == 'q'", True),
        ("n in [1, 3] and n not in (4,)", True),
        ("a.b[0] is 1", True),
        ("','.join(str(x) for x in l)", "x,y"),
        ("(1, 2)", [1, 2]),
        ("l + ['z']", ["x", "y", "z"]),
        ("[0] * 3", [0, 0, 0]),
        ("sorted_ if is_present('sorted_') else a.get('q', 1)", 1),
        ("int('7') + float('0.5')", 7.5),
        ("s.rsplit('/', maxsplit=1)", ["/~/p", "q"]),
        ("dict([['a', 1]], b=2)", {"a": 1, "b": 2}),
        ("dict(a.b[2])", {"c": "d"}),
        ("{1: 'one', 2: 'two', 3: 'three'}[n]", "three"),
    ],
)
def test_what_an_expression_means(text, expected) -> None:
    assert parse_expression(text).evaluate(scope(), "seed") == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("'%0200000000d' % 1", "width 0200000000"),
        ("'%*d' % (999999999, 1)", "a width must be a number"),
        ("f'{1:0200000000d}'", "width 0200000000"),
        ("'a'.ljust(500000000)", "width 500000000"),
        ("'a' * 10**9", "too many steps"),
        ("[0] * 10**9", "too many steps"),
        ("[[0] * 1000] * 1000", "too many steps"),
        ("str([[0] * 1000] * 900)", "too many steps"),
        ("[a] * 99999 == [a] * 99999", "too many steps"),
        ("9 ** 9 ** 9", "too large"),
        ("10 ** 1200 * 10 ** 1200", "too large"),
        ("2 ** 64", "beyond 64 bits"),
        ("'a'.replace('', 'b' * 100000)", "would exceed 100000"),
        ("''.join(['a' * 1000] * 5000)", "characters"),
        ("[x for x in [0] * 5000 for y in [0] * 5000]", "too many"),
        ("int('9' * 5000)", "digits"),
        ("1 / 0", "division by zero"),
        ("true", "no property 'true'"),
        ("a.q", "property 'q' not found in a"),
        ("n.real", "property 'real' not found"),
        ("s.join", "property 'join' not found"),
        ("l[9]", "out of range"),
        ("a['zz']", "'zz' not found"),
        ("n.upper()", "a number has no method 'upper'"),
        ("(-1) ** 0.5", "complex"),
        ("1e308 * 10", "is NaN or Infinity"),
        ("{1: 2}", "not a string"),
        ("len", "no property 'len'"),
        ("'\\ud800'", "half of a surrogate pair"),
        ("{'\\ud800': 1}", "half of a surrogate pair"),
        ("'a'.center(10**9)", "width 1000000000"),
        ("'7'.zfill(10**9)", "width 1000000000"),
        ("str(10 ** 100000)", "too large"),
        ("f'{1:999999999}'", "width 999999999"),
        ("f'{1:{10 ** 9}}'", "width 1000000000"),
        ("('%s' * 5000) % ((s * 10000,) * 5000)", "too many steps"),
        ("f'{s * 10000}{s * 10000}'", "120000 characters"),
        ("`$.a.zz`", "does not exist"),
        ("(s * 5000).join([''] * 50000)", "would exceed 100000"),
        ("('a' * 90000).rfind('ab' + 'a' * 45000)", "from the end"),
        ("('a' * 90000).rsplit(sep='ab' + 'a' * 45000)", "from the end"),
        ("dict([[1, 2]])", "not a string"),
    ],
)
def test_what_cannot_be_evaluated_fails_at_run_time_and_at_once(text, why) -> None:
    with pytest.raises(RunTimeError, match=r"^States\.Runtime") as error:
        parse_expression(text).evaluate(scope(), "seed")
    assert why in str(error.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not a valid expression"),
        ("1 +", "not a valid expression"),
        ("lambda: 1", "Lambda is not available"),
        ("{1, 2}", "Set is not available"),
        ("x := 1", "not a valid expression"),
        ("a.__class__", "write ['__class__']"),
        ("state._private_x", "write ['_private_x']"),
        ("'{}'.format(1)", "method 'format' is not available"),
        ("open('x')", "unknown function open"),
        ("eval('1')", "unknown function eval"),
        ("str(**a)", "** is not available"),
        ("(lambda: 1)()", "unknown function"),
        ("-" * 5000 + "1", "nested too deeply"),
        ("is_present('$.a[*]')", "several values"),
        ("is_present('$..a')", "several values"),
        ("is_present('$.')", "remove the dot"),
        ("is_present('a[')", "is no path"),
        ("getattr('$.l[0:1]', 1)", "several values"),
        ("getattr(name='$$.x')", "Amazon States Language"),
        ("(" * 300 + "1" + ")" * 300, "not a valid expression"),
        ("1" * 20_000, "longer than"),
        ("`$.a", "unterminated"),
        ("`a`", "must start with $"),
        ("await a", "Await is not available"),
        ("len(b'a' * 10**9)", "bytes is not available"),
        ("1j", "complex is not available"),
        ("str(...)", "ellipsis is not available"),
    ],
)
def test_what_is_no_expression_is_refused_when_it_is_read(text, why) -> None:
    with pytest.raises(ExpressionError) as error:
        parse_expression(text)
    assert why in str(error.value)
    assert len(str(error.value)) < 400


@pytest.mark.parametrize(
    "text", ["int(_private_key)", "l[_private_key]", "{}[_private_key + 'x']", "int(`$._private_key`)"]
)
def test_an_error_shows_no_private_value(text) -> None:
    with pytest.raises(RunTimeError) as error:
        parse_expression(text).evaluate(EvaluationScope({"_private_key": "hunter2", "l": {}}), "seed")
    assert "hunter2" not in str(error.value)
    assert text in str(error.value)


def test_keys_that_were_made_to_collide_are_charged() -> None:
    dear = parse_expression("[len({top * n: n for n in numbers}) for _ in (1, 2)]")
    few, many = ({"top": 2**61 - 1, "numbers": list(range(count))} for count in (100, 4_000))
    assert dear.evaluate(EvaluationScope(few), "seed") == [100, 100]
    with pytest.raises(RunTimeError, match="too many steps"):
        dear.evaluate(EvaluationScope(many), "seed")


def test_a_state_that_is_no_object_has_no_names_but_the_context() -> None:
    assert parse_expression("_context.email").evaluate(EvaluationScope([1], {"email": "me"}), "seed") == "me"
    assert parse_expression("`$[0]` + 1").evaluate(EvaluationScope([1]), "seed") == 2
    with pytest.raises(RunTimeError, match="no property 'x'"):
        parse_expression("x").evaluate(EvaluationScope([1]), "seed")


def test_the_names_that_an_expression_looks_at_are_known() -> None:
    found = parse_expression("[x for x in a.b if n] + len(l) + `$.s`")
    assert found.names == {"a", "n", "l"}
    assert found.called == {"len"}
    assert [path.text for path in found.paths.values()] == ["$.s"]
