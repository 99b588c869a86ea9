"""The few verbs of the API server that the project uses, as a Protocol; no rules, no retries, no caching."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from taskaction.core.constants import GROUP, VERSION

Body = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """A kind of object and where the API server keeps it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """The ``apiVersion`` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version


TASK_ACTIONS = Resource(group=GROUP, version=VERSION, plural="taskactions", kind="TaskAction")
ACTION_PROVIDERS = Resource(group=GROUP, version=VERSION, plural="actionproviders", kind="ActionProvider")
CLUSTER_ACTION_PROVIDERS = Resource(
    group=GROUP, version=VERSION, plural="clusteractionproviders", kind="ClusterActionProvider", namespaced=False
)
ACTION_EVENTS = Resource(group=GROUP, version=VERSION, plural="actionevents", kind="ActionEvent")
ACTION_FLOWS = Resource(group=GROUP, version=VERSION, plural="actionflows", kind="ActionFlow")
ACTION_FLOW_RUNS = Resource(group=GROUP, version=VERSION, plural="actionflowruns", kind="ActionFlowRun")
LEASES = Resource(group="coordination.k8s.io", version="v1", plural="leases", kind="Lease")
SECRETS = Resource(group="", version="v1", plural="secrets", kind="Secret")
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
PODS = Resource(group="", version="v1", plural="pods", kind="Pod")
POD_TEMPLATES = Resource(group="", version="v1", plural="podtemplates", kind="PodTemplate")
JOBS = Resource(group="batch", version="v1", plural="jobs", kind="Job")


class Cluster(Protocol):
    """One API server, as one account, or as another one by impersonation (``as_user``).

    Every call makes one attempt within ``timeout`` seconds and raises a ``ClusterError``; who retries, and how, is the
    caller's to decide. Bodies are given and returned whole, less ``metadata.managedFields``.
    """

    async def get(
        self, resource: Resource, name: str, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body | None:
        """Give the object, or None where there is none."""

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
        """Give the objects page by page; all namespaces where ``namespace`` is empty.

        A listing that outlives its continue token starts anew, so an object may be given twice.
        """

    async def create(
        self, resource: Resource, body: Body, namespace: str = "", *, as_user: str | None = None, timeout: float = 10.0
    ) -> Body:
        """Create; raises ``AlreadyExistsError`` where the name is taken."""

    async def replace(self, resource: Resource, body: Body, *, timeout: float = 10.0) -> Body:
        """Write the whole object; raises ``ConflictError`` when ``metadata.resourceVersion`` is not the current one."""

    async def replace_status(self, resource: Resource, body: Body, *, timeout: float = 10.0) -> Body:
        """Write the status subresource whole (PUT): ``body`` needs name, namespace, uid, resourceVersion and status.

        Raises:
            ConflictError: the resourceVersion is stale, or the uid is another object's.
            InvalidError: a validation or transition rule refuses the status.
        """

    async def patch(
        self,
        resource: Resource,
        name: str,
        namespace: str,
        operations: Sequence[Mapping[str, Any]],
        *,
        as_user: str | None = None,
        timeout: float = 10.0,
    ) -> Body:
        """Apply a JSON patch to the object itself; a failed ``test`` raises ``ConflictError``."""

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
        """Delete; False where it was gone already or had another ``uid``."""

    async def kinds(self, api_version: str, *, timeout: float = 10.0) -> Sequence[Resource]:
        """Give what the API server serves under ``apiVersion``; empty where it does not know it."""


class Texts(Protocol):
    """What an API server gives that is no object: its version, logs of pods, pages that it fetches from pods."""

    async def text(self, path: str, *, timeout: float = 10.0) -> str:
        """Give what is at a path; raises a ``ClusterError``."""

    def lines(self, path: str) -> AsyncIterator[str]:
        """Give what is at a path line by line, as it comes; raises a ``ClusterError``."""
