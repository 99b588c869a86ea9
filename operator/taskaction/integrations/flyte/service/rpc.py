"""The edge of the five calls: who calls, how many at a time, which code an error has, a line of log for each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from flyteidl2.actions.actions_service_pb2 import (
    AbortRequest,
    AbortResponse,
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

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.reviews import Caller
from taskaction.core.clock import Clock
from taskaction.integrations.flyte.service.access import AccessReviewer, OpenAccess
from taskaction.integrations.flyte.service.endpoints import Calls
from taskaction.integrations.flyte.service.error_codes import to_connect_error
from taskaction.integrations.flyte.service.rates import CallerRateLimiter
from taskaction.integrations.flyte.service.recorder import ActionsRecorder
from taskaction.integrations.flyte.service.run_specs import WARNING_HEADER, warnings

Request = TypeVar("Request")
Response = TypeVar("Response")


class ActionsRpc:
    """The service as the generated code calls it."""

    def __init__(
        self,
        calls: Calls,
        gate: AccessReviewer | OpenAccess,
        recorder: ActionsRecorder,
        clock: Clock,
        *,
        requests: int,
        rates: CallerRateLimiter,
    ) -> None:
        """``requests`` is the maximum number of concurrent calls, without watches."""
        self._calls = calls
        self._access = gate
        self._recorder = recorder
        self._clock = clock
        self._requests = requests
        self._rates = rates
        self._under_way = 0

    async def enqueue(self, request: EnqueueRequest, ctx: RequestContext[Any, Any]) -> EnqueueResponse:
        """Create an action."""
        for text in warnings(request.run_spec):
            ctx.response_headers().add(WARNING_HEADER, text)
        return await self._unary("Enqueue", request.action.action_id, self._calls.enqueue, request, ctx)

    async def update(self, request: UpdateRequest, ctx: RequestContext[Any, Any]) -> UpdateResponse:
        """Record what a client reports about an attempt."""
        return await self._unary("Update", request.action_id, self._calls.update, request, ctx)

    async def abort(self, request: AbortRequest, ctx: RequestContext[Any, Any]) -> AbortResponse:
        """Abort an action and everything below it."""
        return await self._unary("Abort", request.action_id, self._calls.abort, request, ctx)

    async def signal(self, request: SignalRequest, ctx: RequestContext[Any, Any]) -> SignalResponse:
        """Answer a condition."""
        return await self._unary("Signal", request.action_id, self._calls.signal, request, ctx)

    async def find_refusal(self, method: str, headers: Mapping[str, str]) -> ConnectError | None:
        """Return why the caller is refused, before anything of the request is read; None for a known caller."""
        started = self._clock.monotonic()
        try:
            await self._access.authenticate(headers)
        except Exception as found:  # noqa: BLE001 - whatever it is, the request is not read
            error = self._to_connect_error(found)
            self._recorder.on_call_ended(
                method, "", "", error.code.value, error.message, self._clock.monotonic() - started
            )
            return error
        return None

    async def watch_for_updates(
        self, request: WatchForUpdatesRequest, ctx: RequestContext[Any, Any]
    ) -> AsyncIterator[WatchForUpdatesResponse]:
        """Follow the children of an action."""
        started, who, error = self._clock.monotonic(), "", None
        try:
            caller = await self._access.authenticate(ctx.request_headers())
            who = caller.name
            self._rates.spend(who)
            async for response in self._calls.watch_for_updates(request, caller, _seconds(ctx)):
                yield response
        except (asyncio.CancelledError, GeneratorExit):
            error = ConnectError(Code.CANCELED, "the client has disconnected")
            raise
        except Exception as found:
            error = self._to_connect_error(found)
            raise error from found
        finally:
            self._log("WatchForUpdates", who, request.parent_action_id, error, started)

    async def _unary(
        self,
        method: str,
        identifier: ActionIdentifier,
        call: Callable[[Request, Caller], Awaitable[Response]],
        request: Request,
        ctx: RequestContext[Any, Any],
    ) -> Response:
        started, who, error = self._clock.monotonic(), "", None
        self._under_way += 1
        try:
            self._admit()
            async with asyncio.timeout(_seconds(ctx)):
                caller = await self._access.authenticate(ctx.request_headers())
                who = caller.name
                self._rates.spend(who)
                return await call(request, caller)
        except Exception as found:
            error = self._to_connect_error(found)
            raise error from found
        finally:
            self._under_way -= 1
            self._log(method, who, identifier, error, started)

    def _admit(self) -> None:
        if self._under_way > self._requests:
            raise ConnectError(Code.RESOURCE_EXHAUSTED, "too many concurrent calls; retry later")

    def _to_connect_error(self, error: Exception) -> ConnectError:
        if isinstance(error, ConnectError):
            return error
        if isinstance(error, ClusterError):
            return to_connect_error(error)
        if isinstance(error, TimeoutError):
            return ConnectError(Code.DEADLINE_EXCEEDED, "the deadline that the client set for the call has passed")
        self._recorder.on_task_failed("call", error)
        return ConnectError(Code.INTERNAL, "internal error; see the log of the service")

    def _log(
        self, method: str, who: str, identifier: ActionIdentifier, error: ConnectError | None, started: float
    ) -> None:
        run = identifier.run
        code, why = ("ok", "") if error is None else (error.code.value, error.message)
        what = f"{run.project}/{run.domain}/{run.name}/{identifier.name}"
        self._recorder.on_call_ended(method, who, what, code, why, self._clock.monotonic() - started)


def _seconds(ctx: RequestContext[Any, Any]) -> float | None:
    """Return how long the client waits for the call, as far as it says so."""
    left = ctx.timeout_ms()
    return None if left is None else left / 1000
