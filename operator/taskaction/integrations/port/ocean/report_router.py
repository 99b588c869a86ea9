"""Routing of reports on runs: to the call in progress, or durably to the action's owner; decides no outcome."""

import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import orjson
import structlog

from taskaction.api.base import format_time
from taskaction.api.task_action import LogLine, Progress
from taskaction.cluster.errors import AlreadyExistsError
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.cluster.retry import Retrier
from taskaction.core.constants import API_VERSION, LOG_LINES_KEPT, MESSAGE_LIMIT_CHARS
from taskaction.core.errors import TaskActionError
from taskaction.core.names import truncate
from taskaction.integrations.port.ocean.models import (
    ActionRun,
    IntegrationActionInvocationPayload,
    RunStatus,
    WorkflowNodeRun,
    WorkflowNodeRunStatus,
)
from taskaction.integrations.port.ocean.reports import NOTHING, OceanReport, ReportedLine, shown_links
from taskaction.plugin.base import Run
from taskaction.plugin.toolbox import Toolbox

if TYPE_CHECKING:
    from taskaction.integrations.port.ocean.webhooks import Processor

AnyRun = ActionRun[IntegrationActionInvocationPayload] | WorkflowNodeRun
REPORT = "Report"
_KNOWN_RUNS = 100_000
_ENDED_RUNS = 10_000
_NAME_CHARS = 200
_OUTPUT_BYTES = 16 * 1024


class UnknownRunError(TaskActionError):
    """A report refers to a run that this process does not know."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id!r} is unknown to this process; report on runs that it executes, or that "
            "find_run_by_external_id returns"
        )


def set_status(run: AnyRun, status: RunStatus) -> None:
    """Set the status of a run, in the words of its kind."""
    if isinstance(run, WorkflowNodeRun):
        run.status = WorkflowNodeRunStatus.COMPLETED if status.terminal else WorkflowNodeRunStatus.IN_PROGRESS
    else:
        run.status = status


class ReportSink(Protocol):
    """Receiver of reports that also finds runs."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Configuration of the integration from the run's provider."""

    async def report(self, run_id: str, report: OceanReport) -> None:
        """Accept a report, which is stored when this returns.

        Raises:
            UnknownRunError: the run is unknown.
        """

    async def find(self, external_id: str) -> AnyRun | None:
        """Return the run with this external id."""


current_desk: ContextVar[ReportSink | None] = ContextVar("taskaction_ocean_desk", default=None)
"""Report sink of the current call, so that concurrent calls in one process stay separate."""


@dataclass(slots=True)
class _TrackedRun:
    run: AnyRun
    namespace: str
    name: str
    external_id: str | None
    attempt: int
    call: "OpenCall | None" = None


class Host:
    """Shared state of all Ocean executors of one process: known runs, and the delivery of reports to their owners."""

    def __init__(self, toolbox: Toolbox) -> None:
        self.toolbox = toolbox
        self._known: OrderedDict[str, _TrackedRun] = OrderedDict()
        self._ids: dict[str, str] = {}
        self._ended: OrderedDict[str, _TrackedRun | None] = OrderedDict()
        self._ended_ids: dict[str, str] = {}
        self._executors: dict[str, tuple[Processor | None, str]] = {}
        self._log = structlog.stdlib.get_logger("taskaction.ocean")
        self._persistently = Retrier(
            toolbox.clock,
            toolbox.jitter,
            lambda error: self._log.warning("cannot store report, retrying", error=str(error)),
        )

    @property
    def config(self) -> Mapping[str, Any]:
        """Empty configuration: that of a provider belongs to a call."""
        return {}

    def add_executor(self, name: str, processor: "Processor | None", integration: str) -> None:
        """Record an executor, its processor, and the integration that it is part of."""
        self._executors[name] = processor, integration

    def processor_of(self, executor: str) -> "Processor | None":
        """Return the webhook processor of an executor."""
        return self._executors.get(executor, (None, ""))[0]

    def integration_of(self, executor: str) -> tuple[str, ...]:
        """Return the executors of an executor's integration, among whose runs webhooks look up ids."""
        _, own = self._executors[executor]
        return tuple(sorted(name for name, (_, integration) in self._executors.items() if integration == own))

    def open(self, run: Run, ocean_run: AnyRun) -> "OpenCall":
        """Open a call: it receives the reports on this run until it is closed."""
        call = OpenCall(self, run, ocean_run)
        known = self._known.pop(run.uid, None)
        if known is not None and known.external_id is not None:
            self._ids.pop(known.external_id, None)
        self._known[run.uid] = _TrackedRun(ocean_run, run.namespace, run.name, run.external_id, run.attempt, call)
        if run.external_id is not None:
            self._ids[run.external_id] = run.uid
        while len(self._known) > _KNOWN_RUNS:
            self._forget(next(iter(self._known)))
        return call

    def close_call(self, call: "OpenCall") -> None:
        """Close a call; later reports go to the action's owner."""
        known = self._known.get(call.run.uid)
        if known is None or known.call is not call:
            return
        known.call = None
        self.set_external_id(call.run.uid, call.report_so_far.external_run_id)

    def set_external_id(self, run_id: str, external_id: str | None) -> None:
        """Record the external id of a run."""
        known = self._known.get(run_id)
        if known is None or external_id is None:
            return
        if known.external_id is not None:
            self._ids.pop(known.external_id, None)
        known.external_id = external_id
        self._ids[external_id] = run_id

    def on_run_ended(self, run_id: str, status: RunStatus) -> None:
        """Record that a run has ended: later reports on it have no effect, and lookups return it with its status."""
        known = self._known.get(run_id)
        self._forget(run_id)
        self._ended[run_id] = known
        if known is not None and known.external_id is not None:
            set_status(known.run, status)
            self._ended_ids[known.external_id] = run_id
        if len(self._ended) > _ENDED_RUNS:
            oldest, ended = self._ended.popitem(last=False)
            if ended is not None and self._ended_ids.get(ended.external_id or "") == oldest:
                del self._ended_ids[ended.external_id or ""]

    def _forget(self, run_id: str) -> None:
        known = self._known.pop(run_id, None)
        if known is not None and known.external_id is not None and self._ids.get(known.external_id) == run_id:
            del self._ids[known.external_id]

    async def report(
        self, run_id: str, report: OceanReport, attempt: int | None = None, *, namespace: str | None = None
    ) -> None:
        """Hand a report to the call under way, else store it as an ActionEvent for the owner.

        One that comes too late, from a task of an ``attempt`` that has ended, is dropped. With a ``namespace``, runs of
        others are unknown.
        """
        known = self._known.get(run_id)
        if known is not None and namespace not in {None, known.namespace}:
            raise UnknownRunError(run_id)
        if known is None and run_id not in self._ended:
            raise UnknownRunError(run_id)
        if known is None or attempt not in {None, known.attempt}:
            self._log.debug("a report came after the end", run=run_id)
            return
        if known.call is not None:
            known.call.apply_report(report)
            return
        body = self._event(known, run_id, report)
        try:
            await self._persistently(
                lambda: self.toolbox.cluster.create(ACTION_EVENTS, body, namespace=known.namespace)
            )
        except AlreadyExistsError:
            return  # already stored; only the response was lost
        self.set_external_id(run_id, report.external_run_id)

    async def find(self, external_id: str, *, namespace: str | None = None) -> AnyRun | None:
        """Return a known run by its external id, also one that has ended; with a ``namespace``, only one there."""
        known = self._known.get(self._ids.get(external_id, ""))
        found = known if known is not None else self._ended.get(self._ended_ids.get(external_id, ""))
        return found.run if found is not None and namespace in {None, found.namespace} else None

    def _event(self, known: _TrackedRun, run_id: str, report: OceanReport) -> Body:
        name = f"{known.name[:_NAME_CHARS].rstrip('.-')}-report-{uuid.uuid4().hex[:12]}"
        return {
            "apiVersion": API_VERSION,
            "kind": ACTION_EVENTS.kind,
            "metadata": {"name": name, "namespace": known.namespace},
            "spec": {
                "target": {"name": known.name, "uid": run_id, "attempt": known.attempt},
                "type": REPORT,
                "payload": report.to_payload(),
                "sender": "ocean",
                "receivedAt": format_time(self.toolbox.clock.now()),
            },
        }


@dataclass(slots=True)
class OpenCall:
    """Call of an executor for one run: the reports in it become its outcome.

    Attributes:
        lines: the last lines of the attempt's log.
        label: the status label.
        message: the newest text.
        reach: the only namespace whose runs the call can find and report on; None for all.
    """

    host: Host
    run: Run
    ocean_run: AnyRun
    report_so_far: OceanReport = NOTHING
    answers_to: set[str] = field(default_factory=set)
    is_open: bool = True
    lines: list[LogLine] = field(default_factory=list)
    label: str | None = None
    message: str = ""
    reach: str | None = None

    def __post_init__(self) -> None:
        if self.run.external_id is not None:
            self.answers_to.add(self.run.external_id)
        if self.run.progress is not None:
            self.lines += self.run.progress.log or ()
            self.label, self.message = self.run.progress.label, self.run.progress.message
        if isinstance(self.ocean_run, WorkflowNodeRun):
            self.ocean_run.output = dict(self._recorded_output)

    @property
    def output(self) -> dict[str, Any] | None:
        """Output so far: of earlier calls, of this one, and for a workflow's node what the executor set in its run."""
        of_run = self.ocean_run.output if isinstance(self.ocean_run, WorkflowNodeRun) else {}
        return {**self._recorded_output, **(self.report_so_far.output or {}), **of_run} or None

    @property
    def _recorded_output(self) -> Mapping[str, Any]:
        found = self.run.progress.output if self.run.progress is not None else None
        return found if isinstance(found, dict) else {}

    @property
    def config(self) -> Mapping[str, Any]:
        """Configuration of the run's provider."""
        return self.run.config

    def close(self) -> None:
        """End the call."""
        self.is_open = False
        self.host.close_call(self)

    def apply_report(self, report: OceanReport) -> None:
        """Apply a report on this run, and show it as progress."""
        self.report_so_far = self.report_so_far.merge(report)
        if report.status is not None:
            set_status(self.ocean_run, report.status)
        ends = report.status is not None and report.status.terminal
        self.label = report.label if ends else report.label or self.label  # a label of the work is wrong after its end
        self.message = report.text or self.message
        self._add_lines(report.logs)
        if report.external_run_id is not None:
            self.answers_to.add(report.external_run_id)
        for link in shown_links(report):
            self.run.reporter.link(link)
        if report.text or report.output or ends:
            self.show()

    def show(self) -> None:
        """Record the progress so far on the action."""
        output = self.output
        self.run.reporter.progress(
            Progress(
                message=truncate(self.message, MESSAGE_LIMIT_CHARS),
                label=self.label,
                log=tuple(self.lines) or None,
                output=output if len(orjson.dumps(output, default=str)) <= _OUTPUT_BYTES else None,
            )
        )

    def _add_lines(self, lines: Sequence[ReportedLine]) -> None:
        number = self.lines[-1].number if self.lines else 0
        now = self.host.toolbox.clock.now()
        for line in lines:
            number += 1
            self.lines.append(LogLine(number=number, at=now, level=line.level, message=line.message))
        del self.lines[:-LOG_LINES_KEPT]

    async def report(self, run_id: str, report: OceanReport) -> None:
        """Apply a report on this run; one on another run, or after this call, goes to the host."""
        if run_id != self.run.uid:
            await self.host.report(run_id, report, namespace=self.reach)
        elif self.is_open:
            self.apply_report(report)
        else:
            await self.host.report(run_id, report, self.run.attempt)

    async def find(self, external_id: str) -> AnyRun | None:
        """Return this run, or another known run, by its external id."""
        return (
            self.ocean_run
            if external_id in self.answers_to
            else await self.host.find(external_id, namespace=self.reach)
        )
