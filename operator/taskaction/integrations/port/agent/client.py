"""HTTP client of Port's run API: one attempt per call, and a new token if the old one is refused; no other logic."""

import asyncio
import email.utils
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from taskaction import __version__
from taskaction.core.clock import Clock
from taskaction.core.errors import TaskActionError
from taskaction.core.names import truncate
from taskaction.integrations.port.agent.wire import RESERVED, PortRequest

_TOKEN_PATH = "/v1/auth/access_token"  # noqa: S105 - a path
_EARLY_SECONDS = 60.0
_MESSAGE_CHARS = 512
_LONGEST_PAUSE = 300.0


class PortError(TaskActionError):
    """A request to Port failed."""


class PortConflictError(PortError):
    """409: the run is already acknowledged, or has ended."""


class PortNotFoundError(PortError):
    """404 or 410: Port does not know the run, or has deleted it."""


class PortRefusedError(PortError):
    """Port refuses the content of the request: a retry cannot help."""


class PortUnavailableError(PortError):
    """Port did not respond, failed, or refuses the credentials: a retry may help.

    Attributes:
        retry_after: seconds of Port's ``Retry-After`` header, 0 without one.
    """

    def __init__(self, message: str, *, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class PortApiClient:
    """Client for one account at Port; a rate limit delays all its calls."""

    def __init__(
        self,
        *,
        base_url: str,
        client_id: str,
        client_secret: str,
        session: aiohttp.ClientSession,
        clock: Clock,
        timeout: float = 30.0,
        observe: Callable[[str, int], None] = lambda _path, _code: None,
    ) -> None:
        """Create a client; it calls ``observe`` with endpoint and status code, 0 if there was no response."""
        self._base = base_url.rstrip("/")
        self._client_id = client_id
        self._client_secret = client_secret
        self._session = session
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._observe = observe
        self._token: tuple[str, float] | None = None
        self._renewing = asyncio.Lock()
        self._held_until = 0.0

    async def send(self, request: PortRequest) -> Any:
        """Send a request and return the JSON of the response, or None; raises a ``PortError``."""
        await self._wait_for_rate_limit()
        token = await self._authorization()
        code, content, headers = await self._attempt(request, request.body, token)
        if code == HTTPStatus.UNAUTHORIZED:
            self._forget(token)
            token = await self._authorization()
            code, content, headers = await self._attempt(request, request.body, token)
        minimal = request.minimal
        if minimal is not None and code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}:
            code, content, headers = await self._attempt(request, minimal, token)
        if code == HTTPStatus.UNAUTHORIZED:
            self._forget(token)
        return self._parse_response(request, code, content, headers)

    async def _wait_for_rate_limit(self) -> None:
        while (left := self._held_until - self._clock.monotonic()) > 0:
            await self._clock.sleep(left)

    async def _attempt(
        self, request: PortRequest, body: Mapping[str, Any], token: str
    ) -> tuple[int, bytes, Mapping[str, str]]:
        headers = {"Authorization": token, **(RESERVED if request.reserved else {})}
        return await self._exchange(request.method, request.path, body, headers)

    async def _exchange(
        self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]
    ) -> tuple[int, bytes, Mapping[str, str]]:
        agent = {"User-Agent": f"taskaction-port-agent/{__version__}", "Content-Type": "application/json"}
        code = 0
        try:
            async with self._session.request(
                method,
                self._base + path,
                data=orjson.dumps(body),
                headers=agent | dict(headers),
                timeout=self._timeout,
                allow_redirects=False,
            ) as response:
                content = await response.read()
                code = response.status
                return code, content, response.headers
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise PortUnavailableError(f"{method} {path}: {type(error).__name__}: {error}") from error
        finally:
            self._observe(_endpoint_name(path), code)

    def _parse_response(self, request: PortRequest, code: int, content: bytes, headers: Mapping[str, str]) -> Any:
        if HTTPStatus.OK <= code < HTTPStatus.MULTIPLE_CHOICES:
            return _json(content)
        what = f"{request.method} {request.path}: HTTP {code}: {_response_text(content)}"
        if code == HTTPStatus.CONFLICT:
            raise PortConflictError(what)
        if code in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
            raise PortNotFoundError(what)
        self._raise_if_retryable(what, code, headers)
        raise PortRefusedError(what)

    def _raise_if_retryable(self, what: str, code: int, headers: Mapping[str, str]) -> None:
        """Raise if a retry can help; all other codes below 500 mean that the request itself is wrong."""
        retryable = {
            HTTPStatus.UNAUTHORIZED,
            HTTPStatus.FORBIDDEN,
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.TOO_EARLY,
            HTTPStatus.TOO_MANY_REQUESTS,
        }
        if HTTPStatus.BAD_REQUEST <= code < HTTPStatus.INTERNAL_SERVER_ERROR and code not in retryable:
            return
        wait = min(parse_retry_after(headers.get("Retry-After"), self._clock.now()), _LONGEST_PAUSE)
        if code == HTTPStatus.TOO_MANY_REQUESTS:
            self._held_until = max(self._held_until, self._clock.monotonic() + wait)
        raise PortUnavailableError(what, retry_after=wait)

    async def _authorization(self) -> str:
        async with self._renewing:
            if self._token is None or self._token[1] <= self._clock.monotonic():
                self._token = await self._new_token()
            return self._token[0]

    def _forget(self, token: str) -> None:
        """Drop the token, unless another call has already replaced it."""
        if self._token is not None and self._token[0] == token:
            self._token = None

    async def _new_token(self) -> tuple[str, float]:
        body = {"clientId": self._client_id, "clientSecret": self._client_secret}
        asked = self._clock.monotonic()
        code, content, headers = await self._exchange("POST", _TOKEN_PATH, body, {})
        if code != HTTPStatus.OK:
            # The response may repeat the credentials, so the message does not contain it.
            wait = parse_retry_after(headers.get("Retry-After"), self._clock.now())
            raise PortUnavailableError(
                f"Port refuses an access token (HTTP {code}): check the client id and secret", retry_after=wait
            )
        answer = _json(content)
        try:
            lasts = float(answer["expiresIn"])
            text = f"{answer.get('tokenType') or 'Bearer'} {answer['accessToken']}"
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PortUnavailableError("the response of Port has no access token") from error
        return text, asked + max(lasts - _EARLY_SECONDS, lasts / 2)


def parse_retry_after(text: str | None, now: datetime) -> float:
    """Return the seconds of a ``Retry-After`` header, a number or a date; 0 if it is neither."""
    if text is None:
        return 0.0
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or UTC) - now).total_seconds())


def _json(content: bytes) -> Any:
    """Return the parsed JSON, None if it is invalid: the agent does not need the content of most responses."""
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return None


def _response_text(content: bytes) -> str:
    return truncate(content[: _MESSAGE_CHARS * 4].decode(errors="replace").strip(), _MESSAGE_CHARS)


def _endpoint_name(path: str) -> str:
    """Return the endpoint of a path without the run's id, for metrics."""
    last = path.rsplit("/", 1)[1]
    return last if last in {"claim-pending", "ack", "logs", "access_token"} else "patch"
