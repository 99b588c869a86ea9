"""Protocols of the API server: the verbs that the project uses; no rules, no retries, no caching."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from taskaction.core.constants import GROUP, VERSION

Body = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of object and its REST resource; ``categories`` are those that the API server reports of it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True
    categories: tuple[str, ...] = field(default=(), compare=False)

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of objects of this kind."""
        return f"{self.group}/{self.version}" if self.group else self.version


TASK_ACTIONS = Resource(group=GROUP, version=VERSION, plural="taskactions", kind="TaskAction")
ACTION_PROVIDERS = Resource(group=GROUP, version=VERSION, plural="actionproviders", kind="ActionProvider")
CLUSTER_ACTION_PROVIDERS = Resource(
    group=GROUP, version=VERSION, plural="clusteractionproviders", kind="ClusterActionProvider", namespaced=False
)
ACTION_EVENTS = Resource(group=GROUP, version=VERSION, plural="actionevents", kind="ActionEvent")
ACTION_FLOWS = Resource(group=GROUP, version=VERSION, plural="actionflows", kind="ActionFlow")
ACTION_FLOW_RUNS = Resource(group=GROUP, version=VERSION, plural="actionflowruns", kind="ActionFlowRun")
ACTION_SCHEDULES = Resource(group=GROUP, version=VERSION, plural="actionschedules", kind="ActionSchedule")
LEASES = Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")
SECRETS = Resource(group="", version="v1", plural="secrets", kind="Secret")
SERVICE_ACCOUNTS = Resource(group="", version="v1", plural="serviceaccounts", kind="ServiceAccount")
CONFIG_MAPS = Resource(group="", version="v1", plural="configmaps", kind="ConfigMap")
NAMESPACES = Resource(group="", version="v1", plural="namespaces", kind="Namespace", namespaced=False)
EVENTS = Resource(group="", version="v1", plural="events", kind="Event")
TOKEN_REVIEWS = Resource(
    group="authentication.k8s.io", version="v1", plural="tokenreviews", kind="TokenReview", namespaced=False
)
SUBJECT_ACCESS_REVIEWS = Resource(
    group="authorization.k8s.io",
    version="v1",
    plural="subjectaccessreviews",
    kind="SubjectAccessReview",
    namespaced=False,
)
SELF_SUBJECT_REVIEWS = Resource(
    group="authentication.k8s.io",
    version="v1",
    plural="selfsubjectreviews",
    kind="SelfSubjectReview",
    namespaced=False,
)
SELF_SUBJECT_ACCESS_REVIEWS = Resource(
    group="authorization.k8s.io",
    version="v1",
    plural="selfsubjectaccessreviews",
    kind="SelfSubjectAccessReview",
    namespaced=False,
)
PODS = Resource(group="", version="v1", plural="pods", kind="Pod")
POD_TEMPLATES = Resource(group="", version="v1", plural="podtemplates", kind="PodTemplate")
JOBS = Resource(group="batch", version="v1", plural="jobs", kind="Job")


class ServerTime(NamedTuple):
    """Time of the API server, in seconds, at a moment of this process's monotonic clock."""

    wall: float
    monotonic: float


class Cluster(Protocol):
    """Client of one API server, as one account, or as another one by impersonation (``as_user``).

    Every call makes one attempt within ``timeout`` seconds and raises a ``ClusterError``; the caller decides about
    retries. Bodies are complete, except for ``metadata.managedFields``.
    """

    @property
    def server_time(self) -> ServerTime | None:
        """The time of the API server by its last response about a Lease; None if that is not known."""

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body | None:
        """Return the object, or None if it does not exist."""

    def list(
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
        """Yield the objects page by page, of all namespaces if ``namespace`` is empty.

        If the continue token expires, the listing starts again, and an object may be yielded twice.
        """

    async def create(
        self, resource: Resource, body: Body, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body:
        """Create an object; raise ``AlreadyExistsError`` if the name is taken."""

    async def check_create(self, resource: Resource, body: Body, namespace: str = "", *, timeout: float = 10.0) -> None:
        """Raise what ``create`` would raise, and create nothing (a dry run with admission)."""

    async def replace(self, resource: Resource, body: Body, *, timeout: float = 10.0) -> Body:
        """Replace the whole object; raise ``ConflictError`` if ``metadata.resourceVersion`` is not the current one."""

    async def replace_status(
        self, resource: Resource, body: Body, *, metadata_only: bool = False, timeout: float = 10.0
    ) -> Body:
        """Replace the status subresource (PUT): ``body`` needs name, namespace, uid, resourceVersion and status.

        ``metadata_only`` leaves out everything but the metadata from the returned object.

        Raises:
            ConflictError: the resourceVersion is stale, or the uid is another object's.
            InvalidError: a validation or transition rule rejects the status.
        """

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
        """Apply a JSON patch to the object; a failed ``test`` raises ``ConflictError``."""

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

    async def kinds(self, api_version: str, *, timeout: float = 10.0) -> Sequence[Resource]:
        """Return the resources of ``apiVersion``; empty if the API server does not serve it."""


class TextClient(Protocol):
    """Client of the API server's responses that are not objects: version, pod logs, pages proxied from pods."""

    async def text(self, path: str, *, timeout: float = 10.0) -> str:
        """Return the text at a path; raise a ``ClusterError``."""

    def lines(self, path: str) -> AsyncIterator[str]:
        """Yield the text at a path line by line, as it arrives; raise a ``ClusterError``."""
