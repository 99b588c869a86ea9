"""Watch of the load process, which continues after the API server has ended it, or has forgotten what came since."""

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from http import HTTPStatus

import aiohttp
import orjson

from cluster.errors import ClusterError

METADATA = "PartialObjectMetadata"
_BOOKMARK, _ERROR = b'{"type":"BOOKMARK"', b'{"type":"ERROR"'
_VERSION = re.compile(rb'"resourceVersion":"([^"]+)"')


class WatchExpiredError(ClusterError):
    """The API server no longer knows what happened since the version where a watch wants to continue."""


@dataclass(frozen=True)
class View:
    """What a watch shows: the objects at a path that its selectors admit, in a form such as ``METADATA``.

    Attributes:
        selector: the field selector.
        query: further selectors, as the API server expects them.
    """

    path: str
    selector: str = ""
    form: str = ""
    query: Mapping[str, str] = field(default_factory=dict)

    def selection(self) -> dict[str, str]:
        """Return the query of all selectors."""
        return {"fieldSelector": self.selector, **self.query}

    def accept(self, suffix: str = "") -> dict[str, str]:
        """Return the header that asks for the form; the suffix of a list is ``List``."""
        form = f";as={self.form}{suffix};g=meta.k8s.io;v=v1" if self.form else ""
        return {"Accept": f"application/json{form}"}


class Follower:
    """Reader of one view."""

    def __init__(self, session: aiohttp.ClientSession, server: str, view: View, version: str = "") -> None:
        """Create a reader of what happens after a version; by default of what happens from now on."""
        self._session = session
        self._url = server + view.path
        self._view = view
        self._version = version

    async def follow(self, note: Callable[[bytes], None], begun: asyncio.Event) -> None:
        """Hand over each line of the watch until cancelled; after a gap those of a list, as if they were added."""
        if not self._version:
            self._version = _version_of(await self._list(limit="1"))
        while True:
            try:
                async with aclosing(self._watch(begun)) as lines:
                    async for line in lines:
                        note(line)
            except WatchExpiredError:
                for line in self._changes(await self._list(**self._view.selection())):
                    note(line)

    async def _watch(self, begun: asyncio.Event) -> AsyncGenerator[bytes, None]:
        """Yield the lines until the API server ends the watch; it does so when many events come at once."""
        parameters = {
            "watch": "true",
            "allowWatchBookmarks": "true",  # otherwise a quiet namespace expires while another one is busy
            "resourceVersion": self._version,
            **self._view.selection(),
        }
        async with self._session.get(self._url, params=parameters, headers=self._view.accept()) as response:
            await check(response)
            begun.set()
            async for line in read_lines(response):
                if line.startswith(_ERROR):
                    raise _refusal(line)
                if (found := _VERSION.search(line)) is not None:
                    self._version = found[1].decode()
                if not line.startswith(_BOOKMARK):
                    yield line

    async def _list(self, **parameters: str) -> bytes:
        async with self._session.get(self._url, params=parameters, headers=self._view.accept("List")) as response:
            await check(response)
            return await response.read()

    def _changes(self, content: bytes) -> list[bytes]:
        """Return what of a list has changed since the last line, and continue after it."""
        before, self._version = int(self._version), _version_of(content)
        items = orjson.loads(content)["items"]
        changed = (item for item in items if int(item["metadata"]["resourceVersion"]) > before)
        return [orjson.dumps({"type": "ADDED", "object": item}) for item in changed]


async def check(response: aiohttp.ClientResponse) -> None:
    """Raise what the API server refused."""
    if response.status >= HTTPStatus.BAD_REQUEST:
        said = (await response.text())[:300]
        kind = WatchExpiredError if response.status == HTTPStatus.GONE else ClusterError
        raise kind(f"{response.method} {response.url.path}: HTTP {response.status}: {said}")


async def read_lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of a watch until it ends."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield line


def _refusal(line: bytes) -> ClusterError:
    status = orjson.loads(line)["object"]
    kind = WatchExpiredError if status.get("code") == HTTPStatus.GONE else ClusterError
    return kind(f"the watch was refused: {status.get('message')}")


def _version_of(content: bytes) -> str:
    return str(orjson.loads(content)["metadata"]["resourceVersion"])
