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
from pathlib import Path
from typing import Any, Self

import aiohttp
import orjson

from benchmarks.watching import METADATA, Follower, View, check
from cluster.binaries import Heartbeat, Say
from cluster.errors import ClusterError

API = "/apis/taskaction.dev/v1alpha1"
CONNECTIONS = 32
NOOP = {"executor": "noop"}


@dataclass(frozen=True)
class Collection:
    """Objects of one kind, and the field selector of those that have succeeded."""

    api: str
    plural: str
    succeeded: str

    def path(self, namespace: str) -> str:
        """Return the path of those of a namespace, or of all namespaces if it is empty."""
        return f"{self.api}/namespaces/{namespace}/{self.plural}" if namespace else f"{self.api}/{self.plural}"


ACTIONS = Collection(API, "taskactions", "status.phase=Succeeded")
JOBS = Collection("/apis/batch/v1", "jobs", "status.successful=1")
JSON = "application/json"
_NAME = re.compile(rb'"name":"([^"]+)"')
_VERSION = re.compile(rb'"resourceVersion":"(\d+)"')


@dataclass
class Finished:
    """The actions of a namespace that a watch has seen finished since it began, and when."""

    moments: dict[str, float] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, line: bytes) -> None:
        """Take one line of the watch."""
        if line.startswith((b'{"type":"ADDED"', b'{"type":"MODIFIED"')) and (found := _NAME.search(line)):
            self.moments.setdefault(found[1].decode(), time.perf_counter())
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
        await self.post(ACTIONS, namespace, action(name, spec) | ({} if status is None else {"status": status}))

    async def post(self, kind: Collection, namespace: str, body: Mapping[str, Any]) -> str:
        """Create an object; return its resourceVersion."""
        created = await self._send("POST", kind.path(namespace), orjson.dumps(body), JSON)
        found = _VERSION.search(created)
        if found is None:
            raise ClusterError(f"created without a resourceVersion: {created[:200]!r}")
        return found[1].decode()

    async def put_status(
        self, kind: Collection, namespace: str, body: Mapping[str, Any], version: str, status: bytes
    ) -> None:
        """Replace the status of an object that was created from ``body``, as the operator does."""
        name = body["metadata"]["name"]
        whole = {
            "apiVersion": body["apiVersion"],
            "kind": body["kind"],
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": version},
            "status": orjson.Fragment(status),
        }
        await self._send("PUT", f"{kind.path(namespace)}/{name}/status", orjson.dumps(whole), JSON)

    async def complete(self, namespace: str, body: Mapping[str, Any], end: bytes | None) -> None:
        """Create an action, and with `end` write its final status as well."""
        version = await self.post(ACTIONS, namespace, body)
        if end is not None:
            await self.put_status(ACTIONS, namespace, body, version, end)

    async def merge_status(self, namespace: str, name: str, change: bytes) -> None:
        """Merge a change into the status of an action whose resourceVersion is not known."""
        path = f"{ACTIONS.path(namespace)}/{name}/status"
        await self._send("PATCH", path, change, "application/merge-patch+json")

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
        """Create actions as fast as the connections allow, and with `end` write their final status as well."""

        async def one(number: int) -> None:
            body = action(f"{prefix}-{number}", spec) | ({} if status is None else {"status": status})
            await self.complete(namespace, body, end)

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
        await self._send("DELETE", f"{ACTIONS.path(namespace)}/{name}", b"", JSON)

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

    async def delete_all(self, namespace: str) -> None:
        """Delete all actions of a namespace."""
        await self._send("DELETE", ACTIONS.path(namespace), b"", JSON)

    async def list(self, namespace: str) -> list[dict[str, Any]]:
        """Give the actions of a namespace."""
        return list(orjson.loads(await self._send("GET", ACTIONS.path(namespace)))["items"])

    @asynccontextmanager
    async def finished(self, namespace: str, kind: Collection = ACTIONS) -> AsyncIterator[Finished]:
        """Watch for objects that succeed, without reading more of them than their names."""
        seen, begun = Finished(), asyncio.Event()
        view = View(kind.path(namespace), selector=kind.succeeded, form=METADATA)
        async with asyncio.TaskGroup() as group:
            watcher = group.create_task(self.follow(view, seen.note, begun))
            await begun.wait()
            try:
                yield seen
            finally:
                watcher.cancel()

    async def follow(self, view: View, note: Callable[[bytes], None], begun: asyncio.Event, version: str = "") -> None:
        """Hand over each line of a watch until cancelled; it begins after a version, by default now."""
        async with self._open(1) as session:
            await Follower(session, self._server, view, version).follow(note, begun)

    async def _send(self, method: str, path: str, body: bytes | None = None, content_type: str = "") -> bytes:
        if self._session is None:
            raise RuntimeError("the session is not open")
        headers = {"Content-Type": content_type} if content_type else None
        async with self._session.request(method, self._server + path, data=body, headers=headers) as response:
            await check(response)
            return await response.read()

    def _open(self, connections: int) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=connections, ssl=self._ssl, keepalive_timeout=300)
        return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None), trust_env=False)


def action(name: str, spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of an action."""
    return {"apiVersion": "taskaction.dev/v1alpha1", "kind": "TaskAction", "metadata": {"name": name}, "spec": spec}


def _silent(_: str) -> None:
    """Say nothing."""
