"""Adapter of Ocean executors to the executor contract: a TaskAction is a run, and its reports are the outcome."""

import inspect
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import BaseModel, ConfigDict

from taskaction.core.constants import GROUP, MESSAGE_LIMIT_CHARS
from taskaction.core.errors import ConfigurationError
from taskaction.core.names import dns_label, truncate
from taskaction.integrations.port.ocean.context import ocean
from taskaction.integrations.port.ocean.correlation import (
    AuthenticationFailedError,
    PayloadRefusedError,
    correlate_event,
)
from taskaction.integrations.port.ocean.errors import ActionExecutionError, UserAuthRequiredError
from taskaction.integrations.port.ocean.models import (
    ActionReference,
    ActionRun,
    IntegrationActionInvocationPayload,
    RunKind,
    RunStatus,
    WorkflowIntegrationActionConfig,
    WorkflowNodeRun,
)
from taskaction.integrations.port.ocean.report_router import REPORT, AnyRun, Host, OpenCall, set_status
from taskaction.integrations.port.ocean.reports import OceanReport, outcome_of
from taskaction.integrations.port.ocean.webhooks import (
    Processor,
    WebhookEvent,
    handle_event_with_retries,
    route_reports_to,
)
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Succeeded
from taskaction.plugin.base import AbstractExecutor as EngineExecutor
from taskaction.plugin.base import Correlation, Delivery, Run, WebhookRequest
from taskaction.plugin.errors import ActionError, WebhookRefusedError
from taskaction.plugin.registry import find_distribution
from taskaction.plugin.toolbox import Toolbox

if TYPE_CHECKING:
    from taskaction.integrations.port.ocean.executor import AbstractExecutor

WEBHOOK = "Webhook"
RUN_KIND_LABEL = f"{GROUP}/port-run-kind"
"""Label of the Port agent on the action of a run: `action` or `workflow_node`."""
_LABEL_CHARS = 63
_IDLE_POLL_SECONDS = 600.0
_PLACES = 256
_LIMITED_KEPT = 100_000
"""Maximum number of rate-limited runs in memory: the adapter is not notified of runs that end before they start."""
_MOTIONLESS = "waiting for the user to authenticate; set spec.signal to continue"


class AnyConfig(BaseModel):
    """Configuration of a provider with any fields, which an executor reads from ``ocean.integration_config``."""

    model_config = ConfigDict(extra="allow")


def executor_name(name: str) -> str:
    """Return an Ocean name as a value of ``spec.executor``: ``my_action`` is ``my-action``, also in the Port agent.

    Raises:
        ConfigurationError: the result is empty or too long.
    """
    label = dns_label(name)
    if not 0 < len(label) <= _LABEL_CHARS:
        raise ConfigurationError(
            f"ACTION_NAME: cannot convert {name!r} to a DNS label of 1 to {_LABEL_CHARS} characters; rename it"
        )
    return label


class OceanAdapter(EngineExecutor):
    """Executor that calls an Ocean executor and returns its reports as outcomes."""

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
        """Run the executor; its reports are the outcome."""
        self._places.pop(run.uid, None)
        if (message := self._reauth.pop(run.uid, None)) is not None:
            return Paused(message=message)
        return await self._call_executor(run, lambda call: self.ocean_executor.execute(call.ocean_run), waits=False)

    async def poll(self, run: Run) -> Outcome:
        """Apply reports and webhooks since the last call, in their order."""
        if not run.paused:
            return await self._call_executor(run, self._apply_deliveries, waits=True)
        if run.deliveries and isinstance(
            told := await self._call_executor(run, self._apply_deliveries, waits=True), Succeeded | Failed
        ):
            return told
        return Paused(message=_MOTIONLESS) if run.signal is None else await self.execute(run)

    async def cancel(self, run: Run) -> None:
        """Forget an aborted run; Ocean cannot stop what runs outside."""
        self._places.pop(run.uid, None)
        self._host.on_run_ended(run.uid, RunStatus.FAILURE)

    async def admit(self, request: WebhookRequest) -> tuple[Correlation, ...]:
        """Make the processor authenticate a webhook and find its runs, among those of the whole integration.

        What it does with a run is left to the replica that owns the run.
        """
        if self._processor is None:
            return await super().admit(request)
        event = WebhookEvent.from_request(request.headers, request.body, request.content)
        try:
            found = await correlate_event(self._processor, event)
        except AuthenticationFailedError as error:
            raise WebhookRefusedError(401, str(error)) from error
        except PayloadRefusedError as error:
            raise WebhookRefusedError(400, str(error)) from error
        if found is None:
            return ()
        names = self._host.integration_of(self.ACTION_NAME)
        named = (Correlation(external_id=name, executors=names) for name in found.external_ids)
        return (*named, *(Correlation(uid=uid) for uid in found.run_ids if uid))

    async def is_close_to_rate_limit(self, run: Run) -> bool:
        """Ask the executor; if the user must authenticate first, the run pauses at its call."""
        try:
            return bool(await self._ask_executor(self.ocean_executor.is_close_to_rate_limit, run))
        except UserAuthRequiredError as error:
            self._reauth[run.uid] = _auth_message(error)
            return False

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:
        """Ask the executor, with or without the run."""
        return float(await self._ask_executor(self.ocean_executor.get_remaining_seconds_until_rate_limit, run))

    def rate_limit_key(self, run: Run) -> str:
        """Return one key for all runs, or one of many keys if the executor's rate limit depends on the run.

        With many keys, up to 256 limited runs are each checked on their own. Of more, some share a key and are checked
        in turn: checks of 5,000 runs every 10 s would take longer than the work of others.
        """
        if not _accepts_run(self.ocean_executor.is_close_to_rate_limit):
            return ""
        if run.uid not in self._places:
            self._places[run.uid] = next(self._arrivals) % _PLACES
            while len(self._places) > _LIMITED_KEPT:
                self._places.popitem(last=False)
        return f"place {self._places[run.uid]}"

    async def _get_partition_key(self, run: Run) -> str | None:
        """Ask the executor; a falsy key means no partition, as in Ocean."""
        key = await self._ask_executor(self.ocean_executor._get_partition_key, run)  # noqa: SLF001 - Ocean's contract
        return str(key) if key else None

    @property
    def limits_itself(self) -> bool:
        """Whether the executor implements its own rate limit."""
        return self.ocean_executor.limits_itself

    @property
    def partitions_itself(self) -> bool:
        """Whether the executor computes its partition key; the value of a parameter needs no call."""
        return self.ocean_executor.partitions_itself

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _ask_executor(self, method: Callable[..., Awaitable[Any]], run: Run) -> Any:
        call = OpenCall(self._host, run, self._ocean_run(run))
        try:
            with route_reports_to(call):
                return await (method(call.ocean_run) if _accepts_run(method) else method())
        finally:
            call.close()

    async def _call_executor(self, run: Run, work: Callable[[OpenCall], Awaitable[None]], *, waits: bool) -> Outcome:
        call = self._host.open(run, self._ocean_run(run))
        try:
            with route_reports_to(call):
                await work(call)
        except UserAuthRequiredError as error:
            return Paused(message=_auth_message(error))
        except Exception as error:
            label = error.status_label if isinstance(error, ActionExecutionError) else None
            if label is not None or call.label is not None:
                call.label = label
                call.show()
            set_status(call.ocean_run, RunStatus.FAILURE)  # until another attempt starts
            raise
        finally:
            call.close()
        if isinstance(call.ocean_run, WorkflowNodeRun) and call.ocean_run.output:
            call.show()
        said = call.report_so_far.model_copy(update={"output": call.output})
        if said.reauth and said.status is None:
            return Paused(message=truncate(said.text or _MOTIONLESS, MESSAGE_LIMIT_CHARS))
        outcome = outcome_of(
            said,
            waits=waits or self._processor is not None,
            external_id=run.external_id,
            poll_after=self._poll_seconds if self.ocean_executor.polls else _IDLE_POLL_SECONDS,
            name=self.ocean_executor.ACTION_NAME,
        )
        if isinstance(outcome, Succeeded | Failed):
            ended = RunStatus.SUCCESS if isinstance(outcome, Succeeded) else RunStatus.FAILURE
            self._host.on_run_ended(run.uid, ended)
        return outcome

    async def _apply_deliveries(self, call: OpenCall) -> None:
        for delivery in call.run.deliveries:
            if delivery.type == REPORT:
                self._apply_report(call, delivery)
            elif delivery.type == WEBHOOK:
                await self._apply_webhook(call, delivery)
                if not call.ocean_run.is_in_progress:
                    return  # as in Ocean, nothing changes a run that has ended
        if call.ocean_run.is_in_progress:
            await self.ocean_executor.poll(call.ocean_run)

    def _apply_report(self, call: OpenCall, delivery: Delivery) -> None:
        try:
            call.apply_report(OceanReport.from_patch(delivery.payload))
        except ValueError as error:  # from another writer: it must not end the run
            self._log.warning("malformed report", run=call.run.uid, delivery=delivery.id, error=str(error))
            call.apply_report(OceanReport.of_line(f"malformed report: {error}"))

    async def _apply_webhook(self, call: OpenCall, delivery: Delivery) -> None:
        if delivery.problem:
            call.apply_report(OceanReport.of_line(f"a webhook had no effect: {delivery.problem}"))
            return
        # Others than the inbox may write events in a namespace, and must not reach the runs of other namespaces.
        call.reach = call.run.namespace if delivery.namespace == call.run.namespace else None
        headers = {str(name): str(value) for name, value in dict(delivery.payload.get("headers") or {}).items()}
        event = WebhookEvent.from_request(headers, delivery.payload.get("body"), delivery.content)
        for processor in self._processors_of(delivery):
            await self._run_processor(call, processor, event, delivery)

    async def _run_processor(
        self, call: OpenCall, processor: Processor, event: WebhookEvent, delivery: Delivery
    ) -> None:
        """Run a processor; whatever goes wrong is shown, and does not end the run, because it says nothing of it."""
        line = ""
        try:
            if not await handle_event_with_retries(processor, event, self._clock):
                line = f"a webhook had no effect: {processor.__name__}.should_process_event refused it in the operator"
        except (ActionError, UserAuthRequiredError):
            raise
        except Exception as error:  # noqa: BLE001 - a processor may raise anything
            line = f"a webhook failed: {type(error).__name__}: {error}"
        if line:
            self._log.warning("webhook without effect", run=call.run.uid, delivery=delivery.id, problem=line)
            call.apply_report(OceanReport.of_line(line))

    def _processors_of(self, delivery: Delivery) -> list[Processor]:
        """Return the processors that matched a delivery to this run, each once; by default, the executor's own."""
        names = delivery.payload.get("executors")
        found = [self._host.processor_of(name) for name in names] if isinstance(names, list) else [self._processor]
        return list(dict.fromkeys(one for one in found if one is not None))

    @property
    def _processor(self) -> Processor | None:
        return self.ocean_executor.WEBHOOK_PROCESSOR_CLASS

    def _ocean_run(self, run: Run) -> AnyRun:
        name = self.ocean_executor.ACTION_NAME
        if run.labels.get(RUN_KIND_LABEL) == RunKind.WORKFLOW_NODE:
            config = WorkflowIntegrationActionConfig(
                installationId=run.namespace,
                integrationInvocationType=name,
                integrationActionExecutionProperties=run.reveal(),
            )
            return WorkflowNodeRun(id=run.uid, config=config)
        return ActionRun[IntegrationActionInvocationPayload](
            id=run.uid,
            action=ActionReference(identifier=self.ACTION_NAME),
            payload=IntegrationActionInvocationPayload(
                installationId=run.namespace,
                integrationActionType=name,
                integrationActionExecutionProperties=run.reveal(),
            ),
        )


def build_adapter(executor: "AbstractExecutor", toolbox: Toolbox, *, poll_seconds: float = 5.0) -> OceanAdapter:
    """Return an executor for an Ocean executor, with the class attributes of the author's class."""
    said = type(executor)
    contract: dict[str, Any] = {
        "ACTION_NAME": executor_name(executor.ACTION_NAME),
        "IDEMPOTENT": said.IDEMPOTENT,
        "PARAMETERS": said.PARAMETERS,
        "PARTITION_KEY": None if executor.partitions_itself else said.PARTITION_KEY,
        "WEBHOOK_PROCESSOR_CLASS": said.WEBHOOK_PROCESSOR_CLASS,
        "WEBHOOK_PATH": (said.WEBHOOK_PATH or "") if said.WEBHOOK_PROCESSOR_CLASS is not None else "",
    }
    ocean.add_spec_of(executor)
    host = ocean.host(toolbox)
    host.add_executor(contract["ACTION_NAME"], executor.WEBHOOK_PROCESSOR_CLASS, integration_name(type(executor)))
    kind: type[OceanAdapter] = type(f"Adapted{said.__name__}", (OceanAdapter,), contract)
    return kind(executor, host, poll_seconds=poll_seconds)


def integration_name(executor: type) -> str:
    """Return the name of the integration that an executor is part of: its distribution, else its top-level package."""
    package = executor.__module__.partition(".")[0]
    return find_distribution(package) or package


def _accepts_run(method: Callable[..., object]) -> bool:
    """Whether a rate limit method takes the run, as in Ocean since 0.45.8."""
    kinds = {
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    }
    return any(parameter.kind in kinds for parameter in inspect.signature(method).parameters.values())


def _auth_message(error: UserAuthRequiredError) -> str:
    return truncate(str(error).strip() or _MOTIONLESS, MESSAGE_LIMIT_CHARS)
