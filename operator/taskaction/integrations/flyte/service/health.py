"""``grpc.health.v1``: whether calls are served."""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from connectrpc.code import Code
from connectrpc.errors import ConnectError
from connectrpc.request import RequestContext
from connectrpc.server import Endpoint
from google.protobuf import descriptor_pb2

from taskaction.core.clock import Clock
from taskaction.integrations.flyte.service.protos import TEXT, Method, Package, SmallService, field

SERVICE = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING, _UNKNOWN = 1, 2, 3
_LOOK_SECONDS = 1.0


def health_file() -> descriptor_pb2.FileDescriptorProto:
    """Return the published file, by its fields."""
    file = descriptor_pb2.FileDescriptorProto(
        name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3"
    )
    field(file.message_type.add(name="HealthCheckRequest"), 1, "service", TEXT)
    response = file.message_type.add(name="HealthCheckResponse")
    status = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")):
        status.value.add(name=name, number=number)
    response.field.add(
        name="status",
        number=1,
        label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
        type=descriptor_pb2.FieldDescriptorProto.TYPE_ENUM,
        type_name=".grpc.health.v1.HealthCheckResponse.ServingStatus",
    )
    service = file.service.add(name="Health")
    for name, streams in (("Check", False), ("Watch", True)):
        service.method.add(
            name=name,
            input_type=".grpc.health.v1.HealthCheckRequest",
            output_type=".grpc.health.v1.HealthCheckResponse",
            server_streaming=streams,
        )
    return file


class HealthService:
    """Health service: whether calls are served."""

    def __init__(self, is_ready: Callable[[], bool], clock: Clock, services: Iterable[str]) -> None:
        """``services`` are those that may be asked for by name, besides the server as a whole."""
        self._is_ready = is_ready
        self._named = frozenset({"", SERVICE, *services})
        self._clock = clock
        self.package = Package(health_file())
        self._response_type = self.package.message("HealthCheckResponse")

    def application(self) -> SmallService:
        """Return it on its address."""
        types = {"request": "HealthCheckRequest", "response": "HealthCheckResponse"}
        return SmallService(
            SERVICE,
            self.package,
            [
                Method(name="Check", endpoint=Endpoint.unary, function=self.check, **types),
                Method(name="Watch", endpoint=Endpoint.server_stream, function=self.watch, **types),
            ],
        )

    async def check(self, request: Any, ctx: RequestContext[Any, Any]) -> Any:  # noqa: ARG002 - as generated code calls it
        """Return the present state."""
        if request.service not in self._named:
            raise ConnectError(Code.NOT_FOUND, f"unknown service {request.service!r}")
        return self._state(request.service)

    async def watch(self, request: Any, ctx: RequestContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ARG002 - the same
        """Return the state, and each change of it."""
        said = None
        while True:
            state = self._state(request.service)
            if state != said:
                yield state
                said = state
            await self._clock.sleep(_LOOK_SECONDS)

    def _state(self, service: str) -> Any:
        if service not in self._named:
            return self._response_type(status=_UNKNOWN)
        return self._response_type(status=_SERVING if self._is_ready() else _NOT_SERVING)
