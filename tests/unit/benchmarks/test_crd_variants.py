"""Variants of a CRD for a measurement: which rules are found, and what a variant still has."""

import pytest

from benchmarks.crd_variants import (
    GROUP,
    RULES,
    evaluated_rules,
    reference_crd,
    renamed,
    schema_of,
    with_one_rule,
    without_rules,
)
from taskaction.crdgen.manifest import KINDS, crd_manifest

ACTION = next(crd_manifest(kind) for kind in KINDS if kind.name == "TaskAction")
SHORT = {"spec": {"executor": "noop"}, "status": {"phase": "Succeeded", "attempt": 1}}


def rules_in(part: object) -> list[str]:
    if isinstance(part, dict):
        return [rule["rule"] for rule in part.get(RULES, [])] + [
            text for one in part.values() for text in rules_in(one)
        ]
    return []


def test_only_rules_of_fields_that_are_set_are_evaluated() -> None:
    found = evaluated_rules(schema_of(ACTION), SHORT)
    assert {place.path for place in found} == {
        (),
        ("spec",),
        ("spec", "executor"),
        ("status",),
        ("status", "phase"),
        ("status", "attempt"),
    }
    assert len(found) == len(set(found)) < len(rules_in(schema_of(ACTION)))


def test_a_variant_without_rules_keeps_the_fields() -> None:
    bare = without_rules(ACTION)
    assert rules_in(schema_of(bare)) == []
    assert schema_of(bare)["properties"]["status"]["properties"].keys() == (
        schema_of(ACTION)["properties"]["status"]["properties"].keys()
    )
    assert rules_in(schema_of(ACTION)), "the original has lost its rules"


@pytest.mark.parametrize("place", evaluated_rules(schema_of(ACTION), SHORT), ids=str)
def test_a_variant_has_one_rule_many_times(place) -> None:
    found = rules_in(schema_of(with_one_rule(ACTION, place, 3)))
    assert [text.strip() for text in found] == [place.text] * 3
    assert len(set(found)) == 3, "the API server takes rules as a map by their text"


def test_a_renamed_kind_is_in_a_group_of_its_own() -> None:
    crd = renamed(ACTION, "probes")
    assert crd["metadata"]["name"] == f"probes.{GROUP}"
    assert (crd["spec"]["group"], crd["spec"]["names"]["plural"]) == (GROUP, "probes")
    assert schema_of(crd) == schema_of(ACTION)
    assert ACTION["spec"]["group"] != GROUP


def test_the_reference_does_not_depend_on_the_projects_schema() -> None:
    crd = reference_crd("references", {"phase": "string"})
    assert rules_in(crd) == []
    assert schema_of(crd)["properties"]["status"]["properties"] == {"phase": {"type": "string"}}
