"""The ``resource`` executor: creates an object and reads from its status whether the work has ended."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, assert_never

from taskaction.api.enums import Phase
from taskaction.cluster.gateway import JOBS, Body, Resource
from taskaction.core.clock import Clock
from taskaction.core.constants import UID_LABEL
from taskaction.core.names import child_name
from taskaction.executors.acting import Actor
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.resource.model import ResourceParameters
from taskaction.executors.resource.verdict import ends_at_creation, is_known, is_told_by_pods, read_object
from taskaction.executors.verdicts import Finished, Running, Verdict, Waiting, deletion_failure
from taskaction.executors.workloads.job_pods import JobPods
from taskaction.executors.workloads.job_states import count_missing_pods
from taskaction.executors.workloads.manifests import label_job_pods, labels_of, with_owner
from taskaction.executors.workloads.pod_fields import is_deleted
from taskaction.executors.workloads.source import parse_model
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run
from taskaction.plugin.checks import at_path
from taskaction.plugin.errors import AccessDeniedError, InvalidParametersError
from taskaction.plugin.toolbox import Followed

_LONGEST_LOOK = 30.0


class ResourceExecutor(ChildExecutor):
    """Executor of work that another controller does."""

    ACTION_NAME = "resource"
    ACCEPTS_SECRETS = False
    PARAMETERS = ResourceParameters
    CONFIG = ResourceParameters
    PROPAGATION = "Foreground"  # so that the object is gone only when what belongs to it is

    def __init__(self, actor: Actor, followed: Followed, clock: Clock) -> None:
        super().__init__(actor, followed, clock)
        self._pods = JobPods(actor, followed)

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """Report an external effect for an object without owner: the operator must delete it."""
        return Traits(idempotent=True, external_effect=(config or parameters).get("owned") is False)

    async def child(self, run: Run) -> Child:
        """Return the object, with its own name or one generated for the attempt."""
        parameters = parse_model(ResourceParameters, run)
        manifest = parameters.manifest
        resource = await self.actor.resource(manifest.api_version, manifest.kind)
        if resource is None:
            raise InvalidParametersError(
                f"manifest: the API server does not know kind {manifest.kind!r} of {manifest.api_version!r}: "
                "install its CustomResourceDefinition, or fix apiVersion and kind"
            )
        if parameters.success is None and not is_known(resource):
            raise InvalidParametersError(
                f"success: kind {resource.kind} has no default; use e.g. "
                '[{"condition": {"type": "Ready"}}] or [{"field": {"path": "status.phase", "equals": "Done"}}], '
                "or an empty list to succeed once it is created"
            )
        return Child(resource=resource, body=_body(parameters, resource, run), patience=parameters.start_timeout)

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the checks of the action and by what is known of the kind."""
        parameters = parse_model(ResourceParameters, run)
        match await self._read_verdict(parameters, run, child, body):
            case Failed() as failed:
                return failed
            case Finished():
                output = at_path(body, parameters.output) if parameters.output is not None else None
                created = ends_at_creation(parameters, child.resource)
                return Succeeded(output=output, message=f"{child.title} was created" if created else "")
            case Waiting() | Running() if is_deleted(body):
                return deletion_failure(child.resource.kind, child.title)
            case Waiting(problem=message):
                return self._continue(run, child, message, Phase.INITIALIZING)
            case Running(message=message):
                return self._continue(run, child, message, Phase.RUNNING)
            case other:
                assert_never(other)

    async def _read_verdict(self, parameters: ResourceParameters, run: Run, child: Child, body: Body) -> Verdict:
        """Return the verdict on the object, with the pods of a Job if the account may list them."""
        if not is_told_by_pods(parameters, child.resource):
            return read_object(parameters, child.resource, child.title, body)
        pods = self._pods.list_observed(run, body)
        if count_missing_pods(body, pods):
            try:
                pods = await self._pods.read(run, body, pods, _pod_labels(body, run))
            except AccessDeniedError as error:
                found = read_object(parameters, child.resource, child.title, body)
                if not isinstance(found, Failed):
                    return found
                return replace(found, message=f"{found.message}; only its pods tell the cause: {error}")
        return read_object(parameters, child.resource, child.title, body, pods)

    def _continue(self, run: Run, child: Child, message: str, phase: Phase) -> Pending:
        return Pending(
            poll_after=self.next_poll_delay(run), external_id=child.name, message=message or child.title, phase=phase
        )

    def take_change(self, run: Run, child: Child) -> Body | None:
        """Return None: checks may read any field, and the watch keeps no ``spec``."""
        super().take_change(run, child)
        return None

    @staticmethod
    def next_poll_delay(run: Run) -> float:
        """Return a short delay: the operator does not watch objects of arbitrary kinds."""
        return min(max((run.now - run.started_at) / timedelta(seconds=10), 1.0), _LONGEST_LOOK)


def _pod_labels(job: Body, run: Run) -> Mapping[str, str]:
    """Return labels that the pods of a Job have, also if a former release created it and did not label them."""
    return job["spec"]["selector"].get("matchLabels") or {UID_LABEL: run.uid}


def _body(parameters: ResourceParameters, resource: Resource, run: Run) -> Body:
    metadata, body = parameters.manifest.metadata, parameters.body
    if resource == JOBS:
        body = label_job_pods(body, run)
    name = metadata.name or child_name(run.name, run.uid, run.attempt)
    namespace = metadata.namespace or run.namespace
    if parameters.owned:
        if namespace != run.namespace or not resource.namespaced:
            what = "an object in another namespace" if resource.namespaced else "a cluster-scoped object"
            raise InvalidParametersError(f"owned: an action cannot own {what}; set owned to false")
        return with_owner(body, run, name)
    marks: Body = {"name": name, "labels": metadata.labels | labels_of(run)}
    if resource.namespaced:
        marks["namespace"] = namespace
    return body | {"metadata": body.get("metadata", {}) | marks}
