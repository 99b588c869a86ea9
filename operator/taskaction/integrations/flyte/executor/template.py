"""From the parameter to Flyte's task template; alone in needing Flyte's messages, which are an extra of the package."""

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from taskaction.plugin.errors import ActionExecutionError, InvalidParametersError

if TYPE_CHECKING:
    from flyteidl2.core.execution_pb2 import ContainerError
    from flyteidl2.core.tasks_pb2 import TaskTemplate

LIMIT_BYTES = 8 * 1024 * 1024
"""The largest template, unpacked."""
_EXTRA = "the operator lacks the extra 'actions': install taskaction-operator[actions], which brings Flyte's messages"


def decode_base64(text: str) -> bytes:
    """Return the bytes of base64; raises ``InvalidParametersError``."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidParametersError(f"parameters.template: is no base64: {error}") from error


def parse_template(content: bytes, encoding: str, field: str) -> "TaskTemplate":
    """Return the template; raises ``InvalidParametersError`` where ``content`` is none, naming the ``field``."""
    messages = _messages()
    try:
        plain = _unpack(content) if encoding == "zlib" else content
        found = messages.template.FromString(plain)
    except zlib.error as error:
        raise InvalidParametersError(f"parameters.{field}: is not packed by zlib: {error}") from error
    except messages.error as error:
        raise InvalidParametersError(f"parameters.{field}: is no flyteidl2.core.TaskTemplate: {error}") from error
    return found


def parse_error(content: bytes) -> "ContainerError | None":
    """Return what a task has left as its error, None where it cannot be read."""
    messages = _messages()
    try:
        document = messages.document.FromString(content)
    except messages.error:
        return None
    return document.error


def _unpack(content: bytes) -> bytes:
    unpacker = zlib.decompressobj()
    plain = unpacker.decompress(content, LIMIT_BYTES + 1)
    if len(plain) > LIMIT_BYTES:
        raise InvalidParametersError(f"parameters.template: takes more than {LIMIT_BYTES} bytes, unpacked")
    if not unpacker.eof:
        raise zlib.error("it is cut off")
    return plain


@dataclass(frozen=True, slots=True)
class _Messages:
    template: Any
    document: Any
    error: type[Exception]


def _messages() -> _Messages:
    try:
        from flyteidl2.core.execution_pb2 import ErrorDocument  # noqa: PLC0415 - an extra, and not for all operators
        from flyteidl2.core.tasks_pb2 import TaskTemplate  # noqa: PLC0415
        from google.protobuf.message import DecodeError  # noqa: PLC0415
    except ImportError as error:
        raise ActionExecutionError(_EXTRA, code="ExtraMissing") from error
    return _Messages(TaskTemplate, ErrorDocument, DecodeError)
