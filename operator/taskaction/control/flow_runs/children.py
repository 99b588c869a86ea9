"""Actions of runs as objects: creates, finds, aborts and signals them, each idempotently; decides nothing.

With ``spec.runAs``, that account creates them, so the API server checks its permissions and not the operator's. Without
it, the operator creates them, and the admission policy refuses those that would need an account.
"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from taskaction.api.parameters import size_problem
from taskaction.api.task_action import Signal, TaskAction
from taskaction.cluster.accounts import account_user
from taskaction.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    QuotaReachedError,
)
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster
from taskaction.cluster.write_slots import WriteRank, WriteSlots
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.translation import (
    ActionNotRunnableError,
    StoredEnd,
    build_manifest,
    deleted_action,
    to_action_end,
    to_action_paused,
    unable_to_run,
)
from taskaction.control.flow_runs.vault import PrivateDataVault, VaultError
from taskaction.control.objects.denials import explain_denial
from taskaction.control.objects.objects import PersistentWrites, RetryingCall
from taskaction.control.objects.owned import link_to, parent_link
from taskaction.control.objects.tables import ActionTable
from taskaction.core.constants import VISIT_ANNOTATION
from taskaction.core.names import visit_name
from taskaction.flows.effects import ActionEnded, ActionPaused, StartAction
from taskaction.lifecycle.signals import is_fingerprint_of, to_child_signal
from taskaction.plugin.origin import OriginGuard, origin_problem

_OWN_LACK = re.compile(r'User "[^"]*" cannot (?!impersonate)')


@dataclass(slots=True)
class Ensured:
    """Result of the creation of actions.

    Attributes:
        events: the states of those that exist, as far as they are known.
        held: the visits whose action a ResourceQuota refused.
        problem: what the quota says; empty if it refused none.
    """

    events: list[ActionEnded | StoredEnd | ActionPaused] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    problem: str = ""


class RunChildren:
    """Client for the actions of runs."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        persistently: RetryingCall,
        vault: PrivateDataVault,
        table: ActionTable,
        closed_namespaces: frozenset[str],
        max_parameters_bytes: int,
        guard: OriginGuard,
        on_created: Callable[[Body], None],
        slots: WriteSlots,
    ) -> None:
        """Create a client; ``on_created`` is called with every action created or found, before the watch reports it."""
        self._cluster = cluster
        self._persistently = persistently
        self._vault = vault
        self._table = table
        self._closed = closed_namespaces
        self._max_parameters_bytes = max_parameters_bytes
        self._guard = guard
        self._on_created = on_created
        self._writes = PersistentWrites(persistently, slots)

    async def ensure_all(self, record: RunRecord, starts: Sequence[StartAction]) -> Ensured:
        """Create the actions that do not exist; what a ResourceQuota leaves no room for remains to be created."""
        ensured = Ensured()
        await asyncio.gather(*(self._ensure_or_hold(record, start, ensured) for start in starts))
        return ensured

    async def _ensure_or_hold(self, record: RunRecord, start: StartAction, ensured: Ensured) -> None:
        if ensured.problem:  # the quota would refuse this one, too
            ensured.held.append(start.visit)
            return
        try:
            event = await self.ensure(record, start, made_here=start.visit not in record.inherited)
        except QuotaReachedError as error:
            ensured.problem = str(error)
            ensured.held.append(start.visit)
        else:
            ensured.events += [event] if event is not None else []

    async def ensure(
        self, record: RunRecord, start: StartAction, *, made_here: bool
    ) -> ActionEnded | StoredEnd | ActionPaused | None:
        """Create the action of a visit unless it exists; return its state if that is known.

        ``made_here`` says that this process has just decided on it, so most likely it does not exist yet.

        Raises:
            QuotaReachedError: a ResourceQuota leaves no room for it, or for the Secret of its private parameters.
        """
        if start.problem:
            return unable_to_run(start.visit, start.problem)
        try:
            body = await self._manifest(record, start)
        except (ActionNotRunnableError, VaultError) as error:
            return unable_to_run(start.visit, str(error))
        if not made_here and (found := await self._read(body)) is not None:
            return await self._adopt(record, start.visit, body, found)
        problem = size_problem(body["spec"]["parameters"], self._max_parameters_bytes, "the input of the action")
        if problem is not None:
            return unable_to_run(start.visit, problem)
        return await self._create_or_find(record, start, body)

    def live_visits(self, record: RunRecord) -> set[str]:
        """Return the visits of a run whose action is live, also those for which the run no longer waits."""
        visits = (
            one.action.metadata.annotations.get(VISIT_ANNOTATION) for one in self._table if _is_of(record, one.action)
        )
        return {visit for visit in visits if visit is not None}

    async def abort(self, record: RunRecord, visit: str) -> None:
        """Abort the action of a visit, unless it has ended."""
        reason = {"reason": f"run {record.name} continues without it"}
        await self._edit(
            record, visit, lambda action: [_add_operation("abort", reason)] if action.spec.abort is None else []
        )

    async def signal(self, record: RunRecord, visit: str, signal: Signal) -> None:
        """Pass a signal to the paused action of a visit, unless it has it already."""
        below = to_child_signal(signal)
        await self._ensure_adopted(record, visit)

        def operations(action: TaskAction) -> list[dict[str, Any]]:
            known = action.spec.signal
            if record.adopted.get(visit) != action.metadata.uid:
                return []
            return (
                [] if known is not None and is_fingerprint_of(signal, known.id) else [_add_operation("signal", below)]
            )

        await self._edit(record, visit, operations)

    async def _create_or_find(
        self, record: RunRecord, start: StartAction, body: Body
    ) -> ActionEnded | StoredEnd | ActionPaused | None:
        account = record.run.spec.run_as
        if account is not None and record.namespace in self._closed:
            return unable_to_run(
                start.visit,
                f"accounts of namespace {record.namespace!r} are never used; create the run in another namespace",
            )
        user = account_user(record.namespace, account.service_account_name) if account else None
        try:
            made = await self._create(body, record.namespace, user)
        except (AlreadyExistsError, QuotaReachedError) as error:  # the API server checks quotas before names
            found = await self._read(body)
            if found is not None:
                return await self._adopt(record, start.visit, body, found)
            if isinstance(error, QuotaReachedError):
                raise
            return await self._create_or_find(record, start, body)  # deleted in between
        except ForbiddenError as error:
            name = account.service_account_name if account else ""
            return unable_to_run(start.visit, explain_denial(error, name, record.namespace, "the run's actions"))
        except (InvalidError, NotFoundError, ConflictError) as error:
            return unable_to_run(start.visit, str(error))
        record.adopt(start.visit, made["metadata"]["uid"])
        self._on_created(made)
        return await self._current_event(start.visit, TaskAction.from_body(made))

    async def _manifest(self, record: RunRecord, start: StartAction) -> Body:
        shown, sources = await self._vault.hide_parameters(record, start)
        return build_manifest(record.run, replace(start, body=shown), sources)

    async def _read(self, body: Body) -> Body | None:
        """Return the stored object with the name and namespace of ``body``."""
        metadata = body["metadata"]
        return await self._get(metadata["name"], metadata["namespace"])

    async def _adopt(
        self, record: RunRecord, visit: str, intended: Body, found: Body
    ) -> ActionEnded | StoredEnd | ActionPaused | None:
        """Take an existing object for the action of a visit if the run has created it; return its state.

        Otherwise the run would continue with the answer of whoever guessed the name.
        """
        uid = found["metadata"]["uid"]
        if record.adopted.get(visit) != uid and (problem := await self._foreign_problem(intended, found)) is not None:
            name = found["metadata"]["name"]
            return unable_to_run(visit, f"TaskAction {name!r} exists and was not created by this run: {problem}")
        record.adopt(visit, uid)
        self._on_created(found)
        return await self._current_event(visit, TaskAction.from_body(found))

    async def _foreign_problem(self, intended: Body, found: Body) -> str | None:
        if (problem := origin_problem(intended, found)) is not None:
            return f"{problem}; delete it, and create the run again"
        namespace = found["metadata"]["namespace"]
        if await self._persistently(lambda: self._guard.is_enforced(namespace)):
            return None
        return (
            "this operator did not create it, and the admission policy origin.taskaction.dev, which would prove who "
            "did, is not installed; install crds/policies, and create the run again"
        )

    async def _ensure_adopted(self, record: RunRecord, visit: str) -> None:
        """Adopt the existing action of a visit that another process created."""
        start = record.starts.get(visit)
        if start is None or visit in record.adopted:
            return
        try:
            body = await self._manifest(record, start)
        except (ActionNotRunnableError, VaultError, QuotaReachedError):
            return  # the run reports it when it looks at the action itself
        if (found := await self._read(body)) is not None:
            await self._adopt(record, visit, body, found)

    async def _current_event(self, visit: str, action: TaskAction) -> ActionEnded | StoredEnd | ActionPaused | None:
        """Return the state of an action that has just been adopted; None if it has not started.

        Notifications that arrived before its adoption were dropped, so the newest known status counts.
        """
        metadata = action.metadata
        known = self._table.get(metadata.uid)
        if known is not None:
            action = action.model_copy(update={"status": known.stored})
        elif metadata.uid in self._table.finished:
            body = await self._get(metadata.name, metadata.namespace)
            if body is None or body["metadata"]["uid"] != metadata.uid:
                return deleted_action(visit, action)
            action = TaskAction.from_body(body)
        if action.status.phase.is_terminal:
            return to_action_end(visit, action)
        return to_action_paused(visit, action) if action.status.phase.is_started else None

    async def _create(self, body: Body, namespace: str, user: str | None) -> Body:
        async def create() -> Body | ForbiddenError:
            try:
                return await self._cluster.create(TASK_ACTIONS, body, namespace, as_user=user)
            except ForbiddenError as error:
                if user is None and _OWN_LACK.search(str(error)):
                    raise  # the operator itself lacks a permission: retry, because roles take effect late
                return error

        made = await self._writes.run(namespace, WriteRank.AWAITED, create)
        if isinstance(made, ForbiddenError):
            raise made
        return made

    async def _find(self, record: RunRecord, visit: str) -> TaskAction | None:
        name = visit_name(record.name, record.uid, visit)
        known = self._table.get_by_name(record.namespace, name)
        if known is not None and _is_of(record, known.action):
            return known.action.model_copy(update={"status": known.stored})
        body = await self._get(name, record.namespace)
        if body is None:
            return None
        action = TaskAction.from_body(body)
        if not _is_of(record, action):
            return None
        self._on_created(body)
        return action

    async def _edit(
        self, record: RunRecord, visit: str, operations: Callable[[TaskAction], list[dict[str, Any]]]
    ) -> None:
        while True:
            action = await self._find(record, visit)
            if action is None or action.status.phase.is_terminal or not (wanted := operations(action)):
                return
            test = {"op": "test", "path": "/metadata/uid", "value": action.metadata.uid}
            try:
                body = await self._patch(action, [test, *wanted])
            except (NotFoundError, ConflictError, InvalidError):
                return  # it ended or was deleted, or another object has its name
            self._on_created(body)
            return

    async def _get(self, name: str, namespace: str) -> Body | None:
        return await self._writes.run(
            namespace, WriteRank.AWAITED, lambda: self._cluster.get(TASK_ACTIONS, name, namespace)
        )

    async def _patch(self, action: TaskAction, operations: list[dict[str, Any]]) -> Body:
        metadata = action.metadata
        return await self._writes.run(
            metadata.namespace,
            WriteRank.AWAITED,
            lambda: self._cluster.patch(TASK_ACTIONS, metadata.name, metadata.namespace, operations),
        )


def _is_of(record: RunRecord, action: TaskAction) -> bool:
    return parent_link(action) == link_to(record.run)


def _add_operation(field: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"op": "add", "path": f"/spec/{field}", "value": value}
