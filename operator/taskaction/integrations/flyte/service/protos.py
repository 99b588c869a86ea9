"""How messages are read and written, and small gRPC services made of their descriptors; knows none of them.

The published packages of small services bring grpcio. The published codecs give what cannot be read the code UNKNOWN,
and spread JSON over lines, by which a stream cannot be read line by line.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from connectrpc.code import Code
from connectrpc.codec import Codec
from connectrpc.errors import ConnectError
from connectrpc.method import IdempotencyLevel, MethodInfo
from connectrpc.server import ConnectASGIApplication
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message

_FIELD = descriptor_pb2.FieldDescriptorProto
TEXT, BYTES, NUMBER = _FIELD.TYPE_STRING, _FIELD.TYPE_BYTES, _FIELD.TYPE_INT32


class BinaryCodec(Codec[Message, Any]):
    """Protocol buffers."""

    def name(self) -> str:
        """Return the name in content types."""
        return "proto"

    def encode(self, message: Message) -> bytes:
        """Write."""
        return bytes(message.SerializeToString())

    def decode(self, data: bytes | bytearray, message: Any) -> Any:
        """Read; raises ``ConnectError``."""
        try:
            message.ParseFromString(data)
        except DecodeError as error:
            raise ConnectError(Code.INVALID_ARGUMENT, f"the message is not valid for this call: {error}") from error
        return message


class JsonCodec(Codec[Message, Any]):
    """JSON, in one line."""

    def name(self) -> str:
        """Return the name in content types."""
        return "json"

    def encode(self, message: Message) -> bytes:
        """Write."""
        text: str = json_format.MessageToJson(message, indent=None)
        return text.encode()

    def decode(self, data: bytes | bytearray, message: Any) -> Any:
        """Read; raises ``ConnectError``."""
        try:
            return json_format.Parse(bytes(data), message)
        except (json_format.ParseError, UnicodeDecodeError, RecursionError) as error:
            raise ConnectError(Code.INVALID_ARGUMENT, f"the message is not valid for this call: {error}") from error


CODECS: tuple[Codec[Any, Any], ...] = (BinaryCodec(), JsonCodec())


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of a service, and what serves it."""

    name: str
    request: str
    response: str
    endpoint: Callable[..., Any]
    """``Endpoint.unary`` or one of its like."""
    function: Callable[..., Any]


class Package:
    """The messages of one proto file, in a pool of their own: a client's package may be in the default one."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        self.pool.Add(file)
        self._name = file.package

    def message(self, name: str) -> type[Any]:
        """Return a message's class."""
        found: type[Any] = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(f"{self._name}.{name}"))
        return found


class SmallService(ConnectASGIApplication[None]):
    """A service on its address, over Connect and gRPC."""

    def __init__(self, name: str, package: Package, methods: Iterable[Method]) -> None:
        self._name = name
        endpoints = {f"/{name}/{method.name}": _endpoint(name, package, method) for method in methods}
        super().__init__(service=None, endpoints=lambda _: endpoints, codecs=CODECS)

    @property
    def path(self) -> str:
        """Its address."""
        return f"/{self._name}"


def _endpoint(service: str, package: Package, method: Method) -> Any:
    info: MethodInfo[Any, Any] = MethodInfo(
        name=method.name,
        service_name=service,
        input=package.message(method.request),
        output=package.message(method.response),
        idempotency_level=IdempotencyLevel.UNKNOWN,
    )
    return method.endpoint(method=info, function=method.function)


def field(message: Any, number: int, name: str, kind: Any, *, several: bool = False) -> None:
    """Add a field to a message: of a basic type, or of the message or enum that ``kind`` names."""
    label = _FIELD.LABEL_REPEATED if several else _FIELD.LABEL_OPTIONAL
    if isinstance(kind, str):
        message.field.add(name=name, number=number, label=label, type=_FIELD.TYPE_MESSAGE, type_name=kind)
    else:
        message.field.add(name=name, number=number, label=label, type=kind)
