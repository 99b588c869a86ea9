"""``{{ name }}`` templates: values keep their types, nothing is evaluated, and an unknown name is named."""

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.executors.templates import RESULT_LIMIT, render, render_fields_of, render_text, render_url
from taskaction.plugin.errors import InvalidParametersError

VALUES: dict[str, Any] = {
    "parameters": {"id": 7, "name": "web", "tags": ["a", "b"], "on": True, "none": None, "x-y": 1, "o": {"k": 1.5}},
    "action": {"name": "one", "labels": {"app": "shop"}},
    "attempt": 2,
}

WHOLE = {
    "a number": ("{{ parameters.id }}", 7),
    "a truth": ("{{ parameters.on }}", True),
    "nothing": ("{{ parameters.none }}", None),
    "a list": ("{{ parameters.tags }}", ["a", "b"]),
    "one of a list": ("{{ parameters.tags.1 }}", "b"),
    "an object": ("{{ parameters.o }}", {"k": 1.5}),
    "with space around": ("  {{parameters.id}} \n", 7),
    "a name with a dash": ("{{ parameters.x-y }}", 1),
}
PARTS = {
    "a text": ("hello {{ parameters.name }}!", "hello web!"),
    "a number": ("id={{parameters.id}}", "id=7"),
    "a truth as json": ("on={{ parameters.on }}", "on=true"),
    "nothing as json": ("none={{ parameters.none }}", "none=null"),
    "a list as json": ("tags={{ parameters.tags }}", 'tags=["a","b"]'),
    "two": ("{{ action.name }}-{{ attempt }}", "one-2"),
    "none": ("plain", "plain"),
    "empty": ("", ""),
    "single braces": ("{ parameters.id }", "{ parameters.id }"),
    "what is no name": ("{{ 1 + 1 }} {{ parameters.id | upper }} {{}}", "{{ 1 + 1 }} {{ parameters.id | upper }} {{}}"),
}


@pytest.mark.parametrize(("template", "value"), WHOLE.values(), ids=WHOLE)
def test_a_template_that_is_one_field_becomes_the_value_itself(template: str, value: Any) -> None:
    result = render(template, VALUES)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(("template", "text"), PARTS.values(), ids=PARTS)
def test_within_a_text_a_value_becomes_text(template: str, text: str) -> None:
    assert render(template, VALUES) == text


def test_templates_are_filled_in_at_any_depth_and_other_values_stay() -> None:
    template = {"a": ["{{ parameters.id }}", {"{{ action.name }}": "x{{ attempt }}"}], "n": 1, "t": ("{{ attempt }}",)}
    assert render(template, VALUES) == {"a": [7, {"one": "x2"}], "n": 1, "t": [2]}


UNKNOWN = ["parameters.nobody", "nobody", "parameters.tags.2", "parameters.tags.-1", "parameters.name.upper", "a..b"]


@pytest.mark.parametrize("name", UNKNOWN)
@pytest.mark.parametrize("template", ["{{{{ {} }}}}", "x {{{{ {} }}}}"], ids=["whole", "part"])
def test_an_unknown_name_is_an_error_that_names_it(template: str, name: str) -> None:
    with pytest.raises(InvalidParametersError, match="unknown template value") as error:
        render(template.format(name), VALUES)
    assert repr(name) in str(error.value)


@pytest.mark.parametrize(
    "name", ["parameters.__class__", "action.name.__len__", "parameters.keys", "parameters.tags.pop"]
)
def test_no_attribute_of_python_is_reachable(name: str) -> None:
    with pytest.raises(InvalidParametersError):
        render(f"{{{{ {name} }}}}", VALUES)


def test_a_value_that_looks_like_a_template_is_not_filled_in_again() -> None:
    values = {"a": "{{ secret }}", "secret": "s"}
    assert render("{{ a }}", values) == "{{ secret }}"
    assert render("x{{ a }}", values) == "x{{ secret }}"


def test_a_text_cannot_grow_without_bound() -> None:
    values = {"a": "x" * 1000}
    assert len(render_text("{{ a }}" * 262, values)) <= RESULT_LIMIT
    with pytest.raises(InvalidParametersError, match=f"longer than {RESULT_LIMIT} characters"):
        render_text("{{ a }}" * 263, values)


HOSTILE = {
    "open": "{{" * 100_000,
    "space": "{{" + " " * 200_000,
    "name": "{{ " + "a." * 100_000,
    "nested": "{{ a " * 50_000,
}


@pytest.mark.parametrize("template", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_template_costs_no_time(template: str) -> None:
    before = time.process_time()
    assert render_text(template[:RESULT_LIMIT], {"a": 1}) == template[:RESULT_LIMIT]
    assert time.process_time() - before < 2.0


@given(st.text(max_size=200).filter(lambda text: "{{" not in text))
@settings(max_examples=100)
def test_a_text_without_fields_stays_as_it_is(text: str) -> None:
    assert render(text, VALUES) == text


@given(st.text(max_size=50), st.text(max_size=50))
@settings(max_examples=100)
def test_a_value_stands_in_its_place_unchanged(before: str, value: str) -> None:
    plain = before.replace("{", "")
    assert render_text(f"{plain}{{{{ v }}}}.", {"v": value}) == f"{plain}{value}."


# -- URLs --------------------------------------------------------------------------------------------------------------


def test_a_value_in_a_url_is_encoded_whole() -> None:
    assert render_url("http://h/{{ v }}?q={{ v }}", {"v": "a/b?c&d#é"}, "url") == (
        "http://h/a%2Fb%3Fc%26d%23%C3%A9?q=a%2Fb%3Fc%26d%23%C3%A9"
    )


def test_a_url_that_is_one_value_is_taken_as_it_is() -> None:
    assert render_url(" {{ v }} ", {"v": "http://h/a?b=c"}, "url") == "http://h/a?b=c"


@pytest.mark.parametrize("value", [".", ".."])
def test_a_value_cannot_become_a_step_up_the_path(value: str) -> None:
    with pytest.raises(InvalidParametersError, match="path segment"):
        render_url("http://h/teams/{{ v }}/x", {"v": value}, "polling.url")
    assert render_url("http://h/../{{ v }}", {"v": "x"}, "url") == "http://h/../x"


# -- fields of one root ------------------------------------------------------------------------------------------------


def test_only_fields_of_one_root_are_replaced_and_no_names_of_members() -> None:
    template = {"a": ["{{ schedule.time }}!", "{{ parameters.x }}"], "{{ schedule.time }}": 1, "b": "{{schedule.time}}"}
    assert render_fields_of("schedule", template, {"time": "now"}) == {
        "a": ["now!", "{{ parameters.x }}"],
        "{{ schedule.time }}": 1,
        "b": "now",
    }


def test_an_unknown_field_of_the_root_is_an_error_that_names_it() -> None:
    with pytest.raises(InvalidParametersError, match=r"schedule\.tme"):
        render_fields_of("schedule", {"a": "{{ schedule.tme }}"}, {"time": "now"})
