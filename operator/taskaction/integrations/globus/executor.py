"""The ``globus`` executor: what each answer of an Action Provider means for the action.

**One action at the provider, whatever crashes.** ``request_id`` is ``run.idempotency_key``: made of the action's uid
(or ``spec.idempotencyKey``) and the attempt, both on record with the API server before the first POST is possible. The
attempt's number grows only with a status that is durable, and the other fields are the immutable spec's, so every
process sends the identical document for the same attempt, and the provider answers with the action that it already has.
Its ``action_id`` is written before anything else is done with it. Where ``honoursRequestId`` is false the engine writes
its claim before the POST, and what was lost in between ends the attempt as ``Interrupted`` instead of being sent twice.

**How an end is told.** ``status.output`` is the whole ActionStatus document, of a success and of a failure whose code
is ``ActionFailedException``. While the action continues, it is the document of the last poll, which stays if the action
times out. ``ActionUnableToRun`` and ``NoTokenException`` mean that nothing is known to have started; the output of the
former is the error structure of a provider that gave one, as the details of a document of the same form. The names are
those of Globus Flows.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from taskaction.api.enums import RetryClass
from taskaction.core.clock import Clock
from taskaction.executors.http.client import GuardedClient
from taskaction.integrations.globus.client import NOT_HERE, UNAUTHORISED, ProviderClient, Reply
from taskaction.integrations.globus.documents import (
    ActionStatus,
    Description,
    GlobusState,
    action_request,
    error_text,
    lost_action_document,
    progress_document,
    read_status,
    refused_action_document,
)
from taskaction.integrations.globus.model import GlobusConfig, GlobusParameters
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import ActionError, ActionExecutionError, InvalidParametersError, TransientError
from taskaction.plugin.evaluation import Evaluator
from taskaction.plugin.json_schema import model_problem
from taskaction.plugin.schedule import Schedule
from taskaction.plugin.toolbox import Toolbox

UNABLE_TO_RUN = "ActionUnableToRun"
FAILED = "ActionFailedException"
LONGEST_TRY = timedelta(hours=1)
"""How long a start is tried where the attempt has no deadline of its own."""

_FIRST_LOOK = 0.5
_LONGEST_LOOK = 10.0


class ActionUnableToRunError(ActionError):
    """The provider did not start the action, and would not on another try."""

    CODE = UNABLE_TO_RUN
    RETRY_CLASS = None


class GlobusExecutor(AbstractExecutor):
    """Runs one action at a Globus Action Provider and follows it to its end."""

    ACTION_NAME = "globus"
    PARAMETERS = GlobusParameters
    CONFIG = GlobusConfig
    IDEMPOTENT = True
    EXTERNAL_EFFECT = True

    def __init__(self, client: ProviderClient, clock: Clock, evaluator: Evaluator) -> None:
        self._client = client
        self._evaluator = evaluator
        self._clock = clock
        self._to_resume: set[str] = set()
        """The actions whose resume did not get through; after a restart their signal is new again."""

    @classmethod
    def build(cls, toolbox: Toolbox) -> "GlobusExecutor":
        """Create the executor with the address policy, as for the ``http`` executor."""
        return cls(ProviderClient(GuardedClient.build(toolbox)), toolbox.clock, toolbox.evaluator)

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:
        """Report idempotence if the provider honours ``request_id``, and always an external effect."""
        honours = (config or parameters).get("honoursRequestId", True) is not False
        return Traits(idempotent=honours, external_effect=True)

    async def execute(self, run: Run) -> Outcome:
        """Start the action; a cancelled call waits for the action's id first, which ``cancel`` requires."""
        starting = asyncio.create_task(self._start(run), name=f"start {run.uid}")
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            with suppress(ActionError):
                outcome = await starting
                if isinstance(outcome, Pending | Paused):
                    return outcome
            raise

    async def poll(self, run: Run) -> Outcome:
        """Return the outcome by the action's status; resume a paused action after a new signal."""
        config, _ = _read_config(run)
        if run.external_id is None:
            return await self.execute(run)
        try:
            if run.paused and (run.signalled or run.uid in self._to_resume):
                return await self._resume(run, run.external_id, config)
            return _status_outcome(await self._client.call("status", run.external_id, config, run), config, run)
        except ActionError as error:
            # The started action continues: failing the attempt here would start it a second time.
            return _keep_waiting(config, run, str(error), at_least=error.retry_after)

    async def _resume(self, run: Run, action_id: str, config: GlobusConfig) -> Outcome:
        """Resume the action; while the provider is unavailable, each poll tries again."""
        self._to_resume.add(run.uid)
        reply = await self._client.call("resume", action_id, config, run)
        if not reply.unavailable:
            self._to_resume.discard(run.uid)
        if reply.good:
            return _status_outcome(reply, config, run)
        # A provider without resume, or one that had gone on already: its status says how the action stands.
        refused = error_text(reply.code, reply.body)
        reply = await self._client.call("status", action_id, config, run)
        return _status_outcome(reply, config, run, note=f"resume: {refused}")

    async def cancel(self, run: Run) -> None:
        """Ask the provider to cancel, then wait until the action has ended; the caller's bound ends the wait."""
        self._to_resume.discard(run.uid)
        config, _ = _read_config(run)
        if run.external_id is None:
            return
        reply = await self._client.call("cancel", run.external_id, config, run)
        if reply.code in NOT_HERE:  # perhaps it is only the way to cancel that is not there
            reply = await self._client.call("status", run.external_id, config, run)
        wait = _FIRST_LOOK
        while not _is_over(reply, run.external_id):
            if reply.unavailable:
                raise TransientError(f"cancel: {error_text(reply.code, reply.body)}")
            await self._clock.sleep(wait)
            wait = min(wait * 2, _LONGEST_LOOK)
            reply = await self._client.call("status", run.external_id, config, run)

    async def release(self, run: Run) -> None:
        """Ask the provider to forget the action, whose end is on record; it may already have done so."""
        self._to_resume.discard(run.uid)
        if run.external_id is not None:
            config, _ = _read_config(run)
            await self._client.call("release", run.external_id, config, run)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _body_problem(self, described: Description, body: Mapping[str, Any], run: Run) -> str | None:
        """Return what the provider's own schema says against the body; a schema that cannot be read says nothing."""
        what = "input_schema of the provider"
        try:
            checker = await self._evaluator.compile_schema(run.namespace, described.input_schema, what)
        except ValueError:
            checker = None
        if checker is None:
            return None
        problem = await self._evaluator.find_problem(run.namespace, checker, body, what)
        return f"body: {problem} (by the provider's input_schema)" if problem is not None else None

    async def _start(self, run: Run) -> Outcome:
        config, body = _read_config(run)
        try:
            described = await self._get_description(config, run)
            problem = await self._body_problem(described, body, run)
            if problem is not None:
                raise ActionUnableToRunError(problem)
        except TransientError as error:  # nothing has been sent
            return self._retry_start(config, run, str(error), error.retry_after)
        request = action_request(config, run.idempotency_key, body)
        try:
            reply = await self._client.run(config, request, described, run)
        except TransientError as error:
            return self._handle_no_answer(config, run, str(error), error.retry_after)
        except ActionExecutionError as error:  # another attempt would have another request_id
            raise ActionUnableToRunError(f"{error}; it may have been started, and is not sent again") from error
        if reply.unavailable:
            return self._handle_no_answer(config, run, error_text(reply.code, reply.body), reply.retry_after)
        if not reply.good:
            return _refusal_outcome(reply)
        status = read_status(reply.body)
        if status is None:
            raise ActionUnableToRunError(
                f"HTTP {reply.code}, but the answer is no ActionStatus: action_id or status is amiss"
            )
        return _outcome(status, config, run)

    async def _get_description(self, config: GlobusConfig, run: Run) -> Description:
        """Return the description; it is needed only where nothing else says which scope the token must have."""
        if config.scope is not None:
            return Description(known=False)
        try:
            return await self._client.description(config, run)
        except TransientError:
            if config.tokens:
                raise
            return Description(known=False)
        except ActionExecutionError:  # what it says has no end
            return Description(known=False)

    def _handle_no_answer(self, config: GlobusConfig, run: Run, why: str, retry_after: float | None) -> Outcome:
        if not config.honours_request_id:
            raise ActionUnableToRunError(
                f"{why}; it may have been started, and honoursRequestId is false: not sent again"
            )
        return self._retry_start(config, run, why, retry_after)

    def _retry_start(self, config: GlobusConfig, run: Run, why: str, retry_after: float | None) -> Outcome:
        """Return the outcome that sends the identical document again later, while there is time.

        Without a deadline there is an hour. A retry of the attempt would have more time, so the failure is a timeout.
        """
        if run.deadline is None and run.now - run.started_at >= LONGEST_TRY:
            raise ActionUnableToRunError(f"not started within {LONGEST_TRY}: {why}")
        run = replace(run, now=max(run.now, self._clock.now()))  # the call has taken its time
        wait = max(_next_poll_delay(config, run), retry_after or 0.0)
        if run.deadline is not None and run.now + timedelta(seconds=wait) >= run.deadline:
            message = f"not started in time: {why}"
            return Failed(code=UNABLE_TO_RUN, message=message, retry_class=RetryClass.TIMEOUT)
        return Pending(poll_after=wait, message=f"not started yet: {why}", phase=None)


def _refusal_outcome(reply: Reply) -> Outcome:
    """Return the failure of a refused start; the output is the provider's error structure, for handlers in flows."""
    message = error_text(reply.code, reply.body)
    output = refused_action_document(reply.body)
    if output is None:
        raise ActionUnableToRunError(message)
    return Failed(code=UNABLE_TO_RUN, message=message, retry_class=None, output=output)


def _read_config(run: Run) -> tuple[GlobusConfig, Mapping[str, Any]]:
    """Return how the provider is called, and the body: with a provider the parameters are the body."""
    model, source, path = (
        (GlobusConfig, run.config, "config") if run.config else (GlobusParameters, run.reveal(), "parameters")
    )
    try:
        config = model.model_validate(source)
    except ValidationError as error:
        raise InvalidParametersError(model_problem(model, source, path) or str(error)) from error
    return config, config.body if isinstance(config, GlobusParameters) else run.reveal()


def _outcome(status: ActionStatus, config: GlobusConfig, run: Run, note: str = "") -> Outcome:
    message = f"{status.message} ({note})" if note else status.message
    match status.state:
        case GlobusState.SUCCEEDED:
            return Succeeded(output=status.document, message=message, external_id=status.action_id)
        case GlobusState.FAILED:
            return Failed(code=FAILED, message=message, output=status.document, external_id=status.action_id)
        case GlobusState.INACTIVE:
            return Paused(
                message=message,
                external_id=status.action_id,
                poll_after=_next_poll_delay(config, run),
                output=progress_document(status),
            )
    return Pending(
        external_id=status.action_id,
        poll_after=_next_poll_delay(config, run),
        message=message,
        output=progress_document(status),
    )


def _status_outcome(reply: Reply, config: GlobusConfig, run: Run, note: str = "") -> Outcome:
    """Return the outcome for the response about a started action."""
    action_id = run.external_id or ""
    if reply.code in NOT_HERE:
        document = lost_action_document(action_id)
        return Failed(code=FAILED, message=str(document["details"]["description"]), retry_class=None, output=document)
    status = read_status(reply.body, action_id=action_id) if reply.good else None
    if status is not None:
        return _outcome(status, config, run, note)
    text = error_text(reply.code, reply.body)
    if reply.code in UNAUTHORISED:
        text = f"the provider refuses the token for the status; put another one into the Secret ({text})"
    elif reply.good:
        text = f"the provider's answer is no ActionStatus of {action_id}"
    return _keep_waiting(config, run, text, at_least=reply.retry_after)


def _keep_waiting(config: GlobusConfig, run: Run, message: str, *, at_least: float | None = None) -> Outcome:
    """Return the outcome of a poll without news of the action: keep waiting."""
    wait = max(_next_poll_delay(config, run), at_least or 0.0)
    return Paused(message=message, poll_after=wait) if run.paused else Pending(poll_after=wait, message=message)


def _next_poll_delay(config: GlobusConfig, run: Run) -> float:
    """Return the wait before the next poll; a signal, which resumes the action, restarts the schedule."""
    own = config.poll.schedule if config.poll is not None else Schedule()
    signalled = run.signal.at if run.signal is not None and run.signal.at is not None else run.started_at
    began = signalled if run.started_at < signalled <= run.now else run.started_at
    return (run.schedule or own).wait(began, run.now, run.deadline)


def _is_over(reply: Reply, action_id: str) -> bool:
    if reply.code in NOT_HERE:
        return True
    status = read_status(reply.body, action_id=action_id) if reply.good else None
    return status is not None and status.state.terminal
