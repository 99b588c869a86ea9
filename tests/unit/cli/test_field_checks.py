"""Unknown fields are found by the OpenAPI document of the API server, also in definitions that a flow computes."""

from typing import Any

import pytest

from taskaction.cli.field_checks import action_states, created_objects, unknown_fields

PARTS: dict[str, Any] = {
    "Pod": {
        "properties": {
            "spec": {"allOf": [{"$ref": "#/components/schemas/PodSpec"}], "default": {}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "open": {"x-kubernetes-preserve-unknown-fields": True, "properties": {}},
            "bare": {"type": "object"},
        }
    },
    "PodSpec": {"properties": {"containers": {"items": {"$ref": "#/components/schemas/Container"}}}},
    "Container": {"properties": {"name": {"type": "string"}}},
}


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"spec": {"containers": [{"name": "x"}]}}, []),
        ({"spec": {"containers": [{"nane": "x"}]}}, ["spec.containers[0].nane (did you mean name?)"]),
        ({"spce": {}}, ["spce (did you mean spec?)"]),
        ({"spec.$": "$.x", "spce.=": "1"}, ["spce (did you mean spec?)"]),
        ({"spec": "{{ parameters.spec }}"}, []),
        ({"labels": {"anything": "x"}, "open": {"any": 1}, "bare": {"any": 1}}, []),
    ],
)
def test_fields_that_a_schema_does_not_know_are_named(value: Any, found: list[str]) -> None:
    assert list(unknown_fields(value, PARTS["Pod"], PARTS)) == found


def test_states_are_found_at_any_depth() -> None:
    state = {"Type": "Action", "ActionUrl": "taskaction://executor/job", "Parameters": {"image": "x"}}
    nested = {"States": {"Each": {"Type": "Map", "Iterator": {"States": {"Inner": state}}}, "Own": state}}
    assert [(name, executor) for name, executor, _ in action_states(nested, "")] == [
        ("state Inner", "job"),
        ("state Own", "job"),
    ]


def test_the_objects_of_executors_are_known() -> None:
    manifest = {"apiVersion": "v1", "kind": "ConfigMap"}
    assert [one[:3] for one in created_objects("resource", {"manifest": manifest})] == [
        ("manifest.", "v1", "ConfigMap")
    ]
    assert [one[2] for one in created_objects("job", {"template": {}, "spec": {}})] == ["PodTemplate", "Job"]
    assert list(created_objects("http", {"template": {}})) == []
    assert list(created_objects("resource", {"manifest": "{{ parameters.manifest }}"})) == []
