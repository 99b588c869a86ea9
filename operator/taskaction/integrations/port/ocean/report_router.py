"""Where reports on runs go: into the call that is under way, or durably to the action's owner; decides no outcome."""

import uuid
from collections import OrderedDict
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from taskaction.api.base import format_time
from taskaction.api.task_action import Progress
from taskaction.cluster.errors import AlreadyExistsError
from taskaction.cluster.gateway import ACTION_EVENTS, Body
from taskaction.cluster.retry import Persistence
from taskaction.core.constants import API_VERSION, MESSAGE_LIMIT_CHARS
from taskaction.core.errors import TaskActionError
from taskaction.core.names import truncated
from taskaction.integrations.port.ocean.models import ActionRun, IntegrationActionInvocationPayload
from taskaction.integrations.port.ocean.reports import NOTHING, Report, shown_links
from taskaction.plugin.base import Run
from taskaction.plugin.toolbox import Toolbox

AnyRun = ActionRun[IntegrationActionInvocationPayload]
REPORT = "Report"
_KNOWN_RUNS = 100_000
_ENDED_RUNS = 10_000
_NAME_CHARS = 200


class UnknownRunError(TaskActionError):
    """Something was reported on a run that this process has never had."""

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id!r} is not known to this process: report on runs that it executes, or that "
            "find_run_by_external_id has given"
        )


class Desk(Protocol):
    """Takes reports, and finds runs."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The integration's configuration, as the run's provider gives it."""

    async def report(self, run_id: str, report: Report) -> None:
        """Take a report; it is kept when this returns.

        Raises:
            UnknownRunError: nobody knows which action is meant.
        """

    async def find(self, external_id: str) -> AnyRun | None:
        """Give the run that the target calls so."""


current_desk: ContextVar[Desk | None] = ContextVar("taskaction_ocean_desk", default=None)
"""The desk of the call that runs now: what runs side by side in one process does not mix."""


@dataclass(slots=True)
class _Known:
    run: AnyRun
    namespace: str
    name: str
    external_id: str | None
    attempt: int
    call: "OpenCall | None" = None


class Host:
    """What all Ocean executors of one process share: the runs it has seen, and the way to their owners."""

    def __init__(self, toolbox: Toolbox) -> None:
        self.toolbox = toolbox
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._ids: dict[str, str] = {}
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._log = structlog.stdlib.get_logger("taskaction.ocean")
        self._persistently = Persistence(
            toolbox.clock,
            toolbox.luck,
            lambda error: self._log.warning("report cannot be stored, trying again", error=str(error)),
        )

    @property
    def config(self) -> Mapping[str, Any]:
        """Nothing: a provider's configuration belongs to a call."""
        return {}

    def open(self, run: Run, ocean_run: AnyRun) -> "OpenCall":
        """Begin a call: reports on this run go into it until it is closed."""
        call = OpenCall(self, run, ocean_run)
        known = self._known.pop(run.uid, None)
        if known is not None and known.external_id is not None:
            self._ids.pop(known.external_id, None)
        self._known[run.uid] = _Known(ocean_run, run.namespace, run.name, run.external_id, run.attempt, call)
        if run.external_id is not None:
            self._ids[run.external_id] = run.uid
        while len(self._known) > _KNOWN_RUNS:
            self._forget(next(iter(self._known)))
        return call

    def closed(self, call: "OpenCall") -> None:
        """End a call; what is reported from now on goes to the action's owner."""
        known = self._known.get(call.run.uid)
        if known is None or known.call is not call:
            return
        known.call = None
        self.named(call.run.uid, call.report_so_far.external_run_id)

    def named(self, run_id: str, external_id: str | None) -> None:
        """Take note of what the target calls a run."""
        known = self._known.get(run_id)
        if known is None or external_id is None:
            return
        if known.external_id is not None:
            self._ids.pop(known.external_id, None)
        known.external_id = external_id
        self._ids[external_id] = run_id

    def ended(self, run_id: str) -> None:
        """Let go of a run that has ended: what is still said of it is of no use."""
        self._forget(run_id)
        self._ended[run_id] = None
        if len(self._ended) > _ENDED_RUNS:
            self._ended.popitem(last=False)

    def _forget(self, run_id: str) -> None:
        known = self._known.pop(run_id, None)
        if known is not None and known.external_id is not None and self._ids.get(known.external_id) == run_id:
            del self._ids[known.external_id]

    async def report(self, run_id: str, report: Report, attempt: int | None = None) -> None:
        """Hand a report to the call under way, else store it as an ActionEvent for the owner.

        One that comes too late, from a task of an ``attempt`` that has ended, is dropped.
        """
        known = self._known.get(run_id)
        if known is None and run_id not in self._ended:
            raise UnknownRunError(run_id)
        if known is None or attempt not in {None, known.attempt}:
            self._log.debug("a report came after the end", run=run_id)
            return
        if known.call is not None:
            known.call.take(report)
            return
        body = self._event(known, run_id, report)
        try:
            await self._persistently(
                lambda: self.toolbox.cluster.create(ACTION_EVENTS, body, namespace=known.namespace)
            )
        except AlreadyExistsError:
            return  # stored before; only the answer was lost
        self.named(run_id, report.external_run_id)

    async def find(self, external_id: str) -> AnyRun | None:
        """Give a run that this process has had."""
        run_id = self._ids.get(external_id)
        return self._known[run_id].run if run_id is not None else None

    def _event(self, known: _Known, run_id: str, report: Report) -> Body:
        name = f"{known.name[:_NAME_CHARS].rstrip('.-')}-report-{uuid.uuid4().hex[:12]}"
        return {
            "apiVersion": API_VERSION,
            "kind": ACTION_EVENTS.kind,
            "metadata": {"name": name, "namespace": known.namespace},
            "spec": {
                "target": {"name": known.name, "uid": run_id, "attempt": known.attempt},
                "type": REPORT,
                "payload": report.payload(),
                "sender": "ocean",
                "receivedAt": format_time(self.toolbox.clock.now()),
            },
        }


@dataclass(slots=True)
class OpenCall:
    """One call of one run: what is said in it becomes its outcome."""

    host: Host
    run: Run
    ocean_run: AnyRun
    report_so_far: Report = NOTHING
    answers_to: set[str] = field(default_factory=set)
    is_open: bool = True

    def __post_init__(self) -> None:
        if self.run.external_id is not None:
            self.answers_to.add(self.run.external_id)

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration of the run's provider."""
        return self.run.config

    def close(self) -> None:
        """End the call."""
        self.is_open = False
        self.host.closed(self)

    def take(self, report: Report) -> None:
        """Take in what is said of this run, and show it."""
        self.report_so_far = self.report_so_far.then(report)
        if report.status is not None:
            self.ocean_run.status = report.status
        if report.external_run_id is not None:
            self.answers_to.add(report.external_run_id)
        for link in shown_links(report):
            self.run.reporter.link(link)
        if report.text:
            self.run.reporter.progress(Progress(message=truncated(report.text, MESSAGE_LIMIT_CHARS)))

    async def report(self, run_id: str, report: Report) -> None:
        """Take in what is said; about another run, or after this call, it goes where that run is."""
        if run_id != self.run.uid:
            await self.host.report(run_id, report)
        elif self.is_open:
            self.take(report)
        else:
            await self.host.report(run_id, report, self.run.attempt)

    async def find(self, external_id: str) -> AnyRun | None:
        """Give this run where it is meant."""
        return self.ocean_run if external_id in self.answers_to else await self.host.find(external_id)
