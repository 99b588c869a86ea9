"""A wire that can be cut: hands bytes on between a client and a server on loopback, or says nothing to either."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import yaml


class Wire:
    """Runs in a thread of its own while the block lasts; TLS goes through it unread."""

    def __init__(self, kubeconfig: Path) -> None:
        self._content = yaml.safe_load(kubeconfig.read_text())
        target = urlsplit(self._content["clusters"][0]["cluster"]["server"])
        self._target = (str(target.hostname), int(target.port or 443))
        self._scheme = target.scheme
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="wire", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10)
        assert not self._thread.is_alive()

    def write_kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig that leads through the wire."""
        self._content["clusters"][0]["cluster"]["server"] = f"{self._scheme}://127.0.0.1:{self._port}"
        path.write_text(yaml.safe_dump(self._content))
        return path

    def cut(self) -> None:
        """Let no byte through either way, with the connections open: neither side is told."""
        self._loop.call_soon_threadsafe(self._whole.clear)

    def mend(self) -> None:
        """Let new connections through; those that were cut are closed."""
        self._loop.call_soon_threadsafe(self._mended)

    def _mended(self) -> None:
        for task in self._conversations:
            task.cancel()
        self._whole.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over, self._whole = asyncio.Event(), asyncio.Event()
        self._whole.set()
        self._conversations: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in self._conversations:
            task.cancel()
        await asyncio.gather(*self._conversations, return_exceptions=True)

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._converse(reader, writer))
        self._conversations.add(task)
        task.add_done_callback(self._conversations.discard)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_writer: asyncio.StreamWriter | None = None
        try:
            await self._whole.wait()
            far_reader, far_writer = await asyncio.open_connection(*self._target)
            ways = (self._hand_on(reader, far_writer), self._hand_on(far_reader, writer))
            ends = [asyncio.ensure_future(way) for way in ways]
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)
        except OSError:
            pass  # the server is away, as it would be without the wire
        finally:
            for one in filter(None, (writer, far_writer)):
                with suppress(OSError, RuntimeError):
                    one.transport.abort()

    async def _hand_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._whole.wait()
                writer.write(data)
                await writer.drain()
