"""Filters of the bytes of lists and watches before kopf reads them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp

from taskaction.cluster.nesting import cut_deep_nesting


class ListStream:
    """Body of a list, cut where it is nested too deeply."""

    def __init__(self, stream: aiohttp.StreamReader) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def read(self, size: int = -1) -> bytes:
        """Return the whole body; a list is never read in parts."""
        return cut_deep_nesting(await self._stream.read(size))


class WatchStream:
    """Stream of a watch that reports each read, drops noise, and is cut like a list."""

    def __init__(
        self, stream: aiohttp.StreamReader, heard: Callable[[], None], is_noise: Callable[[bytes], bool]
    ) -> None:
        self._stream = stream
        self._heard = heard
        self._is_noise = is_noise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield whole lines as they arrive, and the rest at the end."""
        rest = b""
        async for chunk in self._stream.iter_chunked(size):
            self._heard()
            *lines, rest = (rest + chunk).split(b"\n")
            if kept := [line for line in map(cut_deep_nesting, lines) if not self._is_noise(line)]:
                await asyncio.sleep(0)  # kopf parses the same bytes again, and other callbacks come in between
                yield b"\n".join((*kept, b""))
        if rest:
            yield rest


async def split_lines(stream: aiohttp.StreamReader, *, whole: bool = True) -> AsyncIterator[bytes]:
    """Yield lines of any length; those of the stream reader have a limit that large objects exceed.

    ``whole``: skip empty lines, and a last line without a line break.
    """
    parts: list[bytes] = []
    async for chunk in stream.iter_any():
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            line = b"".join((*parts, end))
            parts.clear()
            if line or not whole:
                yield line
        if rest:
            parts.append(rest)
    if parts and not whole:
        yield b"".join(parts)
