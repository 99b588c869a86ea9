"""Builders of what executors are given, so that each test says only what it is about; the clock stands at ``NOW``."""

from collections.abc import Awaitable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_network
from typing import Any

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import Body, Resource
from taskaction.cluster.memory import SERVED
from taskaction.control.objects.outputs import OutputStore
from taskaction.control.task_actions.guard import CallFailedError, GuardedExecutor
from taskaction.core.clock import SystemClock
from taskaction.core.constants import OUTPUT_LIMIT_BYTES
from taskaction.lifecycle.outcomes import Outcome
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.callbacks import Callbacks
from taskaction.plugin.secret_ledger import SecretLedger
from taskaction.plugin.settings import SettingsReader
from taskaction.plugin.storage import ProjectStorage
from taskaction.plugin.toolbox import Followed, Toolbox
from taskaction.testing.conformance_parts import FixedSecrets, RecordedReports

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
LOOPBACK = AddressPolicy((ip_network("127.0.0.0/8"),))


def run(
    parameters: Mapping[str, Any] | None = None, *, secrets: Mapping[str, str] | None = None, **changes: Any
) -> Run:
    """Give the first call of an action that started now."""
    first = Run(
        uid="uid-1",
        name="one",
        namespace="team",
        attempt=1,
        parameters=parameters or {},
        config={},
        idempotency_key="uid-1-1",
        started_at=NOW,
        reporter=RecordedReports(),
        secrets=FixedSecrets(secrets),
        now=NOW,
    )
    return replace(first, **changes)


def guarded(executor: AbstractExecutor, given: Run) -> GuardedExecutor:
    """Return the executor for one call, as the operator calls it."""
    assert isinstance(given.secrets, SecretLedger)
    return GuardedExecutor(
        executor,
        partial(replace, given),
        given.reporter,
        given.secrets,
        OutputStore(ProjectStorage(None), max_bytes=OUTPUT_LIMIT_BYTES).limit(of_run=False),
    )


async def outcome_of(call: Awaitable[Outcome]) -> Outcome:
    """Return the outcome of a guarded call, also of one that failed."""
    try:
        return await call
    except CallFailedError as error:
        return error.failure


def later(earlier: Run, seconds: float, **changes: Any) -> Run:
    """Give the same attempt ``seconds`` later."""
    return replace(earlier, now=earlier.now + timedelta(seconds=seconds), **changes)


class Objects:
    """Stands for an API server that holds a few objects; keeps who asked for what."""

    def __init__(self, *bodies: Body, fails: ClusterError | None = None) -> None:
        self.bodies = list(bodies)
        self.fails = fails
        self.asked: list[tuple[str, str, str, str | None]] = []

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body | None:
        """Give the object of this name."""
        self.asked.append((resource.plural, namespace, name, as_user))
        if self.fails is not None:
            raise self.fails
        wanted = resource.api_version, resource.kind, name
        found = (body for body in self.bodies if (body["apiVersion"], body["kind"], body["metadata"]["name"]) == wanted)
        return next(found, None)

    async def kinds(self, api_version: str, *, timeout: float = 10.0) -> list[Resource]:
        """Give what is served under ``apiVersion``."""
        return [one for one in SERVED if one.api_version == api_version]


class Watched:
    """Stands for the operator's watch: what tests put there is seen, and is news once."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str], Body] = {}
        self.fresh: set[tuple[str, str]] = set()

    def put(self, body: Body) -> None:
        """Show an object."""
        key = body["kind"], body["metadata"]["name"]
        self.bodies[key] = body
        self.fresh.add(key)

    def take_change(self, resource: Resource, uid: str, name: str) -> Body | None:
        """Give an object that has changed since this was last asked."""
        key = resource.kind, name
        if key not in self.fresh:
            return None
        self.fresh.discard(key)
        return self.bodies[key]

    def list_observed(self, resource: Resource, uid: str) -> list[Body]:
        """Give what was seen of a kind."""
        return [body for (kind, _), body in self.bodies.items() if kind == resource.kind]


def toolbox(
    cluster: Any = None,
    addresses: AddressPolicy = LOOPBACK,
    followed: Followed | None = None,
    callbacks: Callbacks | None = None,
    settings: SettingsReader | None = None,
) -> Toolbox:
    """Give the means of executors; loopback may be reached."""
    return Toolbox(
        clock=SystemClock(),
        cluster=cluster or Objects(),
        addresses=addresses,
        jitter=lambda: 0.0,
        followed=followed or Watched(),
        closed_namespaces=frozenset({"kube-system", "taskaction-system"}),
        callbacks=callbacks,
        settings=settings or SettingsReader(),
    )
