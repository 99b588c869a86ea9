"""Check of `doctor` for misspelt fields in objects that providers, flows and actions create.

The API server dropped unknown fields in silence for earlier versions, and refuses them now. The check reads specs and
the schemas of the API server only, so it reports the same before and after an upgrade.
"""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from taskaction.api.bodies import at
from taskaction.cli.findings import Finding, Severity
from taskaction.cli.session import Session
from taskaction.cli.waiting import LIVE
from taskaction.cluster.errors import ClusterError, ForbiddenError, NotFoundError
from taskaction.cluster.gateway import (
    ACTION_FLOWS,
    ACTION_PROVIDERS,
    CLUSTER_ACTION_PROVIDERS,
    TASK_ACTIONS,
    Body,
    Resource,
)

_TOPIC = "fields of objects"
_EXECUTOR_URL = "taskaction://executor/"
_DYNAMIC = (".$", ".=")
"""Ends of keys whose value a flow computes."""
_OPEN = "x-kubernetes-preserve-unknown-fields"
_KINDS = "x-kubernetes-group-version-kind"
_SHOWN = 10

Target = tuple[str, str, str, Mapping[str, Any]]
"""Place in the parameters, apiVersion and kind of an object, and a part of it that has its shape."""


async def check_fields(session: Session) -> list[Finding]:
    """Check for fields that the API server does not know."""
    schemas, found = _Schemas(session), []
    async for title, executor, parameters in _sources(session):
        for place, version, kind, value in created_objects(executor, parameters):
            schema = await schemas.of(version, kind)
            if schema is not None:
                found += [f"{title}: {place}{one}" for one in unknown_fields(value, schema, schemas.parts(version))]
    if not found:
        text = f"no provider, flow or waiting action of {session.namespace} has an unknown field in what it creates"
        return [Finding(Severity.OK, _TOPIC, text)]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    remedy = "correct or remove them: the API server refuses these objects, and the actions fail as InvalidParameters"
    return [Finding(Severity.PROBLEM, _TOPIC, f"unknown fields: {'; '.join(found[:_SHOWN])}{more}", remedy)]


def created_objects(executor: str, parameters: Mapping[str, Any]) -> Iterator[Target]:
    """Yield the parts of parameters that become an object of the cluster, by executor."""
    template, spec, manifest = (_object(parameters.get(name)) for name in ("template", "spec", "manifest"))
    if executor in {"job", "pod"} and template is not None:
        yield "", "v1", "PodTemplate", {"template": template}
    if executor == "job" and spec is not None:
        yield "", "batch/v1", "Job", {"spec": spec}
    if executor == "resource" and manifest is not None:
        version, kind = manifest.get("apiVersion"), manifest.get("kind")
        if isinstance(version, str) and isinstance(kind, str):
            yield "manifest.", version, kind, manifest


def unknown_fields(value: Any, schema: Mapping[str, Any], parts: Mapping[str, Any], place: str = "") -> Iterator[str]:
    """Yield the fields of a value that an OpenAPI schema does not know; ``parts`` are those that it refers to."""
    schema = _resolve(schema, parts)
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from unknown_fields(one, schema.get("items", {}), parts, f"{place}[{number}]")
    if not isinstance(value, Mapping) or schema.get(_OPEN):
        return
    known, others = schema.get("properties"), schema.get("additionalProperties")
    for key, part in value.items():
        name = key[:-2] if key.endswith(_DYNAMIC) else key
        path = f"{place}.{name}" if place else name
        if known is not None and name in known:
            yield from unknown_fields(None if name != key else part, known[name], parts, path)
        elif isinstance(others, Mapping):
            yield from unknown_fields(None if name != key else part, others, parts, path)
        elif known is not None and not others:
            close = get_close_matches(name, known, n=1)
            yield path + (f" (did you mean {close[0]}?)" if close else "")


def _resolve(schema: Mapping[str, Any], parts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema without references: OpenAPI of Kubernetes has them alone, or alone in ``allOf``."""
    inner = schema.get("allOf")
    if isinstance(inner, list) and len(inner) == 1:
        schema = inner[0]
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found: Mapping[str, Any] = parts.get(str(reference).rpartition("/")[2], {})
    return found


class _Schemas:
    """Schemas of the API server, read once for each apiVersion."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._parts: dict[str, Mapping[str, Any]] = {}

    async def of(self, version: str, kind: str) -> Mapping[str, Any] | None:
        """Return the schema of a kind; None if the API server has none."""
        if version not in self._parts:
            root = "apis" if "/" in version else "api"
            try:
                document = json.loads(await self._session.cluster.text(f"/openapi/v3/{root}/{version}"))
            except (ClusterError, ValueError):
                document = {}
            self._parts[version] = at(document, "components.schemas", {})
        group, _, number = version.rpartition("/")
        wanted = {"group": group, "version": number, "kind": kind}
        return next((one for one in self._parts[version].values() if wanted in one.get(_KINDS, ())), None)

    def parts(self, version: str) -> Mapping[str, Any]:
        """Return all schemas of an apiVersion that was read."""
        return self._parts[version]


async def _sources(session: Session) -> AsyncIterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield what creates objects: its title, its executor, and its parameters."""
    async for body in _list(session, ACTION_PROVIDERS, session.namespace):
        yield _title(ACTION_PROVIDERS, body), at(body, "spec.executor", ""), at(body, "spec.config", {})
    with suppress(ForbiddenError):  # a user with rights in one namespace need not see cluster providers
        async for body in _list(session, CLUSTER_ACTION_PROVIDERS, ""):
            yield _title(CLUSTER_ACTION_PROVIDERS, body), at(body, "spec.executor", ""), at(body, "spec.config", {})
    async for body in _list(session, ACTION_FLOWS, session.namespace):
        for place, executor, parameters in action_states(at(body, "spec.definition"), ""):
            yield f"{_title(ACTION_FLOWS, body)}, {place}", executor, parameters
    async for body in _list(session, TASK_ACTIONS, session.namespace, LIVE):
        yield _title(TASK_ACTIONS, body), at(body, "spec.executor", ""), at(body, "spec.parameters", {})


def action_states(value: Any, name: str) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield name, executor and parameters of the states of a definition that call an executor, at any depth."""
    if isinstance(value, list):
        for one in value:
            yield from action_states(one, name)
    if not isinstance(value, Mapping):
        return
    url, parameters = value.get("ActionUrl"), value.get("Parameters")
    if isinstance(url, str) and url.startswith(_EXECUTOR_URL) and isinstance(parameters, Mapping):
        yield f"state {name}", url.removeprefix(_EXECUTOR_URL), parameters
        return
    for key, one in value.items():
        yield from action_states(one, key)


async def _list(session: Session, kind: Resource, namespace: str, fields: str = "") -> AsyncIterator[Body]:
    with suppress(NotFoundError):  # the CRDs are missing, which another finding reports
        async for body in session.cluster.list(kind, namespace, field_selector=fields):
            yield body


def _title(kind: Resource, body: Body) -> str:
    return f"{kind.kind} {body['metadata']['name']}"


def _object(value: Any) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None
