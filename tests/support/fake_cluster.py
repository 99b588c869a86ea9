"""An API server in memory, for what a real one cannot be made to do on cue: faults, lost answers and slow requests."""

import asyncio
import copy
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from taskaction.cluster.errors import AlreadyExistsError, ClusterError, ConflictError, NotFoundError
from taskaction.cluster.gateway import CONFIG_MAPS, JOBS, LEASES, NAMESPACES, PODS, TASK_ACTIONS, Body, Resource

DEPLOYMENTS = Resource(group="apps", version="v1", plural="deployments", kind="Deployment")
SERVED = (TASK_ACTIONS, LEASES, CONFIG_MAPS, NAMESPACES, PODS, JOBS, DEPLOYMENTS)
Key = tuple[str, str, str]


@dataclass
class Fault:
    """How the next call of a verb fails: before it is done, or after, when only its answer is lost."""

    verb: str
    error: ClusterError
    after: bool = False
    name: str | None = None


@dataclass
class FakeCluster:
    """A ``cluster.gateway.Cluster`` with resourceVersions, uids and selectors; rights and finalizers mean nothing here.

    Attributes:
        objects: what is stored.
        calls: each request as verb and name, in the order of its arrival.
        faults: what goes wrong next; each fault is used once.
        meanwhile: called before each request is done, for what others do at just that moment.
        users: for whom each ``get`` was made.
        most_in_flight: the highest number of requests at a time.
    """

    objects: dict[Key, Body] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    users: list[str | None] = field(default_factory=list)
    meanwhile: Callable[[str, str], None] | None = None
    in_flight: int = 0
    most_in_flight: int = 0
    _version: int = 100
    _open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._open.set()

    # -- what tests do ------------------------------------------------------------------------------------------------

    def fail(self, verb: str, *errors: ClusterError, after: bool = False, name: str | None = None) -> None:
        """Let the next calls of ``verb`` fail, one with each error."""
        self.faults += [Fault(verb, error, after, name) for error in errors]

    def close(self) -> None:
        """Let requests arrive and wait, until ``open``."""
        self._open.clear()

    def open(self) -> None:
        """Let requests be done."""
        self._open.set()

    def store(self, resource: Resource, body: Body) -> Body:
        """Put an object there as somebody else does, past all checks; it gets the next resourceVersion."""
        stored = copy.deepcopy(body)
        self._version += 1
        stored["metadata"]["resourceVersion"] = str(self._version)
        stored["metadata"].setdefault("uid", f"uid-{self._version}")
        self.objects[self._key(resource, body)] = stored
        return copy.deepcopy(stored)

    def drop(self, resource: Resource, name: str, namespace: str = "") -> None:
        """Take an object away as somebody else does."""
        del self.objects[resource.plural, namespace, name]

    def count(self, verb: str) -> int:
        """Give how many requests of a verb have arrived."""
        return sum(called == verb for called, _ in self.calls)

    # -- the gateway's verbs ------------------------------------------------------------------------------------------

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, **_: Any
    ) -> Body | None:
        """Give the object, or None."""
        self.users.append(as_user)
        return await self._call(
            "get", name, lambda: copy.deepcopy(self.objects.get((resource.plural, namespace, name)))
        )

    async def list(
        self, resource: Resource, namespace: str = "", *, field_selector: str = "", label_selector: str = "", **_: Any
    ) -> AsyncIterator[Body]:
        """Give the objects of a namespace; of fields, ``status.phase`` may be selected by."""
        found = await self._call("list", resource.plural, lambda: copy.deepcopy(self.objects))
        for (plural, where, _name), body in found.items():
            if plural != resource.plural or namespace not in {"", where}:
                continue
            fields = {"status.phase": body.get("status", {}).get("phase", "")}
            labels = body["metadata"].get("labels", {})
            if _selected(field_selector, fields) and _selected(label_selector, labels):
                yield body

    async def create(self, resource: Resource, body: Body, namespace: str = "", **_: Any) -> Body:
        """Create; raises ``AlreadyExistsError`` where the name is taken."""

        def create() -> Body:
            whole = body | {"metadata": body["metadata"] | {"namespace": namespace}}
            if self._key(resource, whole) in self.objects:
                raise AlreadyExistsError("the name is taken")
            return self.store(resource, whole)

        return await self._call("create", body["metadata"]["name"], create)

    async def replace(self, resource: Resource, body: Body, **_: Any) -> Body:
        """Write the whole object under its resourceVersion."""

        def replace() -> Body:
            self._check(resource, body)
            return self.store(resource, body)

        return await self._call("replace", body["metadata"]["name"], replace)

    async def replace_status(self, resource: Resource, body: Body, **_: Any) -> Body:
        """Write the status under the resourceVersion and uid; everything else stays as it is."""

        def replace_status() -> Body:
            stored = self._check(resource, body)
            return self.store(resource, stored | {"status": body["status"]})

        return await self._call("replace_status", body["metadata"]["name"], replace_status)

    async def patch(
        self, resource: Resource, name: str, namespace: str, operations: Sequence[Mapping[str, Any]], **_: Any
    ) -> Body:
        """Apply a JSON patch of the operations test, add and remove."""

        def patch() -> Body:
            stored = self.objects.get((resource.plural, namespace, name))
            if stored is None:
                raise NotFoundError("the object is gone")
            changed = copy.deepcopy(stored)
            for operation in operations:
                _apply(changed, operation)
            return self.store(resource, changed)

        return await self._call("patch", name, patch)

    async def delete(
        self, resource: Resource, name: str, namespace: str = "", *, uid: str | None = None, **_: Any
    ) -> bool:
        """Delete; False where it was gone already or had another ``uid``."""

        def delete() -> bool:
            stored = self.objects.get((resource.plural, namespace, name))
            if stored is None or uid not in {None, stored["metadata"]["uid"]}:
                return False
            self.drop(resource, name, namespace)
            return True

        return await self._call("delete", name, delete)

    async def kinds(self, api_version: str, **_: Any) -> Sequence[Resource]:
        """Give what is served under ``apiVersion``."""
        return await self._call("kinds", api_version, lambda: [one for one in SERVED if one.api_version == api_version])

    # -- inside -------------------------------------------------------------------------------------------------------

    async def _call(self, verb: str, name: str, do: Callable[[], Any]) -> Any:
        self.calls.append((verb, name))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            await self._open.wait()
            if self.meanwhile is not None:
                self.meanwhile(verb, name)
            fault = self._fault(verb, name)
            if fault is not None and not fault.after:
                raise fault.error
            answer = do()
            if fault is not None:
                raise fault.error
            return answer
        finally:
            self.in_flight -= 1

    def _fault(self, verb: str, name: str) -> Fault | None:
        for fault in self.faults:
            if fault.verb == verb and fault.name in {None, name}:
                self.faults.remove(fault)
                return fault
        return None

    def _check(self, resource: Resource, body: Body) -> Body:
        stored = self.objects.get(self._key(resource, body))
        if stored is None:
            raise NotFoundError("the object is gone")
        same = ("uid", "resourceVersion")
        if any(stored["metadata"][key] != body["metadata"].get(key, stored["metadata"][key]) for key in same):
            raise ConflictError("the object has been modified")
        return stored

    @staticmethod
    def _key(resource: Resource, body: Body) -> Key:
        return (resource.plural, body["metadata"].get("namespace", ""), body["metadata"]["name"])


def _selected(selector: str, values: Mapping[str, str]) -> bool:
    for requirement in filter(None, selector.split(",")):
        if "=" not in requirement:
            if requirement not in values:
                return False
            continue
        name, operator, value = re.split("(!?=)", requirement, maxsplit=1)
        if (values.get(name) == value) != (operator == "="):
            return False
    return True


def _apply(body: Body, operation: Mapping[str, Any]) -> None:
    *above, last = [part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]]
    target: Any = body
    for part in above:
        target = target[part]
    match operation["op"]:
        case "test":
            if target.get(last) != operation["value"]:
                raise ConflictError(f"the test of {operation['path']} failed")
        case "add" if last == "-":
            target.append(operation["value"])
        case "add":
            target[last] = operation["value"]
        case "remove":
            del target[int(last) if isinstance(target, list) else last]
