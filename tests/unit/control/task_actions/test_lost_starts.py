"""A crash between the start of work outside and its record: an abort before the next look leaves nothing running.

Where nothing can be looked for, the status of the action says so. Each executor is started by a process that dies
before it has written anything of the start, and the next process finds the abort.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from support.flyte_tasks import parameters as flyte_parameters
from support.memory_operator import MemoryOperator, actions
from support.records import body
from taskaction.api.task_action import TaskActionStatus
from taskaction.cluster.errors import UnavailableError
from taskaction.cluster.gateway import ACTION_PROVIDERS, TASK_ACTIONS
from taskaction.core.constants import FINALIZER
from taskaction.executors.acting import Actor
from taskaction.integrations.flyte.executor.executor import FlyteExecutor
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.lifecycle.outcomes import Outcome, Pending, Succeeded
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import TransientError
from taskaction.plugin.registry import Plugin
from taskaction.plugin.toolbox import Toolbox
from taskaction.testing.clock import START
from taskaction.testing.targets import HttpServer, hangs, says

SETTINGS: dict[str, Any] = {"http_allowed_cidrs": "127.0.0.0/8"}
ABORT = {"reason": "enough", "by": "ada", "at": "2026-01-01T12:00:00Z"}
DOWN = UnavailableError("the API server is away")
TAKE_OVER = 30.0


async def crash_after_start(
    started: Callable[[MemoryOperator], bool],
    *plugins: Plugin,
    executor: str,
    parameters: Any,
    provider: dict[str, Any] | None = None,
) -> MemoryOperator:
    """Let a process start an action, by a provider if there is one, and die before it has written anything of that."""
    operator = MemoryOperator(*plugins, identity="first", **SETTINGS)

    def lose_status(verb: str, _: str) -> None:
        if verb == "replace_status" and started(operator):
            raise DOWN

    operator.cluster.meanwhile = lose_status
    await operator.__aenter__()
    if provider is None:
        await operator.create(*actions(["one"], executor, parameters))
    else:
        operator.cluster.store(ACTION_PROVIDERS, provider)
        await operator.create(body("one", executor=None, providerRef={"name": "offer"}, parameters=parameters))
    await operator.until(lambda: started(operator))
    await operator.settle()
    await operator.crash()
    operator.cluster.meanwhile = None
    assert operator.action("one").status.external_id is None
    return operator


def next_operator(before: MemoryOperator, *plugins: Plugin) -> MemoryOperator:
    """Return the process that takes over."""
    return MemoryOperator(*plugins, cluster=before.cluster, clock=before.clock, identity="second", **SETTINGS)


async def next_status(before: MemoryOperator, *plugins: Plugin, **spec: Any) -> TaskActionStatus:
    """Return the status of the action after another process has found it as its user has changed it."""
    await before.change("one", **spec)
    async with next_operator(before, *plugins) as operator:
        await operator.pass_time(TAKE_OVER)
        await operator.until(lambda: operator.action("one").status.phase.is_terminal)
        return operator.action("one").status


# -- objects of the cluster --------------------------------------------------------------------------------------------


class TrustingFlyte(FlyteExecutor):
    """Executor of Flyte's tasks that needs no storage to start one."""

    ACTION_NAME = "trusting-flyte"

    @classmethod
    def build(cls, toolbox: Toolbox) -> "TrustingFlyte":
        actor = Actor(toolbox.cluster, toolbox.closed_namespaces, toolbox.clock)
        return cls(actor, toolbox.followed, toolbox.clock, FlyteSettings(trust_exit_code=True))


JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "mine"}, "spec": {"template": {"spec": {}}}}
OBJECTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "job": ("jobs", "job", {"image": "busybox:1.36"}),
    "pod": ("pods", "pod", {"image": "busybox:1.36"}),
    "flow": (
        "actionflowruns",
        "flow",
        {"definition": {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 600, "End": True}}}},
    ),
    "flyte": ("pods", "trusting-flyte", flyte_parameters()),
    "resource that the action owns": ("jobs", "resource", {"manifest": JOB}),
    "resource without owner": ("jobs", "resource", {"manifest": JOB, "owned": False}),
}


@pytest.mark.parametrize(("plural", "executor", "parameters"), OBJECTS.values(), ids=OBJECTS)
async def test_an_object_that_nobody_recorded_is_deleted(plural: str, executor: str, parameters: Any) -> None:
    crashed = await crash_after_start(
        lambda one: bool(one.of_kind(plural)), TrustingFlyte, executor=executor, parameters=parameters
    )
    assert crashed.action("one").status.attempt is None

    status = await next_status(crashed, TrustingFlyte, abort=ABORT)

    assert (status.phase, status.message) == ("Aborted", "enough")
    assert [one.external_id for one in status.attempts] == [status.external_id]
    assert crashed.of_kind(plural) == []


# -- work at a target --------------------------------------------------------------------------------------------------


@dataclass
class Target:
    """Starts a job for each request, or one for each key, and keeps it until it is told to stop."""

    server: HttpServer = field(default_factory=HttpServer)
    requests: list[str] = field(default_factory=list)
    jobs: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    @property
    def running(self) -> set[str]:
        """The jobs that nobody has told to stop."""
        return set(self.jobs.values()) - self.cancelled

    def _started(self, key: str) -> str:
        self.requests.append(key)
        return self.jobs.setdefault(key or f"request {len(self.requests)}", f"job-{len(self.jobs)}")

    async def _start_http(self, request: web.BaseRequest) -> web.StreamResponse:
        keyed = request.method == "PUT" and "/jobs"
        return web.json_response({"id": self._started(request.headers.get("Idempotency-Key") or keyed or "")})

    async def _start_globus(self, request: web.BaseRequest) -> web.StreamResponse:
        key = json.loads(await request.text())["request_id"]
        return web.json_response(_action_status(self._started(key), "ACTIVE"))

    def _cancel(self, name: str) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def handler(_: web.BaseRequest) -> web.StreamResponse:
            self.cancelled.add(name)
            return web.json_response(_action_status(name, "FAILED"))

        return handler

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve, and yield the address."""
        async with self.server:
            self.server.on("GET /", says({"title": "demo", "globus_auth_scope": "urn:s", "synchronous": False}))
            self.server.on("GET /jobs", self._start_http)
            self.server.on("PUT /jobs", self._start_http)
            self.server.on("POST /jobs", self._start_http)
            self.server.on("POST /run", self._start_globus)
            for number in range(3):
                self.server.on(f"DELETE /jobs/job-{number}", self._cancel(f"job-{number}"))
                self.server.on(f"POST /job-{number}/cancel", self._cancel(f"job-{number}"))
            yield self.server.url


def _action_status(name: str, standing: str) -> dict[str, Any]:
    return {"action_id": name, "status": standing, "details": {}, "creator_id": "urn:x", "label": None}


def http(url: str, method: str, *, keyed: bool, cancels: bool) -> dict[str, Any]:
    """Return the parameters of a request that starts a job."""
    follow = f"{url}/jobs/{{{{ externalId }}}}"
    polling = {"url": follow, "externalId": "{{ response.body.id }}", "success": {"path": "state", "equals": "done"}}
    parameters = {"method": method, "url": f"{url}/jobs", "polling": polling}
    keys = {"idempotencyHeader": "Idempotency-Key"} if keyed else {}
    return parameters | keys | ({"cancel": {"method": "DELETE", "url": follow}} if cancels else {})


CANCELLED: dict[str, Callable[[str], tuple[str, dict[str, Any]]]] = {
    "http by a key": lambda url: ("http", http(url, "POST", keyed=True, cancels=True)),
    "http by the method": lambda url: ("http", http(url, "PUT", keyed=False, cancels=True)),
    "globus": lambda url: ("globus", {"url": url}),
}
UNKNOWN: dict[str, tuple[Callable[[str], tuple[str, dict[str, Any]]], str]] = {
    "http without cancel": (
        lambda url: ("http", http(url, "PUT", keyed=False, cancels=False)),
        "the request may have been sent, and without the field cancel nothing stops it",
    ),
    "http with a key, without cancel": (
        lambda url: ("http", http(url, "POST", keyed=True, cancels=False)),
        "the request may have been sent, and without the field cancel nothing stops it",
    ),
    "http that may not be repeated": (
        lambda url: ("http", http(url, "POST", keyed=False, cancels=True)),
        "first stopped during the attempt, and its effect is unknown",
    ),
    "globus that may not be repeated": (
        lambda url: ("globus", {"url": url, "honoursRequestId": False}),
        "first stopped during the attempt, and its effect is unknown",
    ),
}


@pytest.mark.parametrize("started_by", CANCELLED.values(), ids=CANCELLED)
async def test_work_is_found_by_its_key_and_cancelled(started_by: Callable[[str], tuple[str, dict[str, Any]]]) -> None:
    target = Target()
    async with target.serving() as url:
        executor, parameters = started_by(url)
        crashed = await crash_after_start(lambda _: bool(target.jobs), executor=executor, parameters=parameters)
        status = await next_status(crashed, abort=ABORT)
    assert (status.phase, status.message) == ("Aborted", "enough")
    assert [one.external_id for one in status.attempts] == ["job-0"]
    assert (len(target.jobs), target.running, len(set(target.requests))) == (1, set(), 1)
    assert FINALIZER not in crashed.stored("one")["metadata"].get("finalizers", [])


@pytest.mark.parametrize(("started_by", "why"), UNKNOWN.values(), ids=UNKNOWN)
async def test_what_cannot_be_found_is_named_in_the_status(
    started_by: Callable[[str], tuple[str, dict[str, Any]]], why: str
) -> None:
    target = Target()
    async with target.serving() as url:
        executor, parameters = started_by(url)
        crashed = await crash_after_start(lambda _: bool(target.jobs), executor=executor, parameters=parameters)
        status = await next_status(crashed, abort=ABORT)
    assert status.phase == "Aborted"
    assert why in (status.message or "")
    assert len(target.requests) == 1


async def test_a_request_that_changes_nothing_leaves_nothing_to_say() -> None:
    target = Target()
    async with target.serving() as url:
        parameters = http(url, "GET", keyed=False, cancels=False)
        crashed = await crash_after_start(lambda _: bool(target.jobs), executor="http", parameters=parameters)
        status = await next_status(crashed, abort=ABORT)
    assert (status.phase, status.message, status.attempt) == ("Aborted", "enough", None)


# -- a plug-in, and all ways to end ------------------------------------------------------------------------------------


@dataclass
class Outside:
    """Work outside by its key, which outlives the processes that start it."""

    jobs: dict[str, str] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    problems: list[Exception] = field(default_factory=list)
    answers: asyncio.Event = field(default_factory=asyncio.Event)
    keeps_jobs: bool = False

    def __post_init__(self) -> None:
        self.answers.set()

    @property
    def cancels(self) -> list[str]:
        """What was to be cancelled, once for each try."""
        return [name for verb, name in self.calls if verb == "cancel"]

    async def answer(self) -> None:
        """Return when the target answers; a cancelled call waits for that too, as those of ``http`` do."""
        answered = asyncio.create_task(self.answers.wait())
        try:
            await asyncio.shield(answered)
        except asyncio.CancelledError:
            await answered

    def plugin(self) -> Plugin:
        """Return the executor for one process."""
        outside = self

        class Starter(AbstractExecutor):
            ACTION_NAME = "starter"
            IDEMPOTENT = True
            EXTERNAL_EFFECT = True

            async def execute(self, run: Run) -> Outcome:
                outside.calls.append(("execute", run.idempotency_key))
                if outside.problems:
                    raise outside.problems.pop(0)
                await outside.answer()
                if run.name == "quick":
                    return Succeeded()
                return Pending(
                    external_id=outside.jobs.setdefault(run.idempotency_key, f"job of {run.name}"), poll_after=60
                )

            async def cancel(self, run: Run) -> None:
                outside.calls.append(("cancel", run.external_id or ""))
                if outside.keeps_jobs:
                    raise TransientError("the target cancels nothing now")
                outside.jobs = {key: name for key, name in outside.jobs.items() if name != run.external_id}

        return Starter


@pytest.fixture
def outside() -> Outside:
    return Outside()


async def crashed_starter(outside: Outside) -> MemoryOperator:
    return await crash_after_start(lambda _: bool(outside.jobs), outside.plugin(), executor="starter", parameters={})


async def test_a_plugin_with_an_effect_outside_needs_nothing_more_for_it(outside: Outside) -> None:
    status = await next_status(await crashed_starter(outside), outside.plugin(), abort=ABORT)

    key = "uid-of-one-1"
    assert outside.calls == [("execute", key), ("execute", key), ("cancel", "job of one")]
    assert (status.phase, status.message, status.attempts[-1].external_id) == ("Aborted", "enough", "job of one")


async def test_a_deletion_waits_for_it_too(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    stored = crashed.stored("one")
    assert stored["metadata"]["finalizers"] == [FINALIZER]
    crashed.cluster.store(TASK_ACTIONS, stored | {"metadata": stored["metadata"] | {"deletionTimestamp": ABORT["at"]}})
    async with next_operator(crashed, outside.plugin()) as operator:
        await operator.pass_time(TAKE_OVER)
    assert outside.jobs == {}
    assert outside.calls[-1] == ("cancel", "job of one")


async def test_a_timeout_waits_for_it_too(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    status = await next_status(crashed, outside.plugin(), timeouts={"total": "1s"})

    assert (status.phase, status.reason) == ("TimedOut", "TotalTimeout")
    assert outside.jobs == {}


async def test_an_abort_of_the_parent_reaches_it_too(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    parent = actions(["parent"], "wait", {"duration": "1h"}, abort=ABORT)[0]
    crashed.cluster.store(TASK_ACTIONS, parent)
    stored = crashed.stored("one")
    owner = {"apiVersion": parent["apiVersion"], "kind": parent["kind"], "name": "parent", "uid": "uid-of-parent"}
    crashed.cluster.store(TASK_ACTIONS, stored | {"metadata": stored["metadata"] | {"ownerReferences": [owner]}})
    status = await next_status(crashed, outside.plugin())

    assert (status.phase, status.reason) == ("Aborted", "ParentAborted")
    assert outside.jobs == {}


async def test_an_action_that_waited_in_the_queue_is_not_started_to_be_cancelled(outside: Outside) -> None:
    operator = MemoryOperator(outside.plugin(), identity="first", workers_count=1, **SETTINGS)
    await operator.__aenter__()
    operator.cluster.close()
    await operator.create(*actions(["one"], "starter", {}))
    await operator.crash()
    operator.cluster.open()

    status = await next_status(operator, outside.plugin(), abort=ABORT)

    assert (status.phase, status.message, status.attempt) == ("Aborted", "enough", None)
    assert outside.calls == []


async def test_a_target_that_is_away_is_asked_until_it_answers(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    outside.problems += [TransientError("no response from the target")] * 3

    status = await next_status(crashed, outside.plugin(), abort=ABORT)

    assert (status.phase, status.message) == ("Aborted", "enough")
    assert outside.jobs == {}


async def test_a_target_that_stays_away_is_named_in_the_status(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    outside.problems += [TransientError("no response from the target")] * 1000
    await crashed.change("one", abort=ABORT)
    async with next_operator(crashed, outside.plugin()) as operator:
        await operator.pass_time(120)
        status = operator.action("one").status
    assert status.phase == "Aborted"
    assert status.message == ("enough; whether work was started and continues is unknown: no response from the target")


async def test_a_target_that_answers_too_late_delays_no_end(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    outside.answers.clear()
    outside.keeps_jobs = True
    await crashed.change("one", abort=ABORT)
    async with next_operator(crashed, outside.plugin()) as operator:
        await operator.pass_time(90)
        status = operator.action("one").status
        assert (status.phase, status.message) == (
            "Aborted",
            "enough; the executor did not confirm the cancel in time, and the work may continue",
        )
        assert FINALIZER not in operator.stored("one")["metadata"].get("finalizers", [])
        outside.answers.set()
        await operator.pass_time(30)
    assert outside.cancels == ["job of one"]  # once, as its id is known now


async def test_an_id_that_was_found_leaves_no_doubt_about_the_start(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    outside.problems.append(TransientError("no response from the target"))
    outside.keeps_jobs = True
    await crashed.change("one", abort=ABORT)
    async with next_operator(crashed, outside.plugin()) as operator:
        await operator.pass_time(90)
        status = operator.action("one").status
        tries = len(outside.cancels)
        await operator.pass_time(30)
    assert (status.phase, status.external_id) == ("Aborted", "job of one")
    assert status.message == "enough; the executor did not confirm the cancel in time, and the work may continue"
    assert 1 < tries == len(outside.cancels)


async def test_a_restart_without_an_abort_starts_with_the_same_key(outside: Outside) -> None:
    crashed = await crashed_starter(outside)
    async with next_operator(crashed, outside.plugin()) as operator:
        await operator.pass_time(TAKE_OVER)
        assert operator.action("one").status.external_id == "job of one"
        await operator.change("one", abort=ABORT)
        await operator.settle()
        assert operator.phase("one") == "Aborted"
    assert [verb for verb, _ in outside.calls] == ["execute", "execute", "cancel"]


# -- a provider that is missing or not ready ---------------------------------------------------------------------------

ABSENT = "enough; whether work was started and continues is unknown: spec.providerRef: ActionProvider 'offer'"


def provider_of(executor: str, generation: int = 1) -> dict[str, Any]:
    """Return a provider after ``generation - 1`` changes."""
    config = {"config": {"image": "busybox:1.36"}} if executor == "job" else {}
    metadata = {"name": "offer", "namespace": "team-a", "uid": "uid-of-offer", "generation": generation}
    return {"metadata": metadata | {"creationTimestamp": START.isoformat()}, "spec": {"executor": executor} | config}


async def crashed_by_provider(outside: Outside) -> MemoryOperator:
    return await crash_after_start(
        lambda _: bool(outside.jobs),
        outside.plugin(),
        executor="",
        parameters={},
        provider=provider_of("starter"),
    )


LOST_PROVIDERS: dict[str, Callable[[MemoryOperator], object]] = {
    "deleted": lambda operator: operator.cluster.drop(ACTION_PROVIDERS, "offer", "team-a"),
    "not ready": lambda operator: operator.cluster.store(ACTION_PROVIDERS, provider_of("nobody-knows-it", 2)),
}


async def aborted_without_provider(outside: Outside, lose: Callable[[MemoryOperator], object]) -> MemoryOperator:
    """Give what a crash, the loss of the provider and then an abort leave."""
    crashed = await crashed_by_provider(outside)
    lose(crashed)
    await crashed.change("one", abort=ABORT)
    return crashed


@pytest.mark.parametrize("lose", LOST_PROVIDERS.values(), ids=LOST_PROVIDERS)
async def test_the_cancel_of_a_lost_start_waits_for_its_provider(
    outside: Outside, lose: Callable[[MemoryOperator], object]
) -> None:
    crashed = await aborted_without_provider(outside, lose)
    async with next_operator(crashed, outside.plugin()) as operator:
        await operator.pass_time(20)
        assert operator.phase("one") != "Aborted"
        assert outside.jobs != {}
        operator.cluster.store(ACTION_PROVIDERS, provider_of("starter", 3))
        await operator.pass_time(5)
        status = operator.action("one").status
    assert (status.phase, status.message) == ("Aborted", "enough")
    assert outside.jobs == {}
    assert FINALIZER not in operator.stored("one")["metadata"].get("finalizers", [])


@pytest.mark.parametrize("lose", LOST_PROVIDERS.values(), ids=LOST_PROVIDERS)
async def test_a_provider_that_stays_away_is_named_in_the_status(
    outside: Outside, lose: Callable[[MemoryOperator], object]
) -> None:
    crashed = await aborted_without_provider(outside, lose)
    async with next_operator(crashed, outside.plugin()) as operator:
        await operator.pass_time(90)
        status = operator.action("one").status
    assert status.phase == "Aborted"
    assert (status.message or "").startswith(ABSENT)


async def crashed_job() -> MemoryOperator:
    return await crash_after_start(
        lambda one: bool(one.of_kind("jobs")),
        executor="",
        parameters={},
        provider=provider_of("job"),
    )


async def test_a_job_of_a_deleted_provider_is_named_in_the_status_at_once() -> None:
    crashed = await crashed_job()
    LOST_PROVIDERS["deleted"](crashed)
    await crashed.change("one", abort=ABORT)
    async with next_operator(crashed) as operator:
        await operator.pass_time(20)
        status = operator.action("one").status
    assert status.phase == "Aborted"
    assert (status.message or "").startswith(ABSENT)


async def test_the_cancel_of_a_job_waits_until_its_provider_is_ready() -> None:
    crashed = await crashed_job()
    LOST_PROVIDERS["not ready"](crashed)
    await crashed.change("one", abort=ABORT)
    async with next_operator(crashed) as operator:
        await operator.pass_time(20)
        assert operator.of_kind("jobs") != []
        operator.cluster.store(ACTION_PROVIDERS, provider_of("job", 3))
        await operator.pass_time(10)
        status = operator.action("one").status
    assert (status.phase, status.message, operator.of_kind("jobs")) == ("Aborted", "enough", [])


# -- a gentle stop -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("keyed", "phase"), [(True, "Running"), (False, "Failed")], ids=["keyed", "not keyed"])
async def test_a_stop_leaves_a_call_to_the_next_owner_if_the_parameters_make_it_idempotent(
    keyed: bool, phase: str
) -> None:
    async with HttpServer() as server, MemoryOperator(identity="first", **SETTINGS) as operator:
        server.on("POST /jobs", hangs)
        await operator.create(*actions(["one"], "http", http(server.url, "POST", keyed=keyed, cancels=False)))
        await operator.until(lambda: bool(server.seen))
        await operator.pass_time(2)
        await operator.control.actions.handover.interrupt(5.0)
        await operator.settle()
        status = operator.action("one").status
        assert (status.phase, status.reason) == (phase, "Executing" if keyed else "Interrupted")
