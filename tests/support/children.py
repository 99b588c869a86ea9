"""A cluster in memory whose pods and Jobs stand as a test says, for the executors whose action is one object."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

from support.fake_cluster import FakeCluster
from support.runs import NOW
from taskaction.cluster.gateway import JOBS, PODS, Body, Resource

STAMP = NOW.strftime("%Y-%m-%dT%H:%M:%SZ")


class ChildCluster(FakeCluster):
    """A ``FakeCluster`` that stamps what is created, and knows for whom each request was made.

    Attributes:
        actors: each request as verb and account.
        lingering: whether what is deleted stays, with a deletionTimestamp, until a test drops it.
        born: the status that a new object gets at once, as if its controller were quick.
    """

    def __init__(self, *, lingering: bool = False, born: Body | None = None) -> None:
        super().__init__()
        self.actors: list[tuple[str, str | None]] = []
        self.lingering = lingering
        self.born = born

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, **more: Any
    ) -> Body | None:
        """Give the object, or None."""
        self.actors.append(("get", as_user))
        return await super().get(resource, name, namespace, as_user=as_user, **more)

    async def list(  # type: ignore[override]  # as the base's
        self, resource: Resource, namespace: str = "", *, as_user: str | None = None, **more: Any
    ) -> AsyncIterator[Body]:
        """Give the objects of a namespace."""
        self.actors.append(("list", as_user))
        async for body in super().list(resource, namespace, **more):
            yield body

    async def create(
        self, resource: Resource, body: Body, namespace: str = "", *, as_user: str | None = None, **more: Any
    ) -> Body:
        """Create, with a creationTimestamp."""
        self.actors.append(("create", as_user))
        stamped = body | {"metadata": body["metadata"] | {"creationTimestamp": STAMP}}
        return await super().create(resource, stamped | ({"status": self.born} if self.born else {}), namespace, **more)

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str = "",
        *,
        uid: str | None = None,
        as_user: str | None = None,
        **more: Any,
    ) -> bool:
        """Delete, or only mark as such."""
        self.actors.append(("delete", as_user))
        there = self.objects.get((resource.plural, namespace, name))
        if not self.lingering or there is None or there["metadata"]["uid"] != uid:
            return await super().delete(resource, name, namespace, uid=uid, **more)
        self.calls.append(("delete", name))
        self.store(resource, there | {"metadata": there["metadata"] | {"deletionTimestamp": STAMP}})
        return True

    def of(self, resource: Resource) -> Sequence[Body]:
        """Give what is stored of a kind."""
        return [body for (plural, _, _), body in self.objects.items() if plural == resource.plural]

    def only(self, resource: Resource) -> Body:
        """Give the one object of a kind."""
        (found,) = self.of(resource)
        return found

    def report(self, resource: Resource, body: Body, **status: Any) -> Body:
        """Give an object a status."""
        return self.store(resource, body | {"status": status})


def pod_of(job: Body, number: int, phase: str, message: str = "", **metadata: Any) -> Body:
    """Give a pod of a Job; ``message`` is its termination message."""
    state = {"terminated": {"exitCode": int(phase == "Failed"), "message": message}}
    return {
        "apiVersion": PODS.api_version,
        "kind": PODS.kind,
        "metadata": {
            "name": f"{job['metadata']['name']}-{number}",
            "namespace": job["metadata"]["namespace"],
            "creationTimestamp": STAMP,
            "labels": job["metadata"]["labels"],
            "ownerReferences": [{"kind": JOBS.kind, "uid": job["metadata"]["uid"]}],
        }
        | metadata,
        "status": {"phase": phase, "containerStatuses": [{"name": "main", "state": state}]},
    }


def condition(kind: str, status: str = "True", **more: Any) -> Body:
    """Give a condition of a status."""
    return {"type": kind, "status": status} | more
