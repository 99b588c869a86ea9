"""``grpc.reflection`` v1 and v1alpha: what the server offers, for clients such as grpcurl; all of it is public."""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import Any

from connectrpc.request import RequestContext
from connectrpc.server import Endpoint
from google.protobuf import descriptor_pb2, descriptor_pool

from taskaction.integrations.flyte.service.protos import BYTES, NUMBER, TEXT, Method, Package, SmallService, field

VERSIONS = ("v1", "v1alpha")
METHOD = "ServerReflectionInfo"
_NOT_FOUND, _UNIMPLEMENTED = 5, 12


def reflection_file(version: str) -> descriptor_pb2.FileDescriptorProto:
    """Return the published file, by its fields."""
    package = f"grpc.reflection.{version}"
    file = descriptor_pb2.FileDescriptorProto(
        name=f"grpc/reflection/{version}/reflection.proto", package=package, syntax="proto3"
    )
    request = file.message_type.add(name="ServerReflectionRequest")
    extension = file.message_type.add(name="ExtensionRequest")
    response = file.message_type.add(name="ServerReflectionResponse")
    files = file.message_type.add(name="FileDescriptorResponse")
    numbers = file.message_type.add(name="ExtensionNumberResponse")
    services = file.message_type.add(name="ListServiceResponse")
    one = file.message_type.add(name="ServiceResponse")
    error = file.message_type.add(name="ErrorResponse")
    field(request, 1, "host", TEXT)
    field(request, 3, "file_by_filename", TEXT)
    field(request, 4, "file_containing_symbol", TEXT)
    field(request, 5, "file_containing_extension", f".{package}.ExtensionRequest")
    field(request, 6, "all_extension_numbers_of_type", TEXT)
    field(request, 7, "list_services", TEXT)
    field(extension, 1, "containing_type", TEXT)
    field(extension, 2, "extension_number", NUMBER)
    field(response, 1, "valid_host", TEXT)
    field(response, 2, "original_request", f".{package}.ServerReflectionRequest")
    field(response, 4, "file_descriptor_response", f".{package}.FileDescriptorResponse")
    field(response, 5, "all_extension_numbers_response", f".{package}.ExtensionNumberResponse")
    field(response, 6, "list_services_response", f".{package}.ListServiceResponse")
    field(response, 7, "error_response", f".{package}.ErrorResponse")
    field(files, 1, "file_descriptor_proto", BYTES, several=True)
    field(numbers, 1, "base_type_name", TEXT)
    field(numbers, 2, "extension_number", NUMBER, several=True)
    field(services, 1, "service", f".{package}.ServiceResponse", several=True)
    field(one, 1, "name", TEXT)
    field(error, 1, "error_code", NUMBER)
    field(error, 2, "error_message", TEXT)
    for message, name in ((request, "message_request"), (response, "message_response")):
        message.oneof_decl.add(name=name)
        for each in message.field:
            if each.number > 2:  # noqa: PLR2004 - host, and what a response repeats, are beside the choice
                each.oneof_index = 0
    file.service.add(name="ServerReflection").method.add(
        name=METHOD,
        input_type=f".{package}.ServerReflectionRequest",
        output_type=f".{package}.ServerReflectionResponse",
        client_streaming=True,
        server_streaming=True,
    )
    return file


class DescriptorIndex:
    """The descriptors of what is offered: those of the published messages, and of the small services."""

    def __init__(self, services: Iterable[str], pools: Iterable[descriptor_pool.DescriptorPool]) -> None:
        self.services = sorted(services)
        self._pools = (*pools, descriptor_pool.Default())

    def files_by_name(self, name: str) -> list[bytes]:
        """Return a file, and all that it imports; raises ``KeyError``."""
        return self._closure(lambda pool: pool.FindFileByName(name))

    def files_containing(self, symbol: str) -> list[bytes]:
        """Return the file that defines a symbol, and all that it imports; raises ``KeyError``."""
        return self._closure(lambda pool: pool.FindFileContainingSymbol(symbol))

    def files_extending(self, message: str, number: int) -> list[bytes]:
        """Return the file that extends a message by a field, and all that it imports; raises ``KeyError``."""
        return self._closure(lambda pool: pool.FindExtensionByNumber(pool.FindMessageTypeByName(message), number).file)

    def extensions(self, message: str) -> list[int]:
        """Return the numbers of all fields that extend a message; raises ``KeyError``."""
        pool = descriptor_pool.Default()
        return sorted(one.number for one in pool.FindAllExtensions(pool.FindMessageTypeByName(message)))

    def _closure(self, find: Any) -> list[bytes]:
        for pool in self._pools:
            try:
                found = find(pool)
            except KeyError:
                continue
            return [file.serialized_pb for file in reversed([*_imports_first(found, set())])]
        raise KeyError


def _imports_first(file: Any, seen: set[str]) -> Iterator[Any]:
    if file.name in seen:
        return
    seen.add(file.name)
    for imported in file.dependencies:
        yield from _imports_first(imported, seen)
    yield file


class ReflectionService:
    """Answers questions about what is offered, in one of the two versions."""

    def __init__(self, version: str, package: Package, described: DescriptorIndex) -> None:
        self._name = f"grpc.reflection.{version}.ServerReflection"
        self._package = package
        self._described = described
        self._response_type = package.message("ServerReflectionResponse")

    def application(self) -> SmallService:
        """Return it on its address."""
        method = Method(
            name=METHOD,
            request="ServerReflectionRequest",
            response="ServerReflectionResponse",
            endpoint=Endpoint.bidi_stream,
            function=self.info,
        )
        return SmallService(self._name, self._package, [method])

    async def info(self, requests: AsyncIterator[Any], ctx: RequestContext[Any, Any]) -> AsyncIterator[Any]:  # noqa: ARG002 - as generated code calls it
        """Answer each question."""
        async for request in requests:
            response = self._response_type(valid_host=request.host)
            response.original_request.CopyFrom(request)
            try:
                self._answer(request, response)
            except KeyError:
                response.error_response.error_code = _NOT_FOUND
                response.error_response.error_message = "nothing of that name is offered"
            yield response

    def _answer(self, request: Any, response: Any) -> None:
        files = response.file_descriptor_response.file_descriptor_proto
        match request.WhichOneof("message_request"):
            case "list_services":
                for name in self._described.services:
                    response.list_services_response.service.add(name=name)
            case "file_by_filename":
                files.extend(self._described.files_by_name(request.file_by_filename))
            case "file_containing_symbol":
                files.extend(self._described.files_containing(request.file_containing_symbol))
            case "file_containing_extension":
                asked = request.file_containing_extension
                files.extend(self._described.files_extending(asked.containing_type, asked.extension_number))
            case "all_extension_numbers_of_type":
                numbers = response.all_extension_numbers_response
                numbers.extension_number.extend(self._described.extensions(request.all_extension_numbers_of_type))
                numbers.base_type_name = request.all_extension_numbers_of_type
            case _:
                response.error_response.error_code = _UNIMPLEMENTED
                response.error_response.error_message = "no question is asked that is known here"


def reflection(services: Iterable[str], packages: Iterable[Package]) -> list[SmallService]:
    """Return the services that tell of ``services``, of the ``packages`` of small ones, and of themselves."""
    own = {version: Package(reflection_file(version)) for version in VERSIONS}
    names = [*services, *(f"grpc.reflection.{version}.ServerReflection" for version in VERSIONS)]
    described = DescriptorIndex(names, [package.pool for package in (*packages, *own.values())])
    return [ReflectionService(version, package, described).application() for version, package in own.items()]
