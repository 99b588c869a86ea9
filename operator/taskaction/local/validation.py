"""Validation of the project's kinds without an API server: schemas, unknown fields, simple rules.

CEL rules are evaluated only if they compare which of two fields is present; permissions are not checked.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator

from taskaction.api.action_flow_run import MUTABLE_RUN_FIELDS
from taskaction.api.task_action_rules import MUTABLE_SPEC_FIELDS
from taskaction.cluster.errors import InvalidError
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, ACTION_SCHEDULES, TASK_ACTIONS, Body, Resource
from taskaction.core.constants import GROUP
from taskaction.core.durations import parse_duration
from taskaction.crdgen.manifest import KINDS, crd_manifest
from taskaction.schedules.errors import ScheduleError
from taskaction.schedules.times import timetable

_MUTABLE = {TASK_ACTIONS.kind: MUTABLE_SPEC_FIELDS, ACTION_FLOW_RUNS.kind: MUTABLE_RUN_FIELDS}
_EXCLUSIVE = re.compile(r"(?:oldSelf\.hasValue\(\) \|\| \()?has\(self\.(\w+)\) != has\(self\.(\w+)\)\)?")
_OPEN = "x-kubernetes-preserve-unknown-fields"
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


def validate_object(resource: Resource, body: Body, old: Body | None) -> Body:
    """Return the object, or raise ``InvalidError`` with all problems."""
    if resource.group != GROUP:
        return body
    kind = resource.kind
    problems = [] if old is not None else list(_find_envelope_problems(resource, body))
    schema, spec = _spec_schema(kind), body.get("spec")
    errors = Draft202012Validator(schema).iter_errors(spec)
    problems += [f"{_path(('spec', *error.absolute_path))}: {error.message}" for error in errors]
    problems += [*_find_unknown_fields(spec, schema, "spec"), *_find_rule_violations(spec, schema, "spec")]
    if kind == ACTION_SCHEDULES.kind and not problems:
        problems += _find_schedule_problems(body)
    if old is not None and kind in _MUTABLE:
        before, after = old.get("spec") or {}, body.get("spec") or {}
        for name in sorted((before.keys() | after.keys()) - _MUTABLE[kind]):
            if before.get(name) != after.get(name):
                problems.append(f"spec.{name}: is immutable; delete the object and create a new one")
    if problems:
        title = body["metadata"].get("name") or body["metadata"].get("generateName")
        raise InvalidError(f"{kind} {title!r} is invalid: " + "; ".join(dict.fromkeys(problems)))
    return body


def _find_schedule_problems(body: Body) -> Iterator[str]:
    """Yield the problems that the API server does not see: of the times, and of the template, whose schema is open."""
    spec, template = body["spec"], body["spec"]["template"]
    made, schema = template["spec"], _spec_schema(template.get("kind", TASK_ACTIONS.kind))
    for error in Draft202012Validator(schema).iter_errors(made):
        yield f"{_path(('spec', 'template', 'spec', *error.absolute_path))}: {error.message}"
    yield from _find_unknown_fields(made, schema, "spec.template.spec")
    yield from _find_rule_violations(made, schema, "spec.template.spec")
    try:
        timetable(
            cron=spec.get("cron"),
            time_zone=spec.get("timeZone"),
            interval=parse_duration(spec["interval"]) if "interval" in spec else None,
            anchor=_ANY_TIME,
        )
    except ScheduleError as error:
        yield str(error)


def _find_envelope_problems(resource: Resource, body: Body) -> Iterator[str]:
    if body.get("apiVersion") != resource.api_version:
        yield f"apiVersion: must be {resource.api_version!r}, not {body.get('apiVersion')!r}"
    name = body["metadata"].get("name")
    if name is not None and not _NAME.fullmatch(str(name)):
        yield f"metadata.name: invalid name {name!r}; use lower case letters, digits, '-' and '.'"


@cache
def _spec_schema(kind: str) -> Body:
    one = next(found for found in KINDS if found.name == kind)
    schema: Body = crd_manifest(one)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    return schema


def _find_unknown_fields(value: Any, schema: Body, place: str) -> Iterator[str]:
    """Yield the fields that the schema does not know; kubectl refuses them too."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _find_unknown_fields(item, schema.get("items", {}), f"{place}[{number}]")
    if not isinstance(value, dict) or schema.get(_OPEN) or "properties" not in schema:
        return
    known = schema["properties"]
    for name, part in value.items():
        if name in known:
            yield from _find_unknown_fields(part, known[name], f"{place}.{name}")
        else:
            close = get_close_matches(name, known, n=1)
            yield f"{place}.{name}: unknown field" + (f", did you mean {close[0]!r}?" if close else "")


def _find_rule_violations(value: Any, schema: Body, place: str) -> Iterator[str]:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _find_rule_violations(item, schema.get("items", {}), f"{place}[{number}]")
    if not isinstance(value, dict):
        return
    for rule in schema.get("x-kubernetes-validations", ()):
        found = _EXCLUSIVE.fullmatch(rule["rule"])
        if found is not None and (found[1] in value) == (found[2] in value):
            yield f"{place}: {rule['message']}"
    for name, part in schema.get("properties", {}).items():
        if name in value:
            yield from _find_rule_violations(value[name], part, f"{place}.{name}")


def _path(parts: Any) -> str:
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
    return text.removeprefix(".")
