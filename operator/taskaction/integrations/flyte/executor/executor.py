"""``flyte``: carries the pod of a task from creation to end, and records the location of its outputs in the status."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, assert_never

from pydantic import ValidationError

from taskaction.api.enums import CacheStatus, ErrorKind, Phase
from taskaction.api.task_action import Link
from taskaction.cluster.gateway import POD_TEMPLATES, PODS, Body
from taskaction.core.clock import Clock
from taskaction.core.constants import LINKS_KEPT
from taskaction.core.names import child_name
from taskaction.executors.acting import Actor
from taskaction.executors.child import Child, ChildExecutor
from taskaction.executors.verdicts import Finished, Running, Waiting, deletion_failure
from taskaction.executors.workloads.manifests import owner_of
from taskaction.executors.workloads.model import USUAL_GRACE
from taskaction.executors.workloads.starting import await_start
from taskaction.integrations.flyte.executor import template as templates
from taskaction.integrations.flyte.executor import verdict
from taskaction.integrations.flyte.executor.manifest import build_pod, build_task_pod
from taskaction.integrations.flyte.executor.model import FlyteParameters
from taskaction.integrations.flyte.executor.places import AttemptPaths, fill_words, words
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import Run
from taskaction.plugin.errors import InvalidParametersError, MissingSourceError, TransientError, failure_of
from taskaction.plugin.folder_grants import FolderGrant
from taskaction.plugin.json_schema import model_problem
from taskaction.plugin.storage import Storage, StorageError, fingerprint
from taskaction.plugin.toolbox import Followed, Toolbox

if TYPE_CHECKING:
    from flyteidl2.core.tasks_pb2 import TaskTemplate

_ERROR_BYTES = 1024 * 1024
_STORAGE_PATIENCE = timedelta(minutes=5)
"""How long after a task's end its storage is asked again, when it does not answer."""
_LINK_CHARS, _URL_CHARS = 64, 2048


class FlyteExecutor(ChildExecutor):
    """Executor that runs a Flyte task as a pod; the action owns the pod, so Kubernetes deletes both together."""

    ACTION_NAME = "flyte"
    ACCEPTS_SECRETS = False
    PARAMETERS = FlyteParameters
    SETTINGS = FlyteSettings

    def __init__(
        self, actor: Actor, followed: Followed, clock: Clock, settings: FlyteSettings, own_folder: str = ""
    ) -> None:
        """Create the executor; ``own_folder`` is that of the project's storage, if there is one."""
        super().__init__(actor, followed, clock)
        self._settings = settings
        own = [FolderGrant(own_folder)] if own_folder else []
        self._grants = own + [FolderGrant.from_text(text) for text in settings.storage]
        self._storage = Storage([grant.folder for grant in self._grants])

    @classmethod
    def build(cls, toolbox: Toolbox) -> "FlyteExecutor":
        """Create the executor with the cluster, the operator's watch, and the Flyte settings."""
        actor = Actor(toolbox.cluster, toolbox.closed_namespaces, toolbox.clock)
        settings = toolbox.settings(FlyteSettings)
        return cls(actor, toolbox.followed, toolbox.clock, settings, toolbox.storage.folder)

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:  # noqa: ARG002 - the contract's
        """Report no external effect: Kubernetes deletes what the action owns, after the grace period of the pod."""
        return Traits(
            idempotent=True,
            external_effect=False,
            reports_start=True,
            extra_cancel_grace=timedelta(seconds=USUAL_GRACE),
        )

    async def child(self, run: Run) -> Child:
        """Return the attempt's pod by its name alone: neither a storage nor a template is needed to find it again."""
        name = child_name(run.name, run.uid, run.attempt)
        metadata = {"name": name, "namespace": run.namespace, "ownerReferences": [owner_of(run)]}
        return Child(
            resource=PODS,
            body={"metadata": metadata},
            patience=self._settings.start_timeout,
            image_patience=self._settings.image_timeout,
        )

    async def prepare_child(self, run: Run, child: Child) -> Child:
        """Return the pod that the task describes, on the PodTemplate that it or the operator names."""
        parameters = _parameters(run)
        self._check_result_readable(AttemptPaths.of(parameters, run.attempt), run)
        template = await self._template(parameters)
        base = await self._base(template, run)
        return replace(child, body=build_pod(template, parameters, run, self._settings, base))

    async def _base(self, template: "TaskTemplate", run: Run) -> Body | None:
        name = template.metadata.pod_template_name or self._settings.pod_template
        if not name:
            return None
        found = await self.actor.get(POD_TEMPLATES, name, run.namespace, run)
        if found is None:
            raise MissingSourceError(
                f"there is no PodTemplate {name!r} in namespace {run.namespace!r}: create it, or name another one",
                code="PodTemplateNotFound",
            )
        return found.get("template") or {}

    async def judge(self, run: Run, child: Child, body: Body) -> Outcome:
        """Return the outcome by the pod, and after its end by the files that the program has written."""
        parameters = _parameters(run)
        try:
            template = await self._template(parameters)
        except TransientError as error:  # the pod goes on, and is not to be given up for that
            return Pending(poll_after=self.next_poll_delay(run), external_id=child.name, message=str(error), phase=None)
        _, primary = build_task_pod(template, self._settings)
        found = verdict.read_task_state(body, primary)
        match found:
            case Finished() | Failed():
                outcome = await self._end_outcome(found, parameters, template, run, body, primary)
                if not isinstance(outcome, Pending) and verdict.is_running(body):
                    await self.discard(run, child)  # its sidecars would run on
                return _outcome_after_deletion(outcome, child) if "deletionTimestamp" in body["metadata"] else outcome
            case Running(message=note):
                links = _links(template, parameters, run, child.name)
                return replace(self.continue_polling(child, note=note), links=links, cache_status=CacheStatus.DISABLED)
            case Waiting():
                outcome = await await_start(self, run, child, found)
                if not isinstance(outcome, Pending):
                    return outcome
                return replace(outcome, phase=Phase.INITIALIZING, waits=not verdict.has_node(body))
            case _:
                assert_never(found)

    async def _end_outcome(
        self,
        found: Finished | Failed,
        parameters: FlyteParameters,
        template: "TaskTemplate",
        run: Run,
        body: Body,
        primary: str,
    ) -> Outcome:
        places = AttemptPaths.of(parameters, run.attempt)
        if isinstance(found, Failed) and not verdict.has_own_error(found):
            return found
        if not self._may_read(places.outputs, run):
            return found if isinstance(found, Failed) else self._unread_outcome(places)
        try:
            failed = await self._read_failure(places, template, is_done=isinstance(found, Finished))
        except StorageError as error:
            return self._handle_unreadable_storage(error, found, run, verdict.finished_at(body, primary))
        if failed is not None:
            return failed
        return _success(places) if isinstance(found, Finished) else found

    def _may_read(self, address: str, run: Run) -> bool:
        """Whether the operator may read an address for an action of this namespace."""
        granted = any(grant.covers(address, run.namespace) for grant in self._grants)
        return granted and self._storage.covers(address)

    def _check_result_readable(self, places: AttemptPaths, run: Run) -> None:
        """Refuse a task whose result the operator could not read, before it has an effect."""
        if not self._may_read(places.outputs, run) and not self._settings.trust_exit_code:
            raise InvalidParametersError(f"parameters.runOutputBase: {_unreadable(places)}")

    def _unread_outcome(self, places: AttemptPaths) -> Outcome:
        """Return the outcome of a pod that exited with 0 and whose result cannot be read."""
        if self._settings.trust_exit_code:
            return _success(places, f"{places.outputs} was not read: the exit code decides")
        message = f"the task exited with 0, which does not show whether it succeeded: {_unreadable(places)}"
        return Failed(code="OutputsUnreadable", message=message, kind=ErrorKind.SYSTEM, retry_class=None)

    async def _read_failure(self, places: AttemptPaths, template: "TaskTemplate", *, is_done: bool) -> Failed | None:
        """Return the failure that the storage tells of, None where it tells of none."""
        content = await self._storage.read(places.error, _ERROR_BYTES)
        error = templates.parse_error(content) if content is not None else None
        if error is not None:
            return verdict.own_failure(error)
        declared = bool(template.interface.outputs.variables)
        if is_done and declared and not await self._storage.exists(places.result):
            return verdict.missing_outputs_failure(places.result)
        return None

    def _handle_unreadable_storage(
        self, error: StorageError, found: Finished | Failed, run: Run, ended: str
    ) -> Outcome:
        """Ask again for a while; then the platform has failed, unless the pod itself has told enough."""
        since = datetime.fromisoformat(ended) if ended else run.now
        if run.now - since < _STORAGE_PATIENCE:
            message = f"waits for the storage of its outputs: {error}"
            return Pending(
                poll_after=self.next_poll_delay(run), external_id=run.external_id, message=message, phase=None
            )
        if isinstance(found, Failed):
            return found
        message = f"the task ended, and whether it did well cannot be read: {error}"
        return failure_of(TransientError(message, code="StorageUnreachable"))

    async def _template(self, parameters: FlyteParameters) -> "TaskTemplate":
        if parameters.template is not None:
            return templates.parse_template(
                templates.decode_base64(parameters.template), parameters.encoding, "template"
            )
        address, digest = parameters.template_uri or "", parameters.template_digest or ""
        if not self._storage.covers(address):  # its digest is known, so its content is no secret
            raise InvalidParametersError(
                f"parameters.templateUri: {address} is in none of the folders of TASKACTION_STORAGE and "
                "TASKACTION_FLYTE_STORAGE"
            )
        try:
            content = await self._storage.read(address, templates.LIMIT_BYTES)
        except StorageError as error:
            raise TransientError(f"parameters.templateUri: {error}", code="StorageUnreachable") from error
        if content is None:
            raise MissingSourceError(f"parameters.templateUri: there is no {address}", code="TemplateNotFound")
        if fingerprint(content) != digest:
            raise InvalidParametersError(f"parameters.templateDigest: {address} has other content")
        return templates.parse_template(content, parameters.encoding, "templateUri")


def _unreadable(places: AttemptPaths) -> str:
    return (
        f"{places.outputs} is in none of the namespace's folders of TASKACTION_STORAGE and TASKACTION_FLYTE_STORAGE, "
        "so the operator cannot read the result; use FOLDER/NAMESPACE/ of TASKACTION_STORAGE, add NAMESPACE=FOLDER to "
        "TASKACTION_FLYTE_STORAGE, or set TASKACTION_FLYTE_TRUST_EXIT_CODE=true to take the exit code for it"
    )


def _success(places: AttemptPaths, message: str = "") -> Succeeded:
    """Return the success of a task whose outputs are where they belong; no cache was asked, since there is none."""
    return Succeeded(output_uri=places.outputs, message=message, cache_status=CacheStatus.DISABLED)


def _parameters(run: Run) -> FlyteParameters:
    try:
        return FlyteParameters.model_validate(run.parameters)
    except ValidationError as error:
        problem = model_problem(FlyteParameters, run.parameters, "parameters")
        raise InvalidParametersError(problem or str(error)) from error


def _outcome_after_deletion(outcome: Outcome, child: Child) -> Outcome:
    """Return the outcome of a task whose pod somebody deletes: what it failed of then is not its own doing."""
    return (
        deletion_failure(PODS.kind, child.title)
        if isinstance(outcome, Failed) and verdict.has_own_error(outcome)
        else outcome
    )


def _links(template: "TaskTemplate", parameters: FlyteParameters, run: Run, pod_name: str) -> tuple[Link, ...]:
    known = words(parameters, run, pod_name)
    found = [
        Link(name=(one.name or "link")[:_LINK_CHARS], url=url)
        for one in template.metadata.log_links
        if (url := fill_words(one.uri, known)) and len(url) <= _URL_CHARS
    ]
    return tuple(found[:LINKS_KEPT])
