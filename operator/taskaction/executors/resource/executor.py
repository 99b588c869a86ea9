"""The ``resource`` executor: puts an object there, and reads from it whether the work behind it has ended."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from taskaction.cluster.gateway import Body, Resource
from taskaction.core.names import child_name
from taskaction.executors.child import Child, ChildExecutor, gone
from taskaction.executors.resource.kinds import KNOWN
from taskaction.executors.resource.model import Check, ResourceParameters
from taskaction.executors.workloads.manifests import labels_of, owned
from taskaction.executors.workloads.source import model_of
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run
from taskaction.plugin.checks import ConditionWanted, Expectation, at_path
from taskaction.plugin.errors import InvalidParametersError

_LONGEST_LOOK = 30.0


class ResourceExecutor(ChildExecutor):
    """Runs work that another controller knows how to do."""

    ACTION_NAME = "resource"
    PARAMETERS = ResourceParameters
    CONFIG = ResourceParameters
    PROPAGATION = "Foreground"  # so that the object is gone only when what belongs to it is

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """What nothing owns has to be deleted by the operator."""
        return Traits(idempotent=True, external_effect=(config or parameters).get("owned") is False)

    async def child(self, run: Run) -> Child:
        """Give the object, under the name that it asks for or one of the attempt's own."""
        parameters = model_of(ResourceParameters, run)
        manifest = parameters.manifest
        resource = await self.actor.resource(manifest.api_version, manifest.kind)
        if resource is None:
            raise InvalidParametersError(
                f"manifest: the API server does not know kind {manifest.kind!r} of {manifest.api_version!r}: "
                "install its CustomResourceDefinition, or mend apiVersion and kind"
            )
        _checks(parameters, resource)  # before anything is created
        return Child(resource=resource, body=_body(parameters, resource, run), patience=parameters.start_timeout)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Say how the action stands by what the object says of itself."""
        parameters = model_of(ResourceParameters, run)
        success, failure = _checks(parameters, child.resource)
        what = child.title
        if (found := _held(failure, body)) is not None:
            return Failed(code=f"{child.resource.kind}Failed", message=f"{what}: {found.finding(body)}")
        if not success or _held(success, body) is not None:
            output = at_path(body, parameters.output) if parameters.output is not None else None
            return Succeeded(output=output, message="" if success else f"{what} was created")
        if "deletionTimestamp" in body["metadata"]:
            return gone(child.resource.kind, child.title)
        findings = " and ".join(check.what.finding(body) for check in success)
        return Pending(poll_after=self.next_look(run), external_id=child.name, message=f"{what}: {findings}")

    def news(self, run: Run, child: Child) -> Body | None:
        """Take the news, and give nothing: checks may look at any field, and the watch keeps no ``spec``."""
        super().news(run, child)
        return None

    @staticmethod
    def next_look(run: Run) -> float:
        """Look often, since nobody tells when an object of any kind changes."""
        return min(max((run.now - run.started_at) / timedelta(seconds=10), 1.0), _LONGEST_LOOK)


def _body(parameters: ResourceParameters, resource: Resource, run: Run) -> Body:
    metadata, body = parameters.manifest.metadata, parameters.body
    name = metadata.name or child_name(run.name, run.uid, run.attempt)
    namespace = metadata.namespace or run.namespace
    if parameters.owned:
        if namespace != run.namespace or not resource.namespaced:
            where = "in another namespace" if resource.namespaced else "of the cluster"
            raise InvalidParametersError(f"owned: an object {where} cannot belong to an action: set owned to false")
        return owned(body, run, name)
    marks: Body = {"name": name, "labels": metadata.labels | labels_of(run)}
    if resource.namespaced:
        marks["namespace"] = namespace
    return body | {"metadata": body.get("metadata", {}) | marks}


def _checks(parameters: ResourceParameters, resource: Resource) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    """Give what success and failure are: what the user says, else what is known of the kind.

    Raises:
        InvalidParametersError: nobody has said when the kind has succeeded.
    """
    success, failure = KNOWN.get((resource.group, resource.kind), (None, ()))
    if parameters.success is not None:
        success = parameters.success
    if success is None:
        raise InvalidParametersError(
            f"success: say when a {resource.kind} has succeeded, for example "
            '[{"condition": {"type": "Ready"}}] or [{"field": {"path": "status.phase", "equals": "Done"}}]; '
            "an empty list means: when it has been created"
        )
    return success, parameters.failure if parameters.failure is not None else failure


def _held(checks: Iterable[Check], body: Body) -> ConditionWanted | Expectation | None:
    """Give the first check that holds."""
    return next((check.what for check in checks if check.what.holds(body)), None)
