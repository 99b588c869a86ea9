"""``grpc.health.v1`` for clients that ask it: made of its descriptor, since the published package brings grpcio."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from connectrpc.method import IdempotencyLevel, MethodInfo
from connectrpc.request import RequestContext
from connectrpc.server import ConnectASGIApplication, Endpoint
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from taskaction.core.clock import Clock

SERVICE = "grpc.health.v1.Health"
_SERVING, _NOT_SERVING = 1, 2
_LOOK_SECONDS = 1.0
_FIELD = descriptor_pb2.FieldDescriptorProto


def _messages() -> tuple[type[Any], type[Any]]:
    file = descriptor_pb2.FileDescriptorProto(
        name="grpc/health/v1/health.proto", package="grpc.health.v1", syntax="proto3"
    )
    request = file.message_type.add(name="HealthCheckRequest")
    request.field.add(name="service", number=1, type=_FIELD.TYPE_STRING, label=_FIELD.LABEL_OPTIONAL)
    response = file.message_type.add(name="HealthCheckResponse")
    status = response.enum_type.add(name="ServingStatus")
    for number, name in enumerate(("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")):
        status.value.add(name=name, number=number)
    response.field.add(
        name="status",
        number=1,
        type=_FIELD.TYPE_ENUM,
        label=_FIELD.LABEL_OPTIONAL,
        type_name=".grpc.health.v1.HealthCheckResponse.ServingStatus",
    )
    pool = descriptor_pool.DescriptorPool()  # one of its own: a client's package may be in the default one
    pool.Add(file)
    request_type, response_type = (
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"grpc.health.v1.{name}"))
        for name in ("HealthCheckRequest", "HealthCheckResponse")
    )
    return request_type, response_type


class HealthService:
    """Says whether calls are served."""

    def __init__(self, is_ready: Callable[[], bool], clock: Clock) -> None:
        self._is_ready = is_ready
        self._clock = clock
        self.request_type, self.response_type = _messages()

    async def check(self, _: Any, ctx: RequestContext[Any, Any]) -> Any:  # noqa: ARG002 - as generated code calls it
        """Give the present state."""
        return self._state()

    async def watch(self, _: Any, ctx: RequestContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ARG002 - the same
        """Give the state, and each change of it."""
        said = None
        while True:
            state = self._state()
            if state != said:
                yield state
                said = state
            await self._clock.sleep(_LOOK_SECONDS)

    def _state(self) -> Any:
        return self.response_type(status=_SERVING if self._is_ready() else _NOT_SERVING)


class HealthApplication(ConnectASGIApplication[HealthService]):
    """The health service on its address."""

    def __init__(self, service: HealthService) -> None:
        super().__init__(service=service, endpoints=_endpoints)

    @property
    def path(self) -> str:
        """Its address."""
        return f"/{SERVICE}"


def _endpoints(service: HealthService) -> dict[str, Any]:
    def method(name: str) -> MethodInfo[Any, Any]:
        return MethodInfo(
            name=name,
            service_name=SERVICE,
            input=service.request_type,
            output=service.response_type,
            idempotency_level=IdempotencyLevel.UNKNOWN,
        )

    return {
        f"/{SERVICE}/Check": Endpoint.unary(method=method("Check"), function=service.check),
        f"/{SERVICE}/Watch": Endpoint.server_stream(method=method("Watch"), function=service.watch),
    }
