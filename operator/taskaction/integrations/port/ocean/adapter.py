"""Makes an Ocean executor one of the engine's: one TaskAction is one run, and what is reported is its outcome."""

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel, ConfigDict

from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.errors import ConfigurationError
from taskaction.core.names import dns_label, truncated
from taskaction.integrations.port.ocean.context import ocean
from taskaction.integrations.port.ocean.errors import UserAuthRequiredError
from taskaction.integrations.port.ocean.models import ActionReference, ActionRun, IntegrationActionInvocationPayload
from taskaction.integrations.port.ocean.report_router import REPORT, AnyRun, Host, OpenCall
from taskaction.integrations.port.ocean.reports import Report, outcome_of
from taskaction.integrations.port.ocean.webhooks import (
    AuthenticationFailedError,
    PayloadRefusedError,
    Processor,
    WebhookEvent,
    correlated,
    handled,
    sitting_at,
)
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Succeeded
from taskaction.plugin.base import AbstractExecutor as EngineExecutor
from taskaction.plugin.base import Correlation, Delivery, Run, WebhookRequest
from taskaction.plugin.errors import ActionError, WebhookRefusedError
from taskaction.plugin.toolbox import Toolbox

if TYPE_CHECKING:
    from taskaction.integrations.port.ocean.executor import AbstractExecutor

WEBHOOK = "Webhook"
_LABEL_CHARS = 63
_ID_CHARS = 253
_IDLE_POLL_SECONDS = 600.0
_PLACES = 256
_LIMITED_KEPT = 100_000
"""How many limited runs keep their place: those that ended before they could start are not told of here."""
_MOTIONLESS = "waits for the user to authenticate; go on by setting spec.signal"


class AnyConfig(BaseModel):
    """A provider may configure an Ocean executor as it likes: ``ocean.integration_config`` is what it says."""

    model_config = ConfigDict(extra="allow")


def executor_name(name: str) -> str:
    """Give an Ocean name as ``spec.executor`` takes it: ``my_action`` becomes ``my-action``, also in the Port agent.

    Raises:
        ConfigurationError: nothing is left of it, or it is too long.
    """
    label = dns_label(name)
    if not 0 < len(label) <= _LABEL_CHARS:
        raise ConfigurationError(
            f"ACTION_NAME {name!r} gives no DNS label of 1 to {_LABEL_CHARS} characters: rename it"
        )
    return label


class OceanAdapter(EngineExecutor):
    """Calls an Ocean executor, and gives what it reports."""

    CONFIG = AnyConfig

    def __init__(self, executor: "AbstractExecutor", host: Host, *, poll_seconds: float = 5.0) -> None:
        self.ocean_executor = executor
        self._host = host
        self._clock = host.toolbox.clock
        self._poll_seconds = poll_seconds
        self._reauth: dict[str, str] = {}
        self._places: OrderedDict[str, int] = OrderedDict()
        self._arrivals = count()
        self._log = structlog.stdlib.get_logger("taskaction.ocean")

    # -- the engine's contract ----------------------------------------------------------------------------------------

    async def execute(self, run: Run) -> Outcome:
        """Run it; the outcome is what it reported meanwhile."""
        self._places.pop(run.uid, None)
        if (message := self._reauth.pop(run.uid, None)) is not None:
            return Paused(message=message)
        return await self._concluded(run, lambda call: self.ocean_executor.execute(call.ocean_run), waits=False)

    async def poll(self, run: Run) -> Outcome:
        """Take in what was reported and what the target delivered since the last call, in its order."""
        if not run.paused:
            return await self._concluded(run, self._look, waits=True)
        if run.deliveries and isinstance(
            told := await self._concluded(run, self._look, waits=True), Succeeded | Failed
        ):
            return told
        return Paused(message=_MOTIONLESS) if run.signal is None else await self.execute(run)

    async def cancel(self, run: Run) -> None:
        """Let go of a run that is aborted; Ocean has no way to stop what it has going outside."""
        self._places.pop(run.uid, None)
        self._host.ended(run.uid)

    async def admit(self, request: WebhookRequest) -> tuple[Correlation, ...]:
        """Have the processor judge a delivery and look for its run; what it reports is held back for the owner."""
        if self._processor is None:
            return await super().admit(request)
        event = WebhookEvent.received(request.headers, request.body, request.content)
        try:
            found = await correlated(self._processor, event)
        except AuthenticationFailedError as error:
            raise WebhookRefusedError(401, str(error)) from error
        except PayloadRefusedError as error:
            raise WebhookRefusedError(400, str(error)) from error
        if found is None:
            return ()
        named = (Correlation(external_id=name) for name in found.external_ids if 0 < len(name) <= _ID_CHARS)
        return (*named, *(Correlation(uid=uid) for uid in found.run_ids if uid))

    async def is_close_to_rate_limit(self, run: Run) -> bool:
        """Ask it, with or without the run; a user who must authenticate first pauses the run when it is called."""
        try:
            return bool(await self._asked(self.ocean_executor.is_close_to_rate_limit, run))
        except UserAuthRequiredError as error:
            self._reauth[run.uid] = _words(error)
            return False

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:
        """Ask it, with or without the run."""
        return float(await self._asked(self.ocean_executor.get_remaining_seconds_until_rate_limit, run))

    def rate_limit_key(self, run: Run) -> str:
        """Give one quota for all runs; where the author is asked with the run, which may tell, one of many.

        Then up to 256 limited runs are each asked on their own. Of more, some share a place and ask in turn: 5,000 that
        ask every 10 s would take longer than the work of others.
        """
        if not _takes_the_run(self.ocean_executor.is_close_to_rate_limit):
            return ""
        if run.uid not in self._places:
            self._places[run.uid] = next(self._arrivals) % _PLACES
            while len(self._places) > _LIMITED_KEPT:
                self._places.popitem(last=False)
        return f"place {self._places[run.uid]}"

    async def _get_partition_key(self, run: Run) -> str | None:
        """Ask it; a falsy key is none, as in Ocean."""
        key = await self._asked(self.ocean_executor._get_partition_key, run)  # noqa: SLF001 - Ocean's contract
        return str(key) if key else None

    @property
    def limits_itself(self) -> bool:
        """Where the author wrote the question."""
        return self.ocean_executor.limits_itself

    @property
    def partitions_itself(self) -> bool:
        """Where the author wrote how a partition is found; the value of a parameter need not be asked for."""
        return self.ocean_executor.partitions_itself

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _asked(self, method: Callable[..., Awaitable[Any]], run: Run) -> Any:
        call = OpenCall(self._host, run, self._ocean_run(run))
        try:
            with sitting_at(call):
                return await (method(call.ocean_run) if _takes_the_run(method) else method())
        finally:
            call.close()

    async def _concluded(self, run: Run, work: Callable[[OpenCall], Awaitable[None]], *, waits: bool) -> Outcome:
        call = self._host.open(run, self._ocean_run(run))
        try:
            with sitting_at(call):
                await work(call)
        except UserAuthRequiredError as error:
            return Paused(message=_words(error))
        finally:
            call.close()
        said = call.report_so_far
        if said.reauth and said.status is None:
            return Paused(message=truncated(said.text or _MOTIONLESS, MESSAGE_LIMIT_CHARS))
        outcome = outcome_of(
            said,
            waits=waits or self._processor is not None,
            external_id=run.external_id,
            poll_after=self._poll_seconds if self.ocean_executor.polls else _IDLE_POLL_SECONDS,
            name=self.ocean_executor.ACTION_NAME,
        )
        if isinstance(outcome, Succeeded | Failed):
            self._host.ended(run.uid)
        return outcome

    async def _look(self, call: OpenCall) -> None:
        for delivery in call.run.deliveries:
            if delivery.type == REPORT:
                self._take(call, delivery)
            elif delivery.type == WEBHOOK:
                await self._deliver(call, delivery)
        if call.ocean_run.is_in_progress:
            await self.ocean_executor.poll(call.ocean_run)

    def _take(self, call: OpenCall, delivery: Delivery) -> None:
        try:
            call.take(Report.read(delivery.payload))
        except ValueError as error:  # written by somebody else: it must not end the run
            self._log.warning("a report cannot be read", run=call.run.uid, delivery=delivery.id, error=str(error))
            call.take(Report(logs=(f"a report could not be read: {error}",)))

    async def _deliver(self, call: OpenCall, delivery: Delivery) -> None:
        if self._processor is None:
            return
        headers = {str(name): str(value) for name, value in dict(delivery.payload.get("headers") or {}).items()}
        event = WebhookEvent.received(headers, delivery.payload.get("body"))
        try:
            await handled(self._processor, event, self._clock)
        except (ActionError, UserAuthRequiredError):
            raise
        except Exception as error:  # noqa: BLE001 - a processor may raise anything; the run's own end is not known by it
            self._log.warning("a webhook cannot be handled", run=call.run.uid, delivery=delivery.id, error=repr(error))
            call.take(Report(logs=(f"a webhook could not be handled: {type(error).__name__}: {error}",)))

    @property
    def _processor(self) -> Processor | None:
        return self.ocean_executor.WEBHOOK_PROCESSOR_CLASS

    def _ocean_run(self, run: Run) -> AnyRun:
        name = self.ocean_executor.ACTION_NAME
        return ActionRun[IntegrationActionInvocationPayload](
            id=run.uid,
            action=ActionReference(identifier=self.ACTION_NAME),
            payload=IntegrationActionInvocationPayload(
                installationId=run.namespace,
                integrationActionType=name,
                integrationActionExecutionProperties=dict(run.parameters),
            ),
        )


def adapted(executor: "AbstractExecutor", toolbox: Toolbox, *, poll_seconds: float = 5.0) -> OceanAdapter:
    """Give the engine's executor for an Ocean executor; its class says what the author's class says."""
    said = type(executor)
    contract = {
        "ACTION_NAME": executor_name(executor.ACTION_NAME),
        "IDEMPOTENT": said.IDEMPOTENT,
        "PARAMETERS": said.PARAMETERS,
        "PARTITION_KEY": None if executor.partitions_itself else said.PARTITION_KEY,
        "WEBHOOK_PROCESSOR_CLASS": said.WEBHOOK_PROCESSOR_CLASS,
        "WEBHOOK_PATH": (said.WEBHOOK_PATH or "") if said.WEBHOOK_PROCESSOR_CLASS is not None else "",
    }
    kind: type[OceanAdapter] = type(f"Adapted{said.__name__}", (OceanAdapter,), contract)
    return kind(executor, ocean.host(toolbox), poll_seconds=poll_seconds)


def _takes_the_run(method: Callable[..., object]) -> bool:
    """Say whether a rate method takes the run: Ocean's did not, and does since 0.45.8."""
    kinds = {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }
    return any(parameter.kind in kinds for parameter in inspect.signature(method).parameters.values())


def _words(error: UserAuthRequiredError) -> str:
    return truncated(str(error).strip() or _MOTIONLESS, MESSAGE_LIMIT_CHARS)
