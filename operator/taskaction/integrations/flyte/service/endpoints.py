"""The five calls of ``flyteidl2.actions.ActionsService``: checked by the cache, with one write request each."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import protovalidate
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import (
    AbortRequest,
    AbortResponse,
    Action,
    EnqueueRequest,
    EnqueueResponse,
    SignalRequest,
    SignalResponse,
    UpdateRequest,
    UpdateResponse,
    WatchForUpdatesRequest,
    WatchForUpdatesResponse,
)
from flyteidl2.common.identifier_pb2 import ActionIdentifier
from google.protobuf.message import Message

from taskaction.api.base import format_time
from taskaction.api.parameters import size_problem
from taskaction.cluster.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidError,
    NotFoundError,
    QuotaReachedError,
)
from taskaction.cluster.gateway import ACTION_EVENTS, TASK_ACTIONS, Body, Cluster
from taskaction.cluster.reviews import Caller
from taskaction.core.clock import Clock
from taskaction.core.constants import MESSAGE_LIMIT_CHARS
from taskaction.core.names import truncate
from taskaction.integrations.flyte.service import literals, manifests
from taskaction.integrations.flyte.service.access import AccessReviewer, OpenAccess
from taskaction.integrations.flyte.service.accounts import account_used
from taskaction.integrations.flyte.service.action_cache import ActionCache, CachedAction
from taskaction.integrations.flyte.service.places import ActionKey, ActionLocator
from taskaction.integrations.flyte.service.reports import phase_of, update_event
from taskaction.integrations.flyte.service.run_specs import refuse_meaningless
from taskaction.integrations.flyte.service.templates import Templates
from taskaction.integrations.flyte.service.traces import trace_event, trace_of
from taskaction.integrations.flyte.service.watches import Watches

_WRITE_SECONDS = 4.5
"""Less than the five seconds that Flyte's own client waits for a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDependencies:
    """Dependencies of the calls; ``traces`` is the maximum number of traces of one parent."""

    cluster: Cluster
    clock: Clock
    cache: ActionCache
    locator: ActionLocator
    access: AccessReviewer | OpenAccess
    rules: manifests.TaskRules
    watches: Watches
    traces: int
    templates: Templates


class Calls:
    """Implementation of the calls for an authenticated caller; raises ``ConnectError``."""

    def __init__(self, parts: CallDependencies) -> None:
        self._dependencies = parts

    async def enqueue(self, request: EnqueueRequest, caller: Caller) -> EnqueueResponse:
        """Create the action."""
        action = request.action
        if action.WhichOneof("spec") == "trace" and not action.trace.HasField("spec"):
            action.trace.spec.SetInParent()  # the SDK leaves it out where a function is not typed
        _validate(request)
        refuse_meaningless(request.run_spec)
        place = self._dependencies.locator.of(action.action_id)
        await self._dependencies.access.authorize(caller, "create", place.namespace)
        parent = await self._parent(action)
        if action.WhichOneof("spec") == "trace":
            return await self._record_trace(place, action, parent, caller)
        body = await self._body(place, request, parent)
        if (problem := size_problem(body["spec"].get("parameters", {}))) is not None:
            raise ConnectError(Code.INVALID_ARGUMENT, problem)
        await self._authorize_use(body["spec"], caller, place.namespace)
        try:
            created = await self._dependencies.cluster.create(
                TASK_ACTIONS, body, place.namespace, timeout=_WRITE_SECONDS
            )
        except (AlreadyExistsError, QuotaReachedError) as error:  # the API server checks quotas before names
            await self._refuse(body, place, action, error)
        else:
            self._dependencies.cache.store_object(created)
        return EnqueueResponse()

    async def _body(self, place: ActionKey, request: EnqueueRequest, parent: CachedAction | None) -> Body:
        action, run_spec, rules = request.action, request.run_spec, self._dependencies.rules
        found: Mapping[str, str] = {}
        if action.WhichOneof("spec") == "task":
            template = action.task.spec.task_template
            if rules.executor(template.type) == manifests.FLYTE:
                found = await self._dependencies.templates.parameters(template, place.namespace)
        return manifests.build_manifest(place, action, parent, run_spec, rules, found)

    async def _authorize_use(self, spec: Body, caller: Caller, namespace: str) -> None:
        """Check that the caller may use the account and the provider of an action."""
        access, used, provider = self._dependencies.access, account_used(spec), spec.get("providerRef")
        if used is not None:
            await access.authorize_account(caller, used, namespace)
        if provider is not None:
            await access.authorize_provider(caller, provider["name"], namespace)

    async def _record_trace(
        self, place: ActionKey, action: Action, parent: CachedAction | None, caller: Caller
    ) -> EnqueueResponse:
        """Record a step that has ended, next to its parent; the SDK waits until its watch shows it.

        A refusal has the code INVALID_ARGUMENT, after which clients continue without the trace. After
        RESOURCE_EXHAUSTED they would send it again forever and block their workers.
        """
        if parent is None:
            raise ConnectError(Code.INVALID_ARGUMENT, "action.parent_action_name: required for a trace")
        event = trace_event(place, action, parent, caller.name, self._dependencies.clock.now())
        named = self._dependencies.cache.get(place)
        if named is not None and not named.is_trace:
            raise ConnectError(
                Code.INVALID_ARGUMENT, f"action name {named.action!r} is already used in this run: use another name"
            )
        if self._dependencies.cache.traces(parent.place) >= self._dependencies.traces:
            raise ConnectError(
                Code.INVALID_ARGUMENT,
                f"action {parent.action!r} has the maximum of {self._dependencies.traces} traces already",
            )
        try:
            created = await self._dependencies.cluster.create(
                ACTION_EVENTS, event, place.namespace, timeout=_WRITE_SECONDS
            )
        except QuotaReachedError as error:
            raise ConnectError(Code.INVALID_ARGUMENT, f"there is no room for the trace: {error}") from error
        if (known := trace_of(created)) is not None:
            self._dependencies.cache.store(known)
        return EnqueueResponse()

    async def _parent(self, action: Action) -> CachedAction | None:
        name = action.parent_action_name
        if not name:
            return None
        parent = await self._get_action(
            self._dependencies.locator.of(action.action_id, name), f"the parent action {name!r}"
        )
        if parent.phase == "Aborted" or parent.is_aborted:
            raise ConnectError(Code.ABORTED, f"the parent action {name!r} has been aborted")
        if parent.is_finished:
            raise ConnectError(Code.FAILED_PRECONDITION, f"the parent action {name!r} has ended: {parent.phase}")
        return parent

    async def _refuse(self, mine: Mapping[str, Any], place: ActionKey, action: Action, error: Exception) -> None:
        stored = await self._dependencies.cluster.get(TASK_ACTIONS, place.name, place.namespace)
        name = action.action_id.name
        if stored is None and isinstance(error, QuotaReachedError):
            raise error
        if stored is None:
            raise ConnectError(Code.UNAVAILABLE, f"action {name!r} has just been deleted; retry") from error
        self._dependencies.cache.store_object(stored)
        if not manifests.is_same_request(dict(mine), stored):
            raise ConnectError(
                Code.INVALID_ARGUMENT, f"action {name!r} exists with other content: use another name"
            ) from error
        raise ConnectError(Code.ALREADY_EXISTS, f"action {name!r} already exists") from error

    async def watch_for_updates(
        self, request: WatchForUpdatesRequest, caller: Caller, patience: float | None
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        """Yield the newest state of each child, a sentinel, and then every change, for at most ``patience`` seconds."""
        _validate(request)
        parent = self._dependencies.locator.of(request.parent_action_id)
        await self._dependencies.access.authorize(caller, "watch", parent.namespace)
        async for response in self._dependencies.watches.follow(parent, request.parent_action_id.run, patience):
            yield response

    async def update(self, request: UpdateRequest, caller: Caller) -> UpdateResponse:
        """Send an ActionEvent for the status to the owner; raises FAILED_PRECONDITION for an ended attempt.

        An end by ABORTED is an abort, and asks for that right, too.
        """
        _validate(request)
        known = await self._get_authorized_action(request.action_id, caller, "update")
        phase = phase_of(request)
        if known.is_finished and phase == known.phase:
            return UpdateResponse()  # told again, since the answer was lost
        if known.is_finished:
            raise _ended_error(known)
        if request.attempt < known.attempt:
            raise ConnectError(
                Code.FAILED_PRECONDITION,
                f"attempt {request.attempt} of action {known.action!r} has ended: attempt {known.attempt} is current",
            )
        if phase == "Aborted":
            await self.abort(AbortRequest(action_id=request.action_id, reason="reported as aborted"), caller)
            return UpdateResponse()
        if known.signal_type:
            raise ConnectError(
                Code.FAILED_PRECONDITION, f"condition {known.action!r} ends by Signal only, not by Update"
            )
        event = update_event(known, request, caller.name, self._dependencies.clock.now())
        try:
            await self._dependencies.cluster.create(ACTION_EVENTS, event, known.place.namespace, timeout=_WRITE_SECONDS)
        except AlreadyExistsError:
            return UpdateResponse()  # the same update, told twice
        return UpdateResponse()

    async def abort(self, request: AbortRequest, caller: Caller) -> AbortResponse:
        """Set ``spec.abort``; the operator ends everything below. Doing it twice is no error."""
        _validate(request)
        known = await self._get_authorized_action(request.action_id, caller, "abort")
        if known.is_aborted:
            return AbortResponse()
        if known.is_finished:
            raise _ended_error(known)
        value = self._stamp(caller) | {"reason": truncate(request.reason, MESSAGE_LIMIT_CHARS)}
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/spec/abort", "value": None},
            {"op": "add", "path": "/spec/abort", "value": value},
        ]
        try:
            await self._patch(known, operations)
        except (ConflictError, InvalidError) as error:  # somebody else has aborted it meanwhile, or it has ended
            fresh = await self._reload_action(known)
            if fresh.is_finished and fresh.phase != "Aborted":
                raise _ended_error(fresh) from error
            if not fresh.is_aborted:
                raise
        return AbortResponse()

    async def signal(self, request: SignalRequest, caller: Caller) -> SignalResponse:
        """Answer a condition; the same answer again is no error."""
        _validate(request)
        known = await self._get_authorized_action(request.action_id, caller, "signal")
        if not known.signal_type:
            raise ConnectError(Code.FAILED_PRECONDITION, f"action {known.action!r} is not a condition")
        kind, value = literals.from_literal(request.value)
        if known.signal is not None:
            return _compare_signal(known, value)
        if known.is_finished:
            raise _ended_error(known)
        if kind != known.signal_type:
            raise ConnectError(
                Code.INVALID_ARGUMENT, f"condition {known.action!r} waits for {known.signal_type}, not for {kind}"
            )
        operations: list[dict[str, Any]] = [
            {"op": "test", "path": "/spec/signal", "value": None},
            {"op": "add", "path": "/spec/signal", "value": self._stamp(caller) | {"value": value}},
        ]
        try:
            await self._patch(known, operations)
        except (ConflictError, InvalidError) as error:  # somebody else has answered meanwhile, or it has ended
            fresh = await self._reload_action(known)
            if fresh.signal is not None:
                return _compare_signal(fresh, value)
            if fresh.is_finished:
                raise _ended_error(fresh) from error
            raise
        return SignalResponse()

    # -- what is known ------------------------------------------------------------------------------------------------

    async def _get_authorized_action(self, identifier: ActionIdentifier, caller: Caller, verb: str) -> CachedAction:
        place = self._dependencies.locator.of(identifier)
        await self._dependencies.access.authorize(caller, verb, place.namespace)
        return await self._get_action(place, f"action {identifier.name!r}")

    async def _get_action(self, place: ActionKey, what: str) -> CachedAction:
        known = self._dependencies.cache.get(place)
        if known is not None:
            return known
        body = await self._dependencies.cluster.get(TASK_ACTIONS, place.name, place.namespace)
        if body is None:
            raise ConnectError(Code.NOT_FOUND, f"{what} of this run does not exist")
        self._dependencies.cache.store_object(body)
        return CachedAction.of(body)

    async def _reload_action(self, known: CachedAction) -> CachedAction:
        body = await self._dependencies.cluster.get(TASK_ACTIONS, known.place.name, known.place.namespace)
        if body is None:
            raise ConnectError(Code.NOT_FOUND, f"action {known.action!r} of this run does not exist")
        self._dependencies.cache.store_object(body)
        return CachedAction.of(body)

    # -- what is written ----------------------------------------------------------------------------------------------

    def _stamp(self, caller: Caller) -> dict[str, Any]:
        """Return who asks and when; the policy ``stamps`` believes the first of the service's account alone."""
        return {"by": truncate(caller.name, 253), "at": format_time(self._dependencies.clock.now())}

    async def _patch(self, known: CachedAction, operations: Sequence[Mapping[str, Any]]) -> None:
        same = {"op": "test", "path": "/metadata/uid", "value": known.uid}
        place = known.place
        try:
            body = await self._dependencies.cluster.patch(
                TASK_ACTIONS, place.name, place.namespace, [same, *operations], timeout=_WRITE_SECONDS
            )
        except NotFoundError as error:
            self._dependencies.cache.remove(known.uid)
            raise ConnectError(Code.NOT_FOUND, f"action {known.action!r} of this run does not exist") from error
        self._dependencies.cache.store_object(body)


def _ended_error(known: CachedAction) -> ConnectError:
    return ConnectError(Code.FAILED_PRECONDITION, f"action {known.action!r} has ended: {known.phase}")


def _compare_signal(known: CachedAction, value: Any) -> SignalResponse:
    said = (known.signal or {}).get("value")
    if type(said) is type(value) and said == value:
        return SignalResponse()
    raise ConnectError(Code.FAILED_PRECONDITION, f"condition {known.action!r} has been answered otherwise")


def _validate(request: Message) -> None:
    try:
        protovalidate.validate(request)
    except protovalidate.ValidationError as error:
        raise ConnectError(Code.INVALID_ARGUMENT, _format_violations(error)) from error


def _format_violations(error: protovalidate.ValidationError) -> str:
    said = [
        f"{'.'.join(element.field_name for element in one.proto.field.elements)}: {one.proto.message}"
        for one in error.violations
        if one.proto.field is not None
    ]
    return "; ".join(said) or str(error)
