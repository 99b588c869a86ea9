"""HTTP client of the API server: thin, since every action uses it; one attempt per call, no caching, no rules.

Only calls that are forbidden are repeated once: an API server that has just started forbids everything until it has
read its roles and policies, and reports on ``/readyz`` whether it has.
"""

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Protocol

import aiohttp
import orjson
from yarl import URL

from taskaction.cluster.accounts import missing_account_problem
from taskaction.cluster.api_calls import ApiCall, discovery, query_string, selectors
from taskaction.cluster.errors import (
    ClusterError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    MissingAccountError,
    NotFoundError,
    QuotaReachedError,
    UnavailableError,
)
from taskaction.cluster.gateway import LEASES, Body, Resource, ServerTime
from taskaction.cluster.http_connection import WholeResponse
from taskaction.cluster.informer import Page
from taskaction.cluster.nesting import parse_cut
from taskaction.cluster.responses import error_from_response, warning_texts
from taskaction.cluster.streams import split_lines
from taskaction.core.constants import FIELD_MANAGER

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_MANAGER = {"fieldManager": FIELD_MANAGER}
_STRICT = _MANAGER | {"fieldValidation": "Strict"}
"""Query of writes whose content others chose: the API server refuses unknown fields instead of dropping them. Not for
statuses: an operator that is newer than its CRDs continues without the fields that they do not have."""
_STATUS = "status"
_PROMPT_SECONDS = 2.0
"""Duration of a request above which its response does not show the time of the API server well enough."""
_STARTING_SECONDS = 60.0
"""How long an API server may take from its first response until it has read its roles."""


@dataclass(frozen=True, slots=True)
class FinishedRequest:
    """One finished request, for metrics; ``code`` is 0 without a response."""

    verb: str
    resource: str
    subresource: str
    code: int
    seconds: float
    warnings: tuple[str, ...] = ()
    """What the API server warns of, for people."""


class HttpClient(Protocol):
    """Sender of requests whose responses are read as a whole, see ``HttpPool``."""

    async def request(
        self, method: str, target: str, *, headers: Mapping[str, str], body: bytes | None = None, timeout: float
    ) -> WholeResponse:
        """Send a request and return the whole response, whatever its code is."""


class RestCluster:
    """Client of the API server over HTTP, a ``Cluster``."""

    def __init__(
        self,
        server: str,
        pool: HttpClient,
        session: aiohttp.ClientSession,
        observe: Callable[[FinishedRequest], None],
    ) -> None:
        """Create a client; whole responses come by ``pool``, and those that go on, such as watches, by ``session``."""
        self._server = server
        self._pool = pool
        self._session = session
        self._observe = observe
        self._refused = (-_STARTING_SECONDS, -_STARTING_SECONDS)
        self.server_time: ServerTime | None = None

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body | None:
        """Return the object, or None if it does not exist."""
        call = ApiCall("GET", "get", resource, namespace, name)
        try:
            return await self._send(call, as_user=as_user, timeout=timeout)
        except NotFoundError:
            return None

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        field_selector: str = "",
        label_selector: str = "",
        metadata_only: bool = False,
        page: int = 500,
        as_user: str | None = None,
        timeout: float = 30.0,
    ) -> AsyncIterator[Body]:
        """Yield the objects page by page."""
        query = {"limit": str(page)} | selectors(field_selector, label_selector)
        accept = METADATA_LIST if metadata_only else JSON
        call = ApiCall("GET", "list", resource, namespace)
        token = ""
        while True:
            more = {"continue": token} if token else {}
            try:
                answer = await self._send(call, query=query | more, accept=accept, as_user=as_user, timeout=timeout)
            except ExpiredError:
                token = ""  # the continue token expired: start again, some objects are yielded twice
                continue
            for body in answer.get("items") or ():
                yield _strip_managed_fields(body)
            token = answer["metadata"].get("continue", "")
            if not token:
                return

    async def page(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        field_selector: str = "",
        label_selector: str = "",
        token: str = "",
        limit: int = 500,
    ) -> Page:
        """Return one page of a list."""
        query = (
            {"limit": str(limit)} | selectors(field_selector, label_selector) | ({"continue": token} if token else {})
        )
        answer = await self._send(ApiCall("GET", "list", resource, namespace), query=query, timeout=30.0)
        metadata = answer["metadata"]
        items = [_strip_managed_fields(body) for body in answer.get("items") or ()]
        return Page(items, metadata["resourceVersion"], metadata.get("continue", ""))

    async def watch(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        field_selector: str = "",
        label_selector: str = "",
        since: str,
        silence: float,
    ) -> AsyncIterator[tuple[str, Body]]:
        """Yield the events after ``since``."""
        call = ApiCall("GET", "watch", resource, namespace)
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": since}
        query |= selectors(field_selector, label_selector)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0, sock_read=silence)
        url = URL(self._server + call.path + query_string(query), encoded=True)
        started, code = time.perf_counter(), 0
        try:
            async with self._session.get(url, headers={"Accept": JSON}, timeout=timeout) as response:
                code = response.status
                if code >= HTTPStatus.BAD_REQUEST:
                    raise error_from_response(call.verb, code, await response.read(), response.headers)
                async for line in split_lines(response.content):
                    event = parse_cut(line)
                    body = event["object"]
                    if event["type"] == "ERROR":
                        raise error_from_response(
                            call.verb, int(body.get("code", 0)), orjson.dumps(body), response.headers
                        )
                    yield event["type"], _strip_managed_fields(body)
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError) as error:
            raise UnavailableError(f"watch {resource.plural}: {type(error).__name__}: {error}") from error
        finally:
            self._observe(FinishedRequest(call.verb, resource.plural, "", code, time.perf_counter() - started))

    async def create(
        self, resource: Resource, body: Body, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body:
        """Create an object."""
        call = ApiCall("POST", "create", resource, namespace)
        return await self._send(call, body, query=_STRICT, as_user=as_user, timeout=timeout)

    async def check_create(self, resource: Resource, body: Body, namespace: str = "", *, timeout: float = 10.0) -> None:
        """Raise what ``create`` would raise; create nothing."""
        call = ApiCall("POST", "create", resource, namespace)
        await self._send(call, body, query=_STRICT | {"dryRun": "All"}, timeout=timeout)

    async def replace(self, resource: Resource, body: Body, *, timeout: float = 10.0) -> Body:
        """Replace the whole object."""
        metadata = body["metadata"]
        call = ApiCall("PUT", "update", resource, metadata.get("namespace", ""), metadata["name"])
        return await self._send(call, body, query=_STRICT, timeout=timeout)

    async def replace_status(
        self, resource: Resource, body: Body, *, metadata_only: bool = False, timeout: float = 10.0
    ) -> Body:
        """Replace the status subresource."""
        metadata = body["metadata"]
        call = ApiCall("PUT", "update", resource, metadata.get("namespace", ""), metadata["name"], _STATUS)
        accept = METADATA if metadata_only else JSON
        return await self._send(call, body, query=_MANAGER, accept=accept, timeout=timeout)

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        subresource: str = "",
        as_user: str | None = None,
        timeout: float = 10.0,
    ) -> Body:
        """Apply a JSON patch to the object."""
        call = ApiCall("PATCH", "patch", resource, namespace, name, subresource)
        return await self._send(
            call, operations, query=_STRICT, content_type=JSON_PATCH, as_user=as_user, timeout=timeout
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        propagation: str = "Background",
        as_user: str | None = None,
        timeout: float = 10.0,
    ) -> bool:
        """Delete an object; return False if it did not exist or had another ``uid``."""
        options: Body = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": propagation}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        call = ApiCall("DELETE", "delete", resource, namespace, name)
        try:
            await self._send(call, options, as_user=as_user, timeout=timeout)
        except NotFoundError:
            return False
        return True

    async def kinds(self, api_version: str, *, timeout: float = 10.0) -> Sequence[Resource]:
        """Return the resources of ``apiVersion``."""
        group, _, version = api_version.rpartition("/")
        try:
            answer = await self._send(ApiCall("GET", "get", discovery(group, version), ""), timeout=timeout)
        except NotFoundError:
            return ()
        return tuple(
            Resource(
                group=group,
                version=version,
                plural=one["name"],
                kind=one["kind"],
                namespaced=one["namespaced"],
                categories=tuple(one.get("categories") or ()),
            )
            for one in answer["resources"]
            if "/" not in one["name"]  # a subresource
        )

    async def text(self, path: str, *, timeout: float = 10.0) -> str:
        """Return the text at a path of the API server."""
        try:
            response = await self._pool.request("GET", path, headers={}, timeout=timeout)
        except (TimeoutError, OSError) as error:
            raise UnavailableError(f"get {path}: {type(error).__name__}: {error}") from error
        if response.code >= HTTPStatus.BAD_REQUEST:
            raise error_from_response("get", response.code, response.body, response.headers)
        return response.body.decode(errors="replace")

    async def lines(self, path: str) -> AsyncIterator[str]:
        """Yield the text at a path line by line, as it arrives."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10.0)
        try:
            async with self._session.get(URL(self._server + path, encoded=True), timeout=timeout) as response:
                if response.status >= HTTPStatus.BAD_REQUEST:
                    raise error_from_response("get", response.status, await response.read(), response.headers)
                async for line in split_lines(response.content, whole=False):
                    yield line.decode(errors="replace")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"get {path}: {type(error).__name__}: {error}") from error

    async def _send(self, call: "ApiCall", body: object = None, **how: Any) -> Body:
        try:
            return await self._send_once(call, body, **how)
        except ForbiddenError as error:
            if not await self._is_ready():
                raise UnavailableError(f"the API server has just started and is not ready: {error}") from error
            return await self._send_again(call, body, **how)

    async def _send_again(self, call: "ApiCall", body: object, **how: Any) -> Body:
        """Repeat a call that was forbidden; if it is again, say so of an account that does not exist."""
        try:
            return await self._send_once(call, body, **how)
        except QuotaReachedError:
            raise
        except ForbiddenError as error:
            if (problem := await missing_account_problem(self._send_once, how.get("as_user"))) is not None:
                raise MissingAccountError(problem) from error
            raise

    async def _is_ready(self) -> bool:
        """Whether the API server has read its roles and policies.

        Before, it forbids this request as well. If the request is always forbidden, the API server counts as ready
        after a while.
        """
        try:
            await self.text("/readyz")
        except UnavailableError:
            return False
        except ForbiddenError:
            now = time.perf_counter()
            first, last = self._refused
            self._refused = (first if now - last < _STARTING_SECONDS else now, now)
            return now - self._refused[0] > _STARTING_SECONDS
        except ClusterError:
            return True
        return True

    def _note_time(self, date: str | None, seconds: float) -> None:
        """Keep the time of the API server, which it gives in whole seconds, from a response that took ``seconds``."""
        if seconds > _PROMPT_SECONDS:
            return  # nobody knows when in between that was the time
        try:
            moment = parsedate_to_datetime(date or "")
        except ValueError:
            return
        self.server_time = ServerTime(moment.timestamp() + 0.5, time.monotonic() - seconds / 2)

    async def _send_once(
        self,
        call: "ApiCall",
        body: object,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
        accept: str = JSON,
        as_user: str | None = None,
        timeout: float,
    ) -> Body:
        headers = {"Accept": accept, "User-Agent": FIELD_MANAGER}
        if body is not None:
            headers["Content-Type"] = content_type
        if as_user is not None:
            headers["Impersonate-User"] = as_user
        started = time.perf_counter()
        code = 0
        warnings: tuple[str, ...] = ()
        try:
            response = await self._pool.request(
                call.method,
                call.path + query_string(query),
                headers=headers,
                body=_encode(body) if body is not None else None,
                timeout=timeout,
            )
            code = response.code
            warnings = warning_texts(response.texts(b"warning"))
            if call.resource is LEASES:
                self._note_time(response.headers.get("Date"), time.perf_counter() - started)
            if code >= HTTPStatus.BAD_REQUEST:
                raise error_from_response(call.verb, code, response.body, response.headers)
            return _strip_managed_fields(parse_cut(response.body))
        except (TimeoutError, OSError, orjson.JSONDecodeError) as error:
            what = f"{call.verb} {call.resource.plural}"
            raise UnavailableError(f"{what}: {type(error).__name__}: {error}") from error
        finally:
            seconds = time.perf_counter() - started
            self._observe(FinishedRequest(call.verb, call.resource.plural, call.subresource, code, seconds, warnings))


def _encode(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise InvalidError(f"not sent, because it is not valid JSON: {error}") from error


def _strip_managed_fields(body: Body) -> Body:
    """Return the object without its managed fields, which are a third of its size and not used."""
    metadata = body.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("managedFields", None)
    return body
