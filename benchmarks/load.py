"""The load process's way to the API server: creates actions, finishes them itself for the ceiling, sees them finished.

One session with kept connections serves everything but the watch, so that all runs go over the same connections.
"""

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson

from cluster.binaries import Heartbeat, Say
from cluster.errors import ClusterError

API = "/apis/taskaction.dev/v1alpha1"
CONNECTIONS = 32
METADATA_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
NOOP = {"executor": "noop"}


@dataclass(frozen=True)
class Collection:
    """Objects of one kind, and the field selector of those that have succeeded."""

    api: str
    plural: str
    succeeded: str

    def path(self, namespace: str) -> str:
        """Give where those of a namespace are."""
        return f"{self.api}/namespaces/{namespace}/{self.plural}"


ACTIONS = Collection(API, "taskactions", "status.phase=Succeeded")
JOBS = Collection("/apis/batch/v1", "jobs", "status.successful=1")
_SEEN = re.compile(rb'"name":"([^"]+)".*?"resourceVersion":"([^"]+)"')

_VERSION = re.compile(rb'"resourceVersion":"([^"]+)"')


@dataclass
class Finished:
    """The actions of a namespace that a watch has seen finished since it began, and when."""

    version: str
    """Up to where the watch has come, so that it can go on there."""
    moments: dict[str, float] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, line: bytes) -> None:
        """Take one line of the watch."""
        if line.startswith(b'{"type":"ERROR"'):
            raise ClusterError(f"the watch was refused: {line.decode(errors='replace')}")
        if line.startswith((b'{"type":"ADDED"', b'{"type":"MODIFIED"')) and (found := _SEEN.search(line)):
            self.moments.setdefault(found[1].decode(), time.perf_counter())
            self.version = found[2].decode()
            self._news.set()

    async def reach(self, count: int, *, timeout: float) -> float:
        """Return when so many have finished, with the moment of the last."""
        try:
            async with asyncio.timeout(timeout):
                while len(self.moments) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise ClusterError(f"after {timeout:.0f} s {len(self.moments)} of {count} actions had finished") from None
        return max(self.moments.values())


class Load:
    """Talks to one API server as its administrator."""

    def __init__(self, server: str, *, ca: Path, user: Path) -> None:
        """Read the keys; connects to nothing yet."""
        self._server = server
        self._ssl = ssl.create_default_context(cafile=ca)
        self._ssl.load_cert_chain(user)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = self._open(CONNECTIONS)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        if self._session:
            await self._session.close()

    async def create(
        self, namespace: str, name: str, spec: Mapping[str, Any], status: Mapping[str, Any] | None = None
    ) -> None:
        """Create an action."""
        body = {
            "apiVersion": "taskaction.dev/v1alpha1",
            "kind": "TaskAction",
            "metadata": {"name": name},
            "spec": spec,
        }
        if status is not None:
            body["status"] = status
        await self.post(ACTIONS, namespace, body)

    async def post(self, kind: Collection, namespace: str, body: Mapping[str, Any]) -> None:
        """Create an object."""
        await self._send("POST", kind.path(namespace), orjson.dumps(body), "application/json")

    async def finish(self, namespace: str, name: str, end: bytes) -> None:
        """Merge the end of an action into it, as the operator would write it."""
        path = f"{ACTIONS.path(namespace)}/{name}/status"
        await self._send("PATCH", path, end, "application/merge-patch+json")

    async def create_many(
        self,
        namespace: str,
        prefix: str,
        count: int,
        spec: Mapping[str, Any],
        *,
        end: bytes | None = None,
        status: Mapping[str, Any] | None = None,
        say: Say | None = None,
    ) -> None:
        """Create actions as fast as the connections allow, and with `end` write their end as well."""

        async def one(number: int) -> None:
            name = f"{prefix}-{number}"
            await self.create(namespace, name, spec, status)
            if end is not None:
                await self.finish(namespace, name, end)

        await self.many(count, one, say=say)

    async def many(self, count: int, one: Callable[[int], Awaitable[None]], *, say: Say | None = None) -> None:
        """Do something so many times, as fast as the connections allow."""
        numbers = iter(range(count))
        heartbeat = Heartbeat(say or _silent)

        async def worker() -> None:
            for number in numbers:
                await one(number)
                heartbeat.beat(f"  {number + 1} of {count}")

        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(worker())

    async def delete(self, namespace: str, name: str) -> None:
        """Delete an action."""
        await self._send("DELETE", f"{ACTIONS.path(namespace)}/{name}", b"", "application/json")

    async def get(self, namespace: str, name: str) -> dict[str, Any]:
        """Give an action."""
        return dict(orjson.loads(await self._send("GET", f"{ACTIONS.path(namespace)}/{name}")))

    async def read(self, kind: Collection, namespace: str, name: str) -> dict[str, Any]:
        """Return an object of any kind."""
        return dict(orjson.loads(await self._send("GET", f"{kind.path(namespace)}/{name}")))

    async def patch(self, kind: Collection, namespace: str, name: str, operations: Sequence[Mapping[str, Any]]) -> None:
        """Apply a JSON patch."""
        path = f"{kind.path(namespace)}/{name}"
        await self._send("PATCH", path, orjson.dumps(operations), "application/json-patch+json")

    async def list(self, namespace: str) -> list[dict[str, Any]]:
        """Give the actions of a namespace."""
        return list(orjson.loads(await self._send("GET", ACTIONS.path(namespace)))["items"])

    @asynccontextmanager
    async def finished(self, namespace: str, kind: Collection = ACTIONS) -> AsyncIterator[Finished]:
        """Watch for objects that succeed, without reading more of them than their names."""
        newest = orjson.loads(await self._send("GET", f"{kind.path(namespace)}?limit=1"))
        seen = Finished(newest["metadata"]["resourceVersion"])
        begun = asyncio.Event()
        async with self._open(1) as session, asyncio.TaskGroup() as group:
            watcher = group.create_task(self._watch(session, kind, namespace, seen, begun))
            await begun.wait()
            try:
                yield seen
            finally:
                watcher.cancel()

    async def follow(self, namespace: str, note: Callable[[bytes], None], begun: asyncio.Event) -> None:
        """Hand over each line of a watch of whole actions until cancelled, also where the API server has ended it."""
        newest = orjson.loads(await self._send("GET", f"{ACTIONS.path(namespace)}?limit=1"))
        version = str(newest["metadata"]["resourceVersion"])

        def noted(line: bytes) -> None:
            nonlocal version
            note(line)
            if (found := _VERSION.search(line)) is not None:
                version = found[1].decode()

        async with self._open(1) as session:
            while True:
                parameters = {"watch": "true", "resourceVersion": version}
                async with session.get(self._server + ACTIONS.path(namespace), params=parameters) as response:
                    await checked(response)
                    begun.set()
                    await read_lines(response, noted)

    async def _watch(
        self, session: aiohttp.ClientSession, kind: Collection, namespace: str, seen: Finished, begun: asyncio.Event
    ) -> None:
        """Read a watch, and go on where the API server has ended it; it does so when many events come at once."""
        url, headers = self._server + kind.path(namespace), {"Accept": METADATA_ONLY}
        while True:
            parameters = {"watch": "true", "resourceVersion": seen.version, "fieldSelector": kind.succeeded}
            async with session.get(url, params=parameters, headers=headers) as response:
                await checked(response)
                begun.set()
                await read_lines(response, seen.note)

    async def _send(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        if self._session is None:
            raise RuntimeError("the session is not open")
        headers = {"Content-Type": content_type} if content_type else None
        async with self._session.request(method, self._server + path, data=body, headers=headers) as response:
            return await checked(response) if response.status >= HTTPStatus.BAD_REQUEST else await response.read()

    def _open(self, connections: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, ssl=self._ssl, keepalive_timeout=300)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None), trust_env=False)


async def checked(response: aiohttp.ClientResponse) -> bytes:
    """Raise what the API server refused."""
    if response.status >= HTTPStatus.BAD_REQUEST:
        said = (await response.text())[:300]
        raise ClusterError(f"{response.method} {response.url.path}: HTTP {response.status}: {said}")
    return b""


async def read_lines(response: aiohttp.ClientResponse, note: Callable[[bytes], None]) -> None:
    """Hand over the lines of a watch until it ends."""
    rest = b""
    async for chunk in response.content.iter_any():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            note(line)


def _silent(_: str) -> None:
    """Say nothing."""
