"""Objects of schedules as manifests, and what may not be in a template; pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from taskaction.api.account_use import uses_account
from taskaction.api.action_schedule import ActionSchedule, TemplateMetadata
from taskaction.api.enums import ParentKind
from taskaction.cluster.gateway import ACTION_SCHEDULES, Body
from taskaction.control.objects.owned import RESOURCES, parse_object
from taskaction.core.constants import GROUP, SCHEDULE_LABEL, SCHEDULED_TIME_ANNOTATION
from taskaction.executors.templates import render_fields_of
from taskaction.plugin.errors import InvalidParametersError

_ROOT = "schedule"
_PLACE = "spec.template.spec"
_RESERVED = f"{GROUP}/"
_OF_LIVE_OBJECTS = ("abort", "signal")


class TemplateError(ValueError):
    """A template makes no valid object; the message names the field and the remedy."""


def format_nominal(time: datetime) -> str:
    """Return a nominal time as RFC 3339 in UTC, without fractions of a second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def build_manifest(schedule: ActionSchedule, name: str, time: datetime, owner: Body) -> Body:
    """Return the object ``name`` of a nominal time, which belongs to ``owner``; always the same for the same arguments.

    Raises:
        TemplateError: the template makes no object that the operator may create.
    """
    template, metadata = schedule.spec.template, schedule.metadata
    resource, extra = RESOURCES[template.kind], template.metadata or TemplateMetadata()
    _check_metadata(extra)
    values = {"time": format_nominal(time), "name": metadata.name}
    try:
        spec = render_fields_of(_ROOT, template.spec, values)
    except InvalidParametersError as error:
        raise TemplateError(f"{_PLACE}: {error}; use {{{{ schedule.time }}}} or {{{{ schedule.name }}}}") from error
    body: Body = {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": name,
            "namespace": metadata.namespace,
            "labels": {**extra.labels, SCHEDULE_LABEL: metadata.name},
            "annotations": {**extra.annotations, SCHEDULED_TIME_ANNOTATION: format_nominal(time)},
            "ownerReferences": [owner],
        },
        "spec": spec,
    }
    _check_spec(template.kind, spec, body)
    return body


def controller_reference(schedule: ActionSchedule) -> Body:
    """Return the reference in what the operator makes; only one owner of an object can be its controller."""
    return owner_reference(schedule) | {"controller": True}


def owner_reference(schedule: ActionSchedule) -> Body:
    """Return the reference by which the garbage collector deletes an object with its schedule."""
    return {
        "apiVersion": ACTION_SCHEDULES.api_version,
        "kind": ACTION_SCHEDULES.kind,
        "name": schedule.metadata.name,
        "uid": schedule.metadata.uid,
    }


def is_owned_by(schedule: ActionSchedule, found: Body) -> bool:
    """Whether an object belongs to a schedule, by its owner: anybody can set the label on other objects."""
    owners = found["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == schedule.metadata.uid for owner in owners)


def account_of(spec: Mapping[str, Any]) -> str:
    """Return the ServiceAccount that creates an object; empty if the operator does."""
    return str((spec.get("runAs") or {}).get("serviceAccountName") or "")


def _check_metadata(extra: TemplateMetadata) -> None:
    """Raise ``TemplateError`` if a template sets what programs of this project rely on.

    The operator may set it on what it creates, and so on what a template makes it create. The CRD asks the same, but
    not of fields that were stored before it did.
    """
    for field, found in (("labels", extra.labels), ("annotations", extra.annotations)):
        if reserved := next((key for key in found if key.startswith(_RESERVED)), None):
            raise TemplateError(f"spec.template.metadata.{field}: {reserved} is the operator's; remove it")


def _check_spec(kind: ParentKind, spec: Mapping[str, Any], body: Body) -> None:
    """Raise ``TemplateError`` unless the operator may create the object, as the admission policy asks, too."""
    for field in _OF_LIVE_OBJECTS:
        if field in spec:
            raise TemplateError(f"{_PLACE}.{field}: is for objects that exist; remove it from the template")
    probe = {**body, "metadata": {**body["metadata"], "uid": "-", "creationTimestamp": "2000-01-01T00:00:00Z"}}
    try:
        parse_object(kind, probe)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise TemplateError(f"spec.template.{place}: {first['msg']}; fix the template") from error
    if kind is not ParentKind.TASK_ACTION or account_of(spec):
        return
    executor, parameters = str(spec.get("executor") or ""), spec.get("parameters") or {}
    if spec.get("providerRef") or spec.get("parametersFrom") or uses_account(executor, parameters):
        raise TemplateError(
            f"{_PLACE}.runAs: an action of a schedule that uses a provider or an account must name the account that "
            f"creates it; set {_PLACE}.runAs"
        )
