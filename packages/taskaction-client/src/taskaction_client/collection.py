"""The verbs on actions, or on runs of flows, of one namespace."""

import asyncio
import re
import secrets
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from contextlib import aclosing
from typing import Any, Generic, TypeVar

from taskaction_client.batches import BatchEnds, map_bounded
from taskaction_client.changes import ChangeCursor
from taskaction_client.errors import (
    AlreadyExistsError,
    ClientError,
    DeletedError,
    InvalidError,
    NotFoundError,
    WaitTimeoutError,
)
from taskaction_client.following import follow_changes
from taskaction_client.objects import API_VERSION, BATCH, Request, Snapshot, is_same_request
from taskaction_client.outcomes import Outcome, failure_of, output_of
from taskaction_client.transport import JSON_PATCH, Transport

SnapshotT = TypeVar("SnapshotT", bound=Snapshot[Any, Any])
SpecT = TypeVar("SpecT")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_CREATE = {"fieldManager": "taskaction-client", "fieldValidation": "Strict"}
_CHANGE = {"fieldManager": "taskaction-client"}


class Collection(Generic[SnapshotT, SpecT]):
    """Actions, or runs of flows, of one namespace.

    Attributes:
        namespace: the namespace of what is created, and of objects that are given by their names.
    """

    def __init__(self, transport: Transport, model: type[SnapshotT], namespace: str) -> None:
        self.namespace = namespace
        self._transport = transport
        self._model = model

    def within(self, namespace: str) -> "Collection[SnapshotT, SpecT]":
        """Return the same verbs for another namespace."""
        return Collection(self._transport, self._model, namespace)

    async def run(
        self,
        spec: SpecT,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        request_id: str | None = None,
        timeout: float | None = None,
    ) -> Any:
        """Create an object, wait for its end and return its output.

        Raises:
            ActionFailedError: it ended without success; the class shows the reason.
            WaitTimeoutError: it has not ended within ``timeout`` seconds; it continues.
        """
        request = _request(spec, name, labels, annotations, request_id)
        return await self.result(await self._create(request), timeout=timeout)

    async def submit(
        self,
        spec: SpecT,
        *,
        name: str | None = None,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        request_id: str | None = None,
    ) -> SnapshotT:
        """Create an object and return it; see ``Request`` for name and id.

        Raises:
            AlreadyExistsError: another request has created an object with this name.
            InvalidError: the API server rejects the spec; the message names the field.
        """
        return await self._create(_request(spec, name, labels, annotations, request_id))

    async def get(self, target: SnapshotT | str) -> SnapshotT:
        """Return an object as it is now.

        Raises:
            NotFoundError: there is none; for a snapshot also if another object has its name.
        """
        namespace, name = self._place(target)
        found = self._model.of(await self._transport.send("GET", self._path(namespace, name)))
        if isinstance(target, Snapshot) and found.uid != target.uid:
            raise NotFoundError(f"{target} was deleted, and another object has its name", status=404)
        return found

    async def list(self, *, label_selector: str = "", field_selector: str = "") -> list[SnapshotT]:
        """Return the objects of the namespace that selectors match, as ``kubectl get`` takes them."""
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        bodies, _ = await self._transport.list_all(
            self._path(self.namespace), {name: text for name, text in query.items() if text}
        )
        return [self._model.of(body) for body in bodies]

    async def stream(self, target: SnapshotT | str) -> AsyncGenerator[SnapshotT]:
        """Yield an object as it is, then after each change, until it has ended.

        Broken connections are replaced without a gap. If the API server no longer knows the changes of the meantime,
        the next snapshot shows all of them together.

        Raises:
            DeletedError: the object was deleted before its end was visible.
            NotFoundError: no object has the name.
        """
        first = target if isinstance(target, Snapshot) else await self.get(target)
        yield first
        if first.has_ended:
            return
        cursor = ChangeCursor(first.resource_version, [dict(first.body)])
        query = {"fieldSelector": f"metadata.name={first.name}"}
        changes = follow_changes(self._transport, self._path(first.namespace), query, cursor)
        async with aclosing(changes) as following:
            async for change in following:
                if change.body["metadata"]["uid"] != first.uid:
                    continue  # another object of that name, before or after the deletion of this one
                found = self._model.of(change.body)
                if "spec" in change.body and (not change.deleted or found.has_ended):
                    yield found
                if found.has_ended:
                    return
                if change.deleted:
                    raise DeletedError(f"{first} was deleted before its end was visible")

    async def wait(self, target: SnapshotT | str, *, timeout: float | None = None) -> SnapshotT:
        """Return an object when it has ended, with or without success.

        Raises:
            WaitTimeoutError: it has not ended within ``timeout`` seconds; it continues.
            DeletedError: the object was deleted before its end was visible.
        """
        seen = target
        try:
            async with asyncio.timeout(timeout), aclosing(self.stream(target)) as stream:
                async for found in stream:
                    seen = found
        except TimeoutError as error:
            phase = seen.phase if isinstance(seen, Snapshot) else "not read yet"
            raise WaitTimeoutError(f"{seen} is {phase} after {timeout} s; it continues") from error
        assert isinstance(seen, self._model)  # noqa: S101 - a stream ends with the end of its object
        return seen

    async def result(self, target: SnapshotT | str, *, timeout: float | None = None) -> Any:
        """Wait for the end of an object and return its output.

        Raises:
            ActionFailedError: it ended without success; the class shows the reason.
            OutputStoredError: the output is not in the object.
            WaitTimeoutError: it has not ended within ``timeout`` seconds; it continues.
        """
        return output_of(await self.wait(target, timeout=timeout))

    async def abort(self, target: SnapshotT | str, *, reason: str = "") -> None:
        """Abort an object and all its descendants; nothing happens if it has ended or is being aborted.

        Raises:
            NotFoundError: the object does not exist.
        """
        found = await self.get(target)
        if found.has_ended or found.body["spec"].get("abort") is not None:
            return
        try:
            await self._set(found, "abort", {"reason": reason} if reason else {})
        except InvalidError:
            if not (await self.get(found)).has_ended:
                raise

    async def signal(self, target: SnapshotT | str, value: Any, *, state: str | None = None) -> None:
        """Send a value to an object that waits for one: True approves, False rejects.

        ``state`` is the state of the flow that gets the signal, if several states of a run wait.

        Raises:
            InvalidError: the object has ended.
            NotFoundError: the object does not exist.
        """
        signal = {"value": value, "id": secrets.token_hex(8)} | ({"state": state} if state is not None else {})
        await self._set(await self.get(target), "signal", signal)

    async def submit_many(
        self, requests: AsyncIterable[Request[SpecT]] | Iterable[Request[SpecT]], *, in_flight: int = 32
    ) -> AsyncGenerator[Outcome[SnapshotT, SpecT]]:
        """Create the objects of any number of requests; yield each outcome as soon as it is known.

        At most ``in_flight`` requests are under way or wait for the caller to take their outcomes: a slow caller slows
        the input down. A request that fails does not end the others: its outcome has the error.
        """

        async def submit(request: Request[SpecT]) -> Outcome[SnapshotT, SpecT]:
            try:
                return Outcome(request, await self._create(request))
            except ClientError as error:
                return Outcome(request, error=error)

        async with aclosing(map_bounded(requests, in_flight, submit)) as outcomes:
            async for outcome in outcomes:
                yield outcome

    async def run_many(
        self, requests: AsyncIterable[Request[SpecT]] | Iterable[Request[SpecT]], *, in_flight: int = 100
    ) -> AsyncGenerator[Outcome[SnapshotT, SpecT]]:
        """Create the objects of any number of requests and wait for their ends; yield each as soon as it has ended.

        At most ``in_flight`` objects have not ended or wait for the caller. One watch shows all of them.
        """
        label = secrets.token_hex(8)
        cursor, query = ChangeCursor(), {"labelSelector": f"{BATCH}={label}"}
        changes = follow_changes(self._transport, self._path(self.namespace), query, cursor)
        ends = BatchEnds(label, self._model, changes, cursor, get=self.get, wait=self.wait)

        async def run(request: Request[SpecT]) -> Outcome[SnapshotT, SpecT]:
            created: SnapshotT | None = None
            try:
                await ends.check()
                created = await self._create(request, labels={BATCH: label})
                ended = await ends.end_of(created)
            except ClientError as error:
                return Outcome(request, created, error)
            return Outcome(request, ended, None if ended.succeeded else failure_of(ended))

        try:
            async with aclosing(map_bounded(requests, in_flight, run)) as outcomes:
                async for outcome in outcomes:
                    yield outcome
        finally:
            await ends.close()

    async def _create(self, request: Request[SpecT], *, labels: Mapping[str, str] | None = None) -> SnapshotT:
        """Create the object of a request, or return the one that the same request has created before."""
        body = request.to_body(self._model.kind, self.namespace, labels or {})
        try:
            stored = await self._transport.send("POST", self._path(self.namespace), body, query=_CREATE)
        except AlreadyExistsError as error:  # perhaps by this request: the response to an earlier try was lost
            try:
                stored = await self._transport.send("GET", self._path(self.namespace, body["metadata"]["name"]))
            except NotFoundError:
                raise error from None
            if not is_same_request(body, stored):
                raise
        return self._model.of(stored)

    async def _set(self, found: SnapshotT, field: str, value: Any) -> None:
        patch = [
            {"op": "test", "path": "/metadata/uid", "value": found.uid},
            {"op": "add", "path": f"/spec/{field}", "value": value},
        ]
        path = self._path(found.namespace, found.name)
        await self._transport.send("PATCH", path, patch, query=_CHANGE, content_type=JSON_PATCH)

    def _place(self, target: SnapshotT | str) -> tuple[str, str]:
        return (target.namespace, target.name) if isinstance(target, Snapshot) else (self.namespace, target)

    def _path(self, namespace: str, name: str | None = None) -> str:
        for field, text in (("namespace", namespace), ("name", name)):
            if text is not None and not _NAME.fullmatch(text):
                raise InvalidError(f"{field}: invalid value {text!r}; use lower-case letters, digits, - and .")
        path = f"/apis/{API_VERSION}/namespaces/{namespace}/{self._model.plural}"
        return path if name is None else f"{path}/{name}"


def _request(
    spec: SpecT,
    name: str | None,
    labels: Mapping[str, str] | None,
    annotations: Mapping[str, str] | None,
    request_id: str | None,
) -> Request[SpecT]:
    return Request(spec=spec, name=name, labels=labels or {}, annotations=annotations or {}, request_id=request_id)
