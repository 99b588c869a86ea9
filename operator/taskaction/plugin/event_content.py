"""Bytes of a request in an ActionEvent: compressed in the object, or in the operator's storage if they are too large.

The inbox stores them and the operator reads them. The address in the storage follows from the event's namespace and
name and from the bytes: an event can name no file of another one, and a repeated request replaces nothing.
"""

import base64
import binascii
import zlib

from taskaction.api.action_event import CONTENT_LIMIT_BYTES, INLINE_CONTENT_BYTES, EventContent
from taskaction.core.errors import TaskActionError
from taskaction.plugin.storage import ProjectStorage, fingerprint


class ContentLostError(TaskActionError):
    """The bytes of an event are missing or changed, which no retry can help; the message says which."""


class EventContents:
    """Store of the bytes of requests."""

    def __init__(self, storage: ProjectStorage) -> None:
        self._storage = storage

    @property
    def has_storage(self) -> bool:
        """Whether bytes can be stored outside of objects."""
        return self._storage.is_configured

    async def write(self, namespace: str, name: str, content: bytes) -> None:
        """Store the bytes for an event that is about to be created; raise ``StorageError``."""
        await self._storage.write(self._address(namespace, name, fingerprint(content)), content)

    async def read(self, namespace: str, name: str, content: EventContent) -> bytes:
        """Return the bytes of an event.

        Raises:
            StorageError: the storage does not respond, refuses, or is not configured; a retry can help.
            ContentLostError: the bytes are missing or changed.
        """
        if content.data is not None:
            return _decompress(content.data)
        found = await self._storage.read(self._address(namespace, name, content.sha256 or ""), CONTENT_LIMIT_BYTES)
        if found is None or fingerprint(found) != content.sha256:
            state = "missing" if found is None else "changed"
            raise ContentLostError(f"the stored body of ActionEvent {namespace}/{name} is {state}")
        return found

    async def remove(self, namespace: str, name: str, content: EventContent) -> None:
        """Remove the stored bytes of an event that is deleted; raise ``StorageError``."""
        if self.has_storage and content.sha256 is not None:
            await self._storage.remove(self._address(namespace, name, content.sha256))

    def _address(self, namespace: str, name: str, sha256: str) -> str:
        return f"{self._storage.folder}{namespace}/webhooks/{name}-{sha256}"


def pack_content(content: bytes) -> EventContent:
    """Return the part of an event for these bytes; without ``data``, they must be stored."""
    compressed = zlib.compress(content)
    if len(compressed) <= INLINE_CONTENT_BYTES:
        return EventContent(size=len(content), data=base64.b64encode(compressed).decode())
    return EventContent(size=len(content), sha256=fingerprint(content))


def _decompress(data: str) -> bytes:
    """Return the bytes; raise ``ContentLostError`` if they are invalid, or more than a request may have."""
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(base64.b64decode(data, validate=True), CONTENT_LIMIT_BYTES + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise ContentLostError(f"spec.content.data: invalid value: {error}") from None
    if len(content) > CONTENT_LIMIT_BYTES or not unpacker.eof:
        raise ContentLostError(f"spec.content.data: incomplete, or larger than {CONTENT_LIMIT_BYTES} bytes")
    return content
