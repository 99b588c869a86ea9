"""Reports on runs to Port, retried until Port accepts them; the objects record what has been reported.

An action has a finalizer until Port accepts its last report, so that neither its TTL nor a deletion loses it.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta

from pydantic import ValidationError

from taskaction.api.enums import Phase
from taskaction.api.metadata import Metadata
from taskaction.api.task_action import TaskAction
from taskaction.cluster.errors import ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster
from taskaction.core.backoff import Backoff
from taskaction.core.clock import Clock
from taskaction.integrations.port.agent import annotations as marking
from taskaction.integrations.port.agent import wire
from taskaction.integrations.port.agent.admission import Admission
from taskaction.integrations.port.agent.annotations import RunAnnotations
from taskaction.integrations.port.agent.buffer import BufferedRun, RunBuffer
from taskaction.integrations.port.agent.client import PortApiClient, PortError, PortNotFoundError, PortUnavailableError
from taskaction.integrations.port.agent.ownership import OwnActions
from taskaction.integrations.port.agent.recorder import AgentRecorder
from taskaction.integrations.port.agent.reports import EndReport, Report, ReportedState, deletion_report, due_reports

PATIENCE = Backoff(initial=1.0, factor=2.0, max=60.0)
_AT_A_TIME = 16
_NOT_STARTED = frozenset({Phase.QUEUED, Phase.WAITING_FOR_RESOURCES})


@dataclass(slots=True)
class _Failure:
    """Failed report that is retried later."""

    attempts: int
    again: float
    error: str


class Outbox:
    """Reporter of an installation's actions; only one ``sync`` runs at a time."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        port: PortApiClient,
        clock: Clock,
        recorder: AgentRecorder,
        buffer: RunBuffer,
        admission: Admission,
        own: OwnActions,
        namespace: str,
        installation: str,
        left_alone: timedelta,
        term: Callable[[], int],
    ) -> None:
        """Create an outbox without state.

        ``left_alone`` is the time that the creator of an action has to acknowledge its run. ``term`` returns the
        current term as leader: state in memory from an earlier term may be stale.
        """
        self._left_alone = left_alone
        self._term = term
        self._known_in = 0
        self._cluster = cluster
        self._port = port
        self._clock = clock
        self._recorder = recorder
        self._buffer = buffer
        self._admission = admission
        self._own = own
        self._namespace = namespace
        self._selector = marking.selector(installation)
        self._slots = asyncio.Semaphore(_AT_A_TIME)
        self._known: dict[str, tuple[str, RunAnnotations]] = {}
        self._told: dict[str, ReportedState] = {}
        self._lost: dict[str, RunAnnotations] = {}
        self._failures: dict[str, _Failure] = {}
        self.looked = False
        """Whether all unfinished actions have been listed once."""

    @property
    def idle(self) -> bool:
        """Whether no action needs a report, now or later."""
        return not (self._buffer or self._known or self._lost)

    def problems(self) -> list[str]:
        """Return a message for reports that Port has refused several times."""
        stuck = [failure for failure in self._failures.values() if failure.attempts > 2]  # noqa: PLR2004
        return [f"{len(stuck)} runs have reports that Port does not accept: {stuck[0].error}"] if stuck else []

    def reset(self) -> None:
        """Clear the state, because another agent is, or may have been, the leader."""
        self._known_in = self._term()
        self._known.clear()
        self._told.clear()
        self._lost.clear()
        self.looked = False

    def on_action_vanished(self, name: str, marks: RunAnnotations) -> None:
        """Record that the action of a run of ours is gone: only this process can still report it to Port."""
        self._recorder.on_action_vanished(name, marks)
        self._lost[name] = marks

    async def sync(self) -> int:
        """List all actions and send due reports; return the number of actions with reports that are still due."""
        if self._term() != self._known_in:
            self.reset()
        mark = self._buffer.begin_list()
        bodies = {
            body["metadata"]["name"]: body
            async for body in self._cluster.list(TASK_ACTIONS, self._namespace, label_selector=self._selector)
        }
        found = {name: known for name, body in bodies.items() if (known := await self._marks(body)) is not None}
        self._buffer.apply_list({name: _buffered(bodies[name], known) for name, known in found.items()}, mark)
        await self._check_missing(name for name in self._known if name not in bodies)
        self._known = {
            name: (bodies[name]["metadata"]["uid"], known)
            for name, known in found.items()
            if known.acknowledgement == marking.DONE
        }
        ours = {uid for uid, _ in self._known.values()}
        self._told = {uid: told for uid, told in self._told.items() if uid in ours}
        self.looked = True
        done = await asyncio.gather(
            *(self._process_in_slot(name, bodies[name], known) for name, known in found.items()),
            *(self._report_vanished(name, marks) for name, marks in list(self._lost.items())),
        )
        self._forget_failures({*found, *self._lost})
        return done.count(False)

    async def _marks(self, body: Body) -> RunAnnotations | None:
        """Return the marks of an action of this installation; None if they are missing, invalid or forged."""
        known = RunAnnotations.from_body(body)
        problem: str | None = "its labels or annotations were changed"
        if known is not None:
            problem = await self._own.find_problem(body, known)
        if problem is None:
            return known
        self._recorder.on_action_unreadable(body["metadata"]["name"], problem)
        return None

    async def _check_missing(self, missing: Iterable[str]) -> None:
        """Check whether actions that are missing in a list were deleted in spite of their finalizer."""
        for name in list(missing):
            uid, known = self._known[name]
            body = await self._cluster.get(TASK_ACTIONS, name, self._namespace)
            if body is None or body["metadata"]["uid"] != uid:
                self.on_action_vanished(name, known)

    async def _process_in_slot(self, name: str, body: Body, known: RunAnnotations) -> bool:
        """Process one action; return whether nothing is left to do. Its errors do not affect other actions."""
        async with self._slots:
            failure = self._failures.get(name)
            if failure is not None and self._clock.monotonic() < failure.again:
                return False
            try:
                done = await self._process_action(name, body, known)
            except PortUnavailableError as error:
                self._on_report_failed(name, error, error.retry_after)
                return False
            except ClusterError as error:
                self._on_report_failed(name, error, 0.0)
                return False
            except Exception as error:  # noqa: BLE001 - one action must not stop the others
                self._recorder.on_task_failed(f"serve {name}", error)
                return False
            self._failures.pop(name, None)
            return done

    async def _process_action(self, name: str, body: Body, known: RunAnnotations) -> bool:
        if name in self._admission.busy:
            return True
        if known.acknowledgement == marking.ANOTHERS:
            await self._admission.discard(body)
            self._buffer.drop(name)
        elif known.acknowledgement == marking.DONE:
            await self._report(name, body, known)
        elif self._is_abandoned(body):
            await self._admission.recover(body, known)
        return True

    def _is_abandoned(self, body: Body) -> bool:
        created = Metadata.model_validate(body["metadata"]).creation_timestamp
        return self._clock.now() - created >= self._left_alone

    async def _report(self, name: str, body: Body, known: RunAnnotations) -> None:
        try:
            action = TaskAction.from_body(body)
        except ValidationError as error:
            self._recorder.on_action_unreadable(name, str(error))
            return
        uid = action.metadata.uid
        before = ReportedState.from_text(known.reported)
        told = self._told.get(uid, before)
        try:
            for report, after in due_reports(action, told):
                verdict = await self._send_report(known, report)
                told = self._told[uid] = _with_verdict(after, report, verdict)
        finally:
            # Record what Port accepted even if it does not accept the next report.
            if told != before:
                await self._record_reported(body, told)

    async def _record_reported(self, body: Body, told: ReportedState) -> None:
        """Record on the object what was reported; otherwise it would be reported again after a restart."""
        metadata = body["metadata"]
        name, uid = metadata["name"], metadata["uid"]
        found: Body | None = body
        while found is not None and found["metadata"]["uid"] == uid:
            operations = (
                marking.finish_patch(found, told.to_text())
                if told.ended
                else marking.reported_patch(uid, told.to_text())
            )
            try:
                await self._cluster.patch(TASK_ACTIONS, name, self._namespace, operations)
            except ConflictError:
                found = await self._cluster.get(TASK_ACTIONS, name, self._namespace)
                continue
            except NotFoundError:
                pass
            break
        if told.ended:
            self._known.pop(name, None)
            self._told.pop(uid, None)
            self._own.forget(uid)
            self._buffer.drop(name)

    async def _send_report(self, known: RunAnnotations, report: Report) -> str:
        """Send a report; return why Port refuses it permanently, or an empty string."""
        try:
            for request in wire.report_requests(known.kind, known.run_id, report):
                await self._port.send(request)
        except PortUnavailableError:
            raise
        except PortError as error:
            self._recorder.on_report_refused(known, report, error)
            return "unknown to Port" if isinstance(error, PortNotFoundError) else "refused by Port"
        self._recorder.on_report_accepted(known, report)
        return ""

    async def _report_vanished(self, name: str, known: RunAnnotations) -> bool:
        """Report to Port that an action is gone."""
        failure = self._failures.get(name)
        if self._term() != self._known_in or (failure is not None and self._clock.monotonic() < failure.again):
            return False
        try:
            await self._send_report(known, deletion_report())
        except PortUnavailableError as error:
            self._on_report_failed(name, error, error.retry_after)
            return False
        del self._lost[name]
        return True

    def _on_report_failed(self, name: str, error: Exception, wait: float) -> None:
        before = self._failures.get(name)
        attempts = (before.attempts if before is not None else 0) + 1
        again = self._clock.monotonic() + max(wait, PATIENCE.delay(attempts, 0.0))
        self._failures[name] = _Failure(attempts, again, str(error))
        self._recorder.on_task_failed("report", error)

    def _forget_failures(self, names: set[str]) -> None:
        for name in self._failures.keys() - names:
            del self._failures[name]


def _buffered(body: Body, known: RunAnnotations) -> BufferedRun:
    phase = (body.get("status") or {}).get("phase", Phase.QUEUED)
    return BufferedRun((known.kind, known.bucket), started=phase not in _NOT_STARTED)


def _with_verdict(after: ReportedState, report: Report, verdict: str) -> ReportedState:
    """Return the state after a report that Port accepted or refused permanently."""
    if not verdict or not isinstance(report, EndReport):
        return after
    return replace(after, ended=f"{after.ended}, {verdict}")
