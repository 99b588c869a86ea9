"""A cluster in memory with an operator whose time a test moves, for plain tests: nothing here has to be awaited."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Self, TypeVar

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.task_action import TaskAction
from taskaction.cluster.gateway import ACTION_FLOW_RUNS, LEASES, TASK_ACTIONS, Body, Resource
from taskaction.cluster.memory import SERVED, MemoryCluster
from taskaction.core.durations import parse_duration
from taskaction.core.yaml import load_documents
from taskaction.local.operator import InProcessOperator
from taskaction.local.validation import validate_object
from taskaction.plugin.registry import Plugin
from taskaction.testing.clock import FakeClock, settle

T = TypeVar("T")
_KINDS = {resource.kind: resource for resource in SERVED}
_RUN = (TASK_ACTIONS, ACTION_FLOW_RUNS)
_PATIENCE = 5.0
_LOOK = 0.01
_LONGEST_STEP = 1.0
_LASTING_LEASES = {"lease_retry": "1h", "lease_renew_deadline": "9000h", "lease_duration": "10000h"}
"""So that hours pass without thousands of renewals."""
_ANYWHERE = "0.0.0.0/0,::/0"


class NotReachedError(AssertionError):
    """The expected state was not reached; the message describes the present state."""


class Simulation:
    """One operator over a cluster in memory. Time stands still but for ``advance``; HTTP takes the time that it takes.

    Attributes:
        clock: the time of operator and cluster.
        cluster: what is stored, for what has no method here.
    """

    def __init__(self, *plugins: Plugin, settings: Mapping[str, Any] | None = None) -> None:
        """``plugins`` are executors beside those that are installed, ``settings`` fields of ``OperatorConfig``."""
        self.clock = FakeClock()
        self.cluster = MemoryCluster(self.clock, validate_object)
        self._plugins = plugins
        self._settings = {"http_allowed_cidrs": _ANYWHERE, **_LASTING_LEASES, **(settings or {})}
        self._runner = asyncio.Runner()
        self._operator: InProcessOperator | None = None
        self._closing: list[Callable[[], Any]] = []

    def __enter__(self) -> Self:
        """Start the operator."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the operator, and whatever was opened beside it."""
        self.stop()
        while self._closing:
            self._runner.run(self._closing.pop()())
        self._runner.close()

    # -- what people do -----------------------------------------------------------------------------------------------

    def apply(self, manifest: str | Path | Body) -> list[str]:
        """Create the objects of a file, of YAML text, or of a mapping; return their names.

        Raises:
            InvalidError: the API server would refuse one; the message says what is wrong with it.
        """
        names = []
        for body in _bodies(manifest):
            resource = _KINDS[body["kind"]]
            where = body["metadata"].get("namespace", "default") if resource.namespaced else ""
            made = self.do(self.cluster.create(resource, body, where))
            names.append(str(made["metadata"]["name"]))
        self.settle()
        return names

    def run(self, manifest: str | Path | Body, *, within: str = "24h") -> Any:
        """Create one action or run of a flow, advance the time until it has ended, and return it.

        Raises:
            NotReachedError: it has not ended ``within`` this time.
        """
        names = self.apply(manifest)
        return self.finish(names[-1], within=within)

    def change(self, name: str, **spec: Any) -> None:
        """Change fields of a spec, such as ``suspend`` and ``priority``."""
        resource, body = self._find(name)
        metadata = body["metadata"]
        operations = [{"op": "add", "path": f"/spec/{field}", "value": value} for field, value in spec.items()]
        self.do(self.cluster.patch(resource, name, metadata.get("namespace", ""), operations))
        self.settle()

    def signal(self, name: str, value: Any, by: str = "a person") -> None:
        """Answer an action that waits."""
        self.change(name, signal={"value": value, "by": by})

    def abort(self, name: str, reason: str = "") -> None:
        """Abort an action and everything below it."""
        self.change(name, abort={"reason": reason})

    def delete(self, name: str) -> None:
        """Delete an action or a run of a flow."""
        resource, body = self._find(name)
        self.do(self.cluster.delete(resource, name, body["metadata"].get("namespace", "")))
        self.settle()

    # -- what can be seen ---------------------------------------------------------------------------------------------

    def action(self, name: str) -> TaskAction:
        """Return an action as it is now."""
        return TaskAction.from_body(self.body(TASK_ACTIONS, name))

    def flow_run(self, name: str) -> ActionFlowRun:
        """Return a run of a flow as it is now."""
        return ActionFlowRun.from_body(self.body(ACTION_FLOW_RUNS, name))

    def phase(self, name: str) -> str:
        """Return the phase of an action or a run of a flow."""
        return str(self._find(name)[1]["status"]["phase"])

    def names(self, resource: Resource = TASK_ACTIONS) -> list[str]:
        """Return the names of all objects of a kind."""
        return sorted(name for plural, _, name in self.cluster.objects if plural == resource.plural)

    def body(self, resource: Resource, name: str) -> Body:
        """Return an object as the API server has it; raises ``LookupError`` where there is none."""
        for (plural, _, known), body in self.cluster.objects.items():
            if (plural, known) == (resource.plural, name):
                return body
        raise LookupError(f"there is no {resource.kind} {name}; there are {', '.join(self.names(resource)) or 'none'}")

    # -- time ---------------------------------------------------------------------------------------------------------

    def advance(self, span: str | float | timedelta) -> None:
        """Advance the time by ``"1h30m"``, seconds, or a timedelta; everything due meanwhile happens at its time."""
        self.do(self._advance(_seconds(span)))

    def finish(self, name: str, *, within: str | float | timedelta = "24h") -> Any:
        """Advance the time until an action or a run of a flow has ended, and return it."""
        left = _seconds(within)
        step = _LOOK
        while not self._has_ended(name):
            if left <= 0:
                raise NotReachedError(f"{name} has not ended within {within}: {self._standing(name)}")
            self.until(lambda: self._has_ended(name), _LOOK, quiet=True)
            self.advance(min(step, left))
            left -= step
            step = min(step * 2, max(_LONGEST_STEP, left / 100))
        resource, body = self._find(name)
        return (TaskAction if resource is TASK_ACTIONS else ActionFlowRun).from_body(body)

    def until(self, check: Callable[[], bool], seconds: float = _PATIENCE, *, quiet: bool = False) -> None:
        """Wait in real time for what the clock does not drive, such as an HTTP request under way.

        Raises:
            NotReachedError: it did not come within ``seconds``, unless ``quiet``.
        """

        async def wait() -> None:
            loop = asyncio.get_running_loop()
            end = loop.time() + seconds
            while not check() and loop.time() < end:
                await asyncio.sleep(_LOOK)
                await settle()

        self.do(wait())
        if not quiet and not check():
            raise NotReachedError(f"not reached within {seconds:g} s")

    def settle(self) -> None:
        """Run everything that needs no time and no network."""
        self.do(self._settle())

    # -- the operator -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start an operator, with nothing but what is stored."""
        operator = InProcessOperator(self.cluster, self.clock, *self._plugins, **self._settings)
        self._operator = self.do(operator.__aenter__())
        self.settle()

    def stop(self) -> None:
        """Stop the operator as SIGTERM does."""
        operator, self._operator = self._operator, None
        if operator is not None:
            self.do(operator.__aexit__())

    def crash(self) -> None:
        """End the operator as ``kill -9`` does: nothing more is written, and the next one waits for no lease."""
        operator, self._operator = self._operator, None
        if operator is not None:
            self.do(operator.crash())
            for plural, namespace, name in list(self.cluster.objects):
                if plural == LEASES.plural:
                    self.cluster.drop(LEASES, name, namespace)

    def do(self, work: Any) -> Any:
        """Await something beside the operator, for what has no method here."""

        async def doing() -> Any:
            return await work

        return self._runner.run(doing())

    def open(self, context: Any) -> Any:
        """Enter an asynchronous context beside the operator, such as an ``HttpServer``; it ends with the simulation."""
        self._closing.append(lambda: context.__aexit__(None, None, None))
        return self.do(context.__aenter__())

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _advance(self, seconds: float) -> None:
        await self._settle()
        await self.clock.advance(seconds)
        await self._settle()

    async def _settle(self) -> None:
        version = -1
        while version != self.cluster.version:
            version = self.cluster.version
            await settle()

    def _find(self, name: str) -> tuple[Resource, Body]:
        for resource in _RUN:
            if name in self.names(resource):
                return resource, self.body(resource, name)
        raise LookupError(f"there is no action or run of a flow {name}; there are {', '.join(self._all()) or 'none'}")

    def _all(self) -> Iterable[str]:
        return [name for resource in _RUN for name in self.names(resource)]

    def _has_ended(self, name: str) -> bool:
        return "finishedAt" in self._find(name)[1]["status"]

    def _standing(self, name: str) -> str:
        status = self._find(name)[1]["status"]
        return " ".join(str(status[key]) for key in ("phase", "reason", "message") if status.get(key))


def _seconds(span: str | float | timedelta) -> float:
    if isinstance(span, timedelta):
        return span.total_seconds()
    return parse_duration(span).total_seconds() if isinstance(span, str) else float(span)


def _bodies(manifest: str | Path | Body) -> list[Body]:
    if isinstance(manifest, dict):
        return [manifest]
    text = manifest.read_text(encoding="utf-8") if isinstance(manifest, Path) else manifest
    return [body for body in load_documents(text) if body is not None]
