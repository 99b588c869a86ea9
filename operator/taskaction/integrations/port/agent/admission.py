"""Admission of runs: create a suspended TaskAction, acknowledge the run at Port, then release the action.

If the response of Port is lost, the action stays suspended. The agent that finds it acknowledges the run again, and
treats a conflict as the response to the first acknowledgement: see docs/port-agent.md for the result of each crash.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from taskaction.api.parameters import size_problem
from taskaction.cluster.errors import (
    AlreadyExistsError,
    ClusterError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    QuotaReachedError,
)
from taskaction.cluster.gateway import ACTION_PROVIDERS, TASK_ACTIONS, Body, Cluster
from taskaction.core.clock import Clock
from taskaction.integrations.port.agent import annotations as marking
from taskaction.integrations.port.agent import wire
from taskaction.integrations.port.agent.annotations import RunAnnotations
from taskaction.integrations.port.agent.client import PortApiClient, PortConflictError, PortError, PortUnavailableError
from taskaction.integrations.port.agent.mapping import Target, Targets, manifest, plain_name, refusal
from taskaction.integrations.port.agent.ownership import OwnActions
from taskaction.integrations.port.agent.recorder import AgentRecorder
from taskaction.integrations.port.agent.runs import MalformedRun, PortRun

_CHUNK = 32
"""Number of runs that are acknowledged concurrently."""


class AcknowledgementResult(Enum):
    """Result of an acknowledgement at Port."""

    OURS = "ours"
    TAKEN = "taken"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """Action whose run needs an acknowledgement; ``first`` if no agent has ever sent one."""

    body: Body
    marks: RunAnnotations
    first: bool

    @property
    def name(self) -> str:
        return str(self.body["metadata"]["name"])


class Admission:
    """Admission of runs as TaskActions, so that each effect happens at most once, whichever process crashes."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        port: PortApiClient,
        clock: Clock,
        recorder: AgentRecorder,
        namespace: str,
        installation: str,
        identity: str,
        targets: Targets,
        own: OwnActions,
        vanished: Callable[[str, RunAnnotations], None],
    ) -> None:
        """Create an admission; it calls ``vanished`` for actions that are gone although their runs are ours."""
        self._cluster = cluster
        self._port = port
        self._clock = clock
        self._recorder = recorder
        self._namespace = namespace
        self._installation = installation
        self._identity = identity
        self._targets = targets
        self._own = own
        self._vanished = vanished
        self.busy: set[str] = set()
        """Names of actions whose runs this process is acknowledging; no other task here may acknowledge them."""

    async def admit(self, runs: Sequence[tuple[str, PortRun | MalformedRun]], until: float) -> set[str]:
        """Admit runs in order, each with the name of its action; return the names of the new actions.

        Runs that have no action by ``until`` (monotonic) are skipped: Port then hands them out again.
        """
        new: set[str] = set()
        # A duplicate, or a run that is being recovered, would get a conflict from this process's own acknowledgement.
        once = list({name: (name, run) for name, run in runs if name not in self.busy}.values())
        for start in range(0, len(once), _CHUNK):
            chunk = once[start : start + _CHUNK]
            names = {name for name, _ in chunk}
            self.busy |= names
            try:
                taken, healthy = await self._admit(chunk, until)
            finally:
                self.busy -= names
            new |= taken
            if not healthy:
                break
        return new

    async def _admit(self, chunk: Sequence[tuple[str, PortRun | MalformedRun]], until: float) -> tuple[set[str], bool]:
        """Return the names of the new actions, and whether to continue with the next chunk."""
        found: dict[str, Target] = {}
        candidates: list[_Candidate] = []
        healthy = True
        for name, run in chunk:
            if self._clock.monotonic() >= until:
                self._recorder.on_run_left(run, "too late")
                healthy = False
                break
            try:
                candidate = await self._record_run(name, run, found)
            except ClusterError as error:
                self._recorder.on_task_failed("create action", error)
                healthy = False
                break
            if candidate is not None:
                candidates.append(candidate)
        answers = await asyncio.gather(*(self._acknowledge(candidate.marks) for candidate in candidates))
        for candidate, answer in zip(candidates, answers, strict=True):  # released in Port's order
            await self._settle(candidate, answer)
        return {candidate.name for candidate in candidates}, healthy and AcknowledgementResult.UNKNOWN not in answers

    async def recover(self, body: Body, marks: RunAnnotations) -> None:
        """Finish an acknowledgement whose response an agent, perhaps this one, did not receive."""
        name = body["metadata"]["name"]
        self.busy.add(name)
        try:
            candidate = await self._take_over(body, marks)
            if candidate is not None:
                await self._settle(candidate, await self._acknowledge(candidate.marks))
        finally:
            self.busy.discard(name)

    async def discard(self, body: Body) -> None:
        """Delete an action whose run belongs to another agent; the action never ran."""
        metadata = body["metadata"]
        await self._cluster.delete(TASK_ACTIONS, metadata["name"], self._namespace, uid=metadata["uid"])
        try:
            await self._patch(metadata["name"], marking.finish_patch(body, None))
        except NotFoundError:
            return

    async def _record_run(self, name: str, run: PortRun | MalformedRun, found: dict[str, Target]) -> _Candidate | None:
        """Ensure that the run has an action; return it if the run needs an acknowledgement."""
        body = await self._manifest(run, found)
        if (problem := size_problem(body["spec"].get("parameters", {}))) is not None:
            body = self._refusal(run, problem)
        try:
            body = await self._create(run, body)
        except AlreadyExistsError:
            return await self._handle_existing_action(name, run)
        self._own.add(body["metadata"]["uid"])
        self._recorder.on_run_taken(name, run)
        known = RunAnnotations.from_body(body)
        return _Candidate(body=body, marks=known, first=True) if known is not None else None

    async def _create(self, run: PortRun | MalformedRun, body: Body) -> Body:
        try:
            return await self._cluster.create(TASK_ACTIONS, body, self._namespace)
        except QuotaReachedError:
            raise  # Port hands out the run again
        except (
            InvalidError,
            ForbiddenError,
        ) as error:  # a policy rejects this action; if it rejects all, the next create fails too
            reason = f"the run cannot become a TaskAction: {error}"
            return await self._cluster.create(TASK_ACTIONS, self._refusal(run, reason), self._namespace)

    async def _manifest(self, run: PortRun | MalformedRun, found: dict[str, Target]) -> Body:
        if isinstance(run, MalformedRun):
            return self._refusal(run, f"the run that Port handed out cannot be read: {run.problem}")
        target = self._targets.get(run.action_type) or found.get(run.action_type)
        if target is None:
            name = plain_name(run.action_type)
            if name is None:
                return self._refusal(run, f"no executor registered for action type {run.action_type!r}")
            provider = await self._cluster.get(ACTION_PROVIDERS, name, self._namespace)
            target = Target(provider=name) if provider is not None else Target(executor=name)
            found[run.action_type] = target
        return manifest(run, target, installation=self._installation, agent=self._identity)

    def _refusal(self, run: PortRun | MalformedRun, reason: str) -> Body:
        return refusal(run, run.id or "", reason, installation=self._installation, agent=self._identity)

    async def _handle_existing_action(self, name: str, run: PortRun | MalformedRun) -> _Candidate | None:
        """Handle a run that already has an action: Port handed it out again, or two agents claimed it."""
        body = await self._cluster.get(TASK_ACTIONS, name, self._namespace)
        if body is None:
            return None  # deleted in the meantime; Port hands out the run again
        known = RunAnnotations.from_body(body)
        if known is None or known.run_id != run.id or await self._own.find_problem(body, known) is not None:
            self._recorder.on_name_conflict(name, run.id or "")
            return None
        match known.acknowledgement:
            case marking.ANOTHERS:
                return None
            case marking.DONE:
                await self._acknowledge_again(body, known)
                return None
            case _:
                return await self._take_over(body, known)

    async def _acknowledge_again(self, body: Body, known: RunAnnotations) -> None:
        """Acknowledge again; if Port accepts this as the first one, it has lost our reports as well."""
        answer = await self._acknowledge(known)
        if answer is AcknowledgementResult.OURS and not known.unreported:
            await self._patch(body["metadata"]["name"], marking.reopen_patch(body))

    async def _take_over(self, body: Body, known: RunAnnotations) -> _Candidate | None:
        """Become the owner of the acknowledgement, so that the previous agent concludes nothing from a conflict."""
        mine = marking.pending_acknowledgement(self._identity)
        if known.acknowledgement != mine:
            try:
                body = await self._patch(
                    body["metadata"]["name"], marking.acknowledgement_patch(known.acknowledgement, mine)
                )
            except (ConflictError, NotFoundError):
                return None  # another agent has decided in the meantime
        again = RunAnnotations.from_body(body)
        return _Candidate(body=body, marks=again, first=False) if again is not None else None

    async def _acknowledge(self, marks: RunAnnotations) -> AcknowledgementResult:
        try:
            await self._port.send(wire.acknowledge_request(marks.kind, marks.run_id))
        except PortConflictError:
            return AcknowledgementResult.TAKEN
        except PortUnavailableError as error:
            self._recorder.on_task_failed("acknowledge", error)
            return AcknowledgementResult.UNKNOWN
        except PortError as error:
            self._recorder.on_task_failed("acknowledge", error)
            return AcknowledgementResult.REFUSED
        return AcknowledgementResult.OURS

    async def _settle(self, candidate: _Candidate, answer: AcknowledgementResult) -> None:
        """Release the action, delete it, or keep it until Port responds to another acknowledgement."""
        if answer is AcknowledgementResult.UNKNOWN:
            return
        # A conflict of a first acknowledgement: another agent has the run. Otherwise the earlier one succeeded.
        ours = answer is AcknowledgementResult.OURS or (answer is AcknowledgementResult.TAKEN and not candidate.first)
        before = candidate.marks.acknowledgement
        try:
            if ours:
                await self._patch(candidate.name, marking.release_patch(before))
            else:
                body = await self._patch(candidate.name, marking.acknowledgement_patch(before, marking.ANOTHERS))
                self._recorder.on_run_owned_elsewhere(candidate.name, candidate.marks)
                await self.discard(body)
                return
        except ConflictError:
            return  # another agent has taken over the acknowledgement and settles it
        except NotFoundError:
            if ours:
                self._vanished(candidate.name, candidate.marks)
            return
        except ClusterError as error:
            self._recorder.on_task_failed("release action", error)
            return
        if not candidate.first:
            self._recorder.on_run_recovered(candidate.name, candidate.marks)

    async def _patch(self, name: str, operations: marking.Operations) -> Body:
        return await self._cluster.patch(TASK_ACTIONS, name, self._namespace, operations)
