"""HTTP connections to one API server; the only module that loads aiohttp, which takes most of the time of a start."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from taskaction_client.errors import ConfigurationError, UnavailableError
from taskaction_client.kubeconfig import Account

REQUEST_SECONDS = 30.0
Headers = list[tuple[str, str]]
_BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Response:
    """A whole response."""

    status: int
    headers: Mapping[str, str]
    content: bytes


class Connection:
    """Kept connections to the server of an account."""

    def __init__(self, account: Account, context: ssl.SSLContext | None) -> None:
        """Connect to nothing yet."""
        self._account = account
        connector = aiohttp.TCPConnector(limit=0, ssl=True if context is None else context)
        self._session = aiohttp.ClientSession(connector=connector, headers={"User-Agent": "taskaction-client"})

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def request(
        self, method: str, path: str, data: bytes | None, query: Mapping[str, str], headers: Headers
    ) -> Response:
        """Send a request and return the response.

        Raises:
            UnavailableError: there was none within 30 s; whether the request had an effect is unknown.
        """
        try:
            async with self._open(
                method, path, data, query, headers, aiohttp.ClientTimeout(REQUEST_SECONDS)
            ) as response:
                return Response(response.status, response.headers, await response.read())
        except aiohttp.ClientConnectorCertificateError as error:
            raise _untrusted(self._account, error) from error
        except _BROKEN as error:
            where = f"{method} {self._account.server}{path}"
            raise UnavailableError(f"{where}: {_describe(error)}: check that the cluster is running") from error

    @asynccontextmanager
    async def stream(
        self, path: str, query: Mapping[str, str], headers: Headers, silence: float
    ) -> AsyncIterator[Response | AsyncIterator[bytes]]:
        """Open a response without an end and yield its chunks, or the whole response if it is an error.

        Raises:
            UnavailableError: the connection broke, or was silent for ``silence`` seconds.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=REQUEST_SECONDS, sock_read=silence)
        try:
            async with self._open("GET", path, None, query, headers, timeout) as response:
                try:
                    if response.ok:
                        yield response.content.iter_any()
                    else:
                        yield Response(response.status, response.headers, await response.read())
                finally:
                    await _hang_up(response)
        except aiohttp.ClientConnectorCertificateError as error:
            raise _untrusted(self._account, error) from error
        except _BROKEN as error:
            raise UnavailableError(f"watch of {path}: {_describe(error)}") from error

    def _open(
        self,
        method: str,
        path: str,
        data: bytes | None,
        query: Mapping[str, str],
        headers: Headers,
        timeout: aiohttp.ClientTimeout,
    ) -> aiohttp.client._RequestContextManager:
        return self._session.request(
            method,
            self._account.server + path,
            params=query,
            data=data,
            headers=headers,
            timeout=timeout,
            proxy=self._account.proxy,
            server_hostname=self._account.server_name,
            allow_redirects=False,
        )


async def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Close the connection of an unfinished response, and let the loop release its socket before it may end."""
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()
        await asyncio.sleep(0)


def _untrusted(account: Account, error: aiohttp.ClientConnectorCertificateError) -> ConfigurationError:
    """Return the error for a server whose certificate is not trusted: a retry cannot help."""
    return ConfigurationError(
        f"certificate-authority: the certificate of {account.server} is not trusted "
        f"({error.certificate_error}): set the CA that has signed it"
    )


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
