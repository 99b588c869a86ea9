"""The actions of runs as objects: creates, finds, stops and signals them, each idempotently; decides nothing.

With ``spec.runAs`` they are made by that account, so that the API server asks what it may do, and not what the operator
may. Without, they are made in the operator's own name, and admission refuses those that would need rights.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import orjson

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.task_action import Signal, TaskAction
from taskaction.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
)
from taskaction.cluster.gateway import TASK_ACTIONS, Body, Cluster
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.translation import UnableToRunError, ended, manifest, paused, unable
from taskaction.control.flow_runs.vault import Vault, VaultError
from taskaction.control.objects.objects import Persistently
from taskaction.control.objects.owned import parent_link
from taskaction.control.objects.records import Table
from taskaction.core.constants import FLOW_ACTION_LIMIT_BYTES, VISIT_ANNOTATION
from taskaction.core.names import visit_name
from taskaction.flows.effects import ActionEnded, ActionPaused, StartAction
from taskaction.lifecycle.signals import handed_on

_OWN_LACK = re.compile(r'User "[^"]*" cannot (?!impersonate)')


class Children:
    """Makes the actions of runs, and tells them what the run tells them."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        persistently: Persistently,
        vault: Vault,
        table: Table,
        closed_namespaces: frozenset[str],
        seen: Callable[[Body], None],
        in_flight: int,
    ) -> None:
        """``seen`` is told of every action that was made or found: the watch tells it later, or not at all."""
        self._cluster = cluster
        self._persistently = persistently
        self._vault = vault
        self._table = table
        self._closed = closed_namespaces
        self._seen = seen
        self._slots = asyncio.Semaphore(in_flight)

    async def ensure(
        self, record: RunRecord, start: StartAction, *, made_here: bool
    ) -> ActionEnded | ActionPaused | None:
        """Have the action of a visit exist; give what it says already, where it says anything.

        ``made_here`` says that this process has just decided on it, so that most likely nobody has made it yet.
        """
        if not made_here:
            found = await self._found(record, start.visit)
            if found is not None:
                return self._said(start.visit, found)
        try:
            shown, sources = await self._vault.hidden(record, start)
            body = manifest(record.run, replace(start, body=shown), sources)
        except (UnableToRunError, VaultError) as error:
            return unable(start.visit, str(error))
        if (size := len(orjson.dumps(body))) > FLOW_ACTION_LIMIT_BYTES:
            most = f"an action cannot have more than {FLOW_ACTION_LIMIT_BYTES}: hand on a part, or where it is stored"
            return unable(start.visit, f"what the action is given has {size} bytes, and {most}")
        async with self._slots:
            return await self._made(record, start, body)

    def others(self, record: RunRecord) -> set[str]:
        """Give the visits whose action is live although the run waits for it no more."""
        visits = (
            one.action.metadata.annotations.get(VISIT_ANNOTATION) for one in self._table if _is_of(record, one.action)
        )
        return {visit for visit in visits if visit is not None} - record.starts.keys()

    async def abort(self, record: RunRecord, visit: str) -> None:
        """Have the action of a visit end, where it is there and has not ended."""
        reason = {"reason": f"the run {record.name} goes on without it"}
        await self._edited(record, visit, lambda action: [_added("abort", reason)] if action.spec.abort is None else [])

    async def signal(self, record: RunRecord, visit: str, signal: Signal) -> None:
        """Hand a signal to the paused action of a visit, where it has not been handed over already."""
        below = handed_on(signal)

        def operations(action: TaskAction) -> list[dict[str, Any]]:
            known = action.spec.signal
            return [] if known is not None and known.id == below["id"] else [_added("signal", below)]

        await self._edited(record, visit, operations)

    async def _made(self, record: RunRecord, start: StartAction, body: Body) -> ActionEnded | ActionPaused | None:
        account = record.run.spec.run_as
        if account is not None and record.namespace in self._closed:
            return unable(start.visit, f"no account of namespace {record.namespace!r} is used: make the run elsewhere")
        user = f"system:serviceaccount:{record.namespace}:{account.service_account_name}" if account else None
        try:
            made = await self._created(body, record.namespace, user)
        except AlreadyExistsError:
            found = await self._found(record, start.visit)
            name = body["metadata"]["name"]
            if found is None:
                return unable(start.visit, f"TaskAction {name!r} exists, and is not this run's: delete it")
            return self._said(start.visit, found)
        except ForbiddenError as error:
            return unable(start.visit, _denied(str(error), record.run))
        except (InvalidError, NotFoundError, ConflictError) as error:
            return unable(start.visit, str(error))
        self._seen(made)
        return None

    async def _created(self, body: Body, namespace: str, user: str | None) -> Body:
        async def create() -> Body | ForbiddenError:
            try:
                return await self._cluster.create(TASK_ACTIONS, body, namespace, as_user=user)
            except ForbiddenError as error:
                if user is None and _OWN_LACK.search(str(error)):
                    raise  # a right that the operator itself lacks may be granted, and roles are read late
                return error

        made = await self._persistently(create)
        if isinstance(made, ForbiddenError):
            raise made
        return made

    async def _found(self, record: RunRecord, visit: str) -> TaskAction | None:
        name = visit_name(record.name, record.uid, visit)
        known = self._table.named(record.namespace, name)
        if known is not None and _is_of(record, known.action):
            return known.action.model_copy(update={"status": known.stored})
        async with self._slots:
            body = await self._persistently(lambda: self._cluster.get(TASK_ACTIONS, name, record.namespace))
        if body is None:
            return None
        action = TaskAction.from_body(body)
        if not _is_of(record, action):
            return None
        self._seen(body)
        return action

    @staticmethod
    def _said(visit: str, action: TaskAction) -> ActionEnded | ActionPaused:
        return ended(visit, action) if action.status.phase.terminal else paused(visit, action)

    async def _edited(
        self, record: RunRecord, visit: str, operations: Callable[[TaskAction], list[dict[str, Any]]]
    ) -> None:
        while True:
            action = await self._found(record, visit)
            if action is None or action.status.phase.terminal or not (wanted := operations(action)):
                return
            test = {"op": "test", "path": "/metadata/uid", "value": action.metadata.uid}
            try:
                async with self._slots:
                    body = await self._persistently(self._patch(action, [test, *wanted]))
            except (NotFoundError, ConflictError, InvalidError):
                return  # it has ended or gone, or another has its name
            self._seen(body)
            return

    def _patch(self, action: TaskAction, operations: list[dict[str, Any]]) -> Callable[[], Awaitable[Body]]:
        metadata = action.metadata
        return lambda: self._cluster.patch(TASK_ACTIONS, metadata.name, metadata.namespace, operations)


def _is_of(record: RunRecord, action: TaskAction) -> bool:
    link = parent_link(action)
    return link is not None and link.uid == record.uid


def _added(field: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"op": "add", "path": f"/spec/{field}", "value": value}


def _denied(text: str, run: ActionFlowRun) -> str:
    """Say who lacks what, and the mend."""
    if run.spec.run_as is None:
        return text
    account = run.spec.run_as.service_account_name
    if "cannot impersonate" in text:
        return (
            f"the operator may not impersonate ServiceAccount {account!r} in namespace {run.metadata.namespace!r}: "
            "its administrator has to open the namespace to it"
        )
    return f"{text}; ServiceAccount {account!r} makes the run's actions: add a RoleBinding for it"
