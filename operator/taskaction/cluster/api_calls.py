"""Addresses of requests to the API server; pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from taskaction.cluster.gateway import Resource

_PLAIN = re.compile("[A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request; ``verb`` is the Kubernetes verb, which metrics and errors name."""

    method: str
    verb: str
    resource: Resource
    namespace: str
    name: str = ""
    subresource: str = ""

    @property
    def path(self) -> str:
        """The path of the collection, object or subresource."""
        resource = self.resource
        root = f"/apis/{resource.group}/{resource.version}" if resource.group else f"/api/{resource.version}"
        scope = f"/namespaces/{_escape(self.namespace)}" if resource.namespaced and self.namespace else ""
        name = f"/{_escape(self.name)}" if self.name else ""
        subresource = f"/{self.subresource}" if self.subresource else ""
        return f"{root}{scope}/{resource.plural}{name}{subresource}"


def discovery(group: str, version: str) -> Resource:
    """Return the discovery document as a collection: its path is the parent of all collections."""
    return Resource(group=group, version=version, plural="", kind="APIResourceList", namespaced=False)


def selectors(fields: str, labels: str) -> dict[str, str]:
    """Return the parameters of those selectors that are not empty."""
    return {name: value for name, value in (("fieldSelector", fields), ("labelSelector", labels)) if value}


def query_string(parameters: Mapping[str, str] | None) -> str:
    """Return the parameters as they are appended to a path."""
    if not parameters:
        return ""
    return "?" + "&".join(f"{name}={_escape(value)}" for name, value in parameters.items())


def _escape(text: str) -> str:
    """Return ``text`` as part of a URL; names of objects need no change, and ``quote`` is slow to find that."""
    return text if _PLAIN.fullmatch(text) else quote(text, safe="")
