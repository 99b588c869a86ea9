"""Reads and writes on the API server over connections that stay open; a kubectl for each would cost more than the test.

A `Kubectl` says where: its kubeconfig and its namespace. Options, field managers and errors are those of kubectl, so a
test may replace one by the other. Tests of kubectl itself, of `apply` and of the tables that it prints still run it.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from kubernetes import config
from kubernetes.client import ApiClient
from urllib3.exceptions import HTTPError

from cluster.errors import KubectlError
from cluster.kubectl import Kubectl
from cluster.processes import pause_seconds

REQUEST_SECONDS = 60
REFUSED = 400
UNAVAILABLE = 503
SCHEMA_SECONDS = 30
SCHEMA_PAUSE_SECONDS = 0.2
SCHEMA_NOT_READ = b"There can be a delay between when CustomResourceDefinitions are created"
"""The API server reads the schemas for mutating policies every five seconds; until then it answers 503 with this."""
MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
APPLY_PATCH = {"Content-Type": "application/apply-patch+yaml"}
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"

Body = dict[str, Any]
Answer = TypeVar("Answer")


class RefusedError(KubectlError):
    """An answer of the API server that refuses a request; the text is what kubectl would print."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Resource:
    """Where the objects of one kind are."""

    prefix: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """Return the path of an object, or without a name that of all."""
        scope = f"namespaces/{namespace or 'default'}" if self.namespaced else ""
        return "/".join(filter(None, (self.prefix, scope, self.plural, name, subresource)))


@dataclass
class ApiServer:
    """One API server, with the kinds that it serves."""

    client: ApiClient
    kinds: dict[str, Resource] = field(default_factory=dict)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = REQUEST_SECONDS,
    ) -> Body:
        """Return the answer; wait where the API server has not read a changed kind yet.

        Raises:
            KubectlError: the server refuses, with its words, or it does not answer.
        """
        begun = time.monotonic()
        while True:
            answer = self._send(method, path, body, query, headers, seconds)
            waits = answer.status == UNAVAILABLE and SCHEMA_NOT_READ in answer.data
            if not waits or time.monotonic() - begun > SCHEMA_SECONDS:
                break
            time.sleep(SCHEMA_PAUSE_SECONDS)
        if answer.status >= REFUSED:
            raise RefusedError(answer.status, refusal_text(answer.data))
        return dict(json.loads(answer.data))

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        seconds: float,
    ) -> Any:
        sent = {"Accept": "application/json", "Content-Type": "application/json"}
        if token := self.client.configuration.get_api_key_with_prefix("BearerToken", alias="authorization"):
            sent["Authorization"] = token
        try:
            return self.client.rest_client.pool_manager.request(
                method,
                self.client.configuration.host + path,
                fields=query if body is None else None,
                headers=sent | dict(headers or {}),
                timeout=seconds,
                **({} if body is None else {"body": json.dumps(body)}),
            )
        except HTTPError as error:
            raise KubectlError(f"{method} {path}: {error}") from error

    def resource(self, kind: str) -> Resource:
        """Return where a kind is, by any name that kubectl takes for it; kinds may have come since the last look."""
        name = kind.lower()
        if name not in self.kinds:
            self.kinds = self._discover()
        if name not in self.kinds:
            raise KubectlError(f'error: the server doesn\'t have a resource type "{kind}"')
        return self.kinds[name]

    def _discover(self) -> dict[str, Resource]:
        found: dict[str, Resource] = {}
        for root in ("/api", "/apis"):
            for group in self.request("GET", root, headers={"Accept": AGGREGATED})["items"]:
                group_name = group["metadata"].get("name", "")
                for version in group["versions"]:
                    prefix = "/".join(filter(None, (root, group_name, version["version"])))
                    for one in version.get("resources", ()):
                        resource = Resource(prefix, one["resource"], one["scope"] == "Namespaced")
                        names = {one["resource"], one["singularResource"], *one.get("shortNames", ())}
                        names |= {one.get("responseKind", {}).get("kind", "").lower()}
                        for name in names | {f"{one['resource']}.{group_name}"}:
                            found.setdefault(name, resource)  # the core group comes first, and so does the best version
        return found


def refusal_text(content: bytes) -> str:
    """Return what a server says against a request, as kubectl prints it."""
    try:
        status = json.loads(content)
    except ValueError:
        return f"Error from server: {content.decode(errors='replace')}"
    return f"Error from server ({status.get('reason')}): {status.get('message')}"


def server_of(kubectl: Kubectl) -> ApiServer:
    """Return the server of a kubeconfig; a file that was written anew is read anew."""
    return _server(str(kubectl.kubeconfig), Path(kubectl.kubeconfig).stat().st_mtime_ns)


@cache
def _server(kubeconfig: str, _written: int) -> ApiServer:
    return ApiServer(config.new_client_from_config(kubeconfig))


def get_object(kubectl: Kubectl, kind: str, name: str) -> Body:
    """Return one object."""
    server = server_of(kubectl)
    return server.request("GET", server.resource(kind).path(kubectl.namespace, name))


def list_objects(kubectl: Kubectl, kind: str, selector: str = "") -> list[Body]:
    """Return the objects of a kind in the namespace, all or those that a label selector takes."""
    server = server_of(kubectl)
    query = {"labelSelector": selector} if selector else None
    return list(server.request("GET", server.resource(kind).path(kubectl.namespace), query=query)["items"])


def create_object(kubectl: Kubectl, body: Body, *options: str) -> Body:
    """Create an object and return it as the server stored it, or with `--dry-run=server` would have."""
    server = server_of(kubectl)
    path = server.resource(body["kind"]).path(body["metadata"].get("namespace", kubectl.namespace))
    query, headers, _ = read_options(options)
    query = {"fieldManager": "kubectl-create", "fieldValidation": "Strict", **query}
    return server.request("POST", with_query(path, query), body, headers=headers)


def create_objects(kubectl: Kubectl, items: Iterable[Body], *options: str) -> None:
    """Create objects in their order."""
    for item in items:
        create_object(kubectl, item, *options)


def apply_objects(kubectl: Kubectl, items: Iterable[Body], *options: str) -> None:
    """Apply objects in their order as `--server-side --force-conflicts` does."""
    server = server_of(kubectl)
    query, headers, _ = read_options(options)
    query = {"fieldManager": "kubectl", "fieldValidation": "Strict", "force": "true", **query}
    for item in items:
        metadata = item["metadata"]
        path = server.resource(item["kind"]).path(metadata.get("namespace", kubectl.namespace), metadata["name"])
        server.request("PATCH", with_query(path, query), item, headers={**APPLY_PATCH, **headers})


def patch_object(kubectl: Kubectl, kind: str, name: str, change: Body, *options: str) -> Body:
    """Merge a change into an object and return it as it is then."""
    server = server_of(kubectl)
    query, headers, subresource = read_options(options)
    path = with_query(
        server.resource(kind).path(kubectl.namespace, name, subresource), {"fieldManager": "kubectl-patch", **query}
    )
    return server.request("PATCH", path, change, headers={**MERGE_PATCH, **headers})


def wait_for_condition(
    kubectl: Kubectl, kind: str, name: str, condition: str, seconds: float, *, status: str = "True"
) -> Body:
    """Return the object once a condition has a status."""

    def is_met(found: Body) -> bool:
        conditions = found.get("status", {}).get("conditions", ())
        return any(one["type"] == condition and one["status"] == status for one in conditions)

    return wait_for_object(kubectl, kind, name, is_met, seconds)


def wait_for_object(kubectl: Kubectl, kind: str, name: str, check: Callable[[Body], bool], seconds: float = 30) -> Body:
    """Return an object once `check` holds; the time limit is only there to end a test that has failed."""

    def describe(found: Body) -> str:
        return f"{name} is still {json.dumps(found.get('status'), indent=1)}"

    return wait_for_answer(lambda: get_object(kubectl, kind, name), check, seconds, describe)


def wait_for_answer(
    read: Callable[[], Answer], check: Callable[[Answer], bool], seconds: float, describe: Callable[[Answer], str]
) -> Answer:
    """Return what is read once `check` holds; describe the last answer in the assertion that ends a test."""
    begun = time.monotonic()
    deadline = begun + seconds
    while not check(answer := read()):
        assert time.monotonic() < deadline, describe(answer)
        time.sleep(pause_seconds(time.monotonic() - begun))
        begun = time.monotonic()
    return answer


def read_options(options: Iterable[str]) -> tuple[dict[str, str], dict[str, str], str]:
    """Return the query, the headers and the subresource that options of kubectl stand for."""
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    subresource = ""
    for option in options:
        name, _, value = option.removeprefix("--").partition("=")
        if (name, value) == ("dry-run", "server"):
            query["dryRun"] = "All"
        elif name == "as":
            headers["Impersonate-User"] = value
        elif name == "subresource":
            subresource = value
        else:
            raise ValueError(f"{option}: not an option of requests; run kubectl instead")
    return query, headers, subresource


def with_query(path: str, query: Mapping[str, str]) -> str:
    """Return a path with parameters whose values need no escape."""
    return f"{path}?{'&'.join(f'{name}={value}' for name, value in query.items())}"
