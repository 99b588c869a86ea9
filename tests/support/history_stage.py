"""A history service on a SQLite, with callers of different rights, and rows of their namespace."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from support.accounts import delete_cluster_role, request_token
from support.api import apply_objects
from support.cluster import new_namespace
from support.histories import migrated, record
from support.history_services import HistoryServices
from support.people import cluster_binding, right, wait_for_right
from support.roles import grant
from taskaction.history.addresses import parse_address
from taskaction.history.filters import ObjectFilter
from taskaction.history.reader import HistoryReader
from taskaction.history.records import Record
from taskaction.history.scopes import ALL_KINDS, HistoryScope
from taskaction.history.store import HistoryStore

KINDS = ("taskactions", "actionflowruns")
LIST = tuple(right("list", kind) for kind in KINDS)
DELETE = tuple(right("delete", kind) for kind in KINDS)
NOW = 1_700_000_000_000
"""When the first of the rows ended: 2023-11-14T22:13:20Z."""


@dataclass(frozen=True)
class HistoryStage:
    """A running service, its database, and the tokens of its callers."""

    services: HistoryServices
    address: str
    namespace: str
    tokens: dict[str, str]

    def ask(self, path: str, who: str = "tenant", method: str = "GET", **query: Any) -> tuple[int, dict[str, Any]]:
        return self.services.ask(path, self.tokens[who], method=method, **query)

    def names(self, who: str = "tenant", **query: Any) -> list[str]:
        status, found = self.ask("/v1/objects", who, **query)
        assert status == 200, found
        return [item["name"] for item in found["items"]]

    def write(self, *records: Record) -> None:
        async def write() -> None:
            store = HistoryStore.open(parse_address(self.address, None))
            await store.write(records)
            await store.close()

        asyncio.run(write())

    def delete(self, namespace: str) -> None:
        async def delete() -> None:
            reader = HistoryReader.open(parse_address(self.address, None), connections=1, seconds=30)
            await reader.delete(HistoryScope.within({namespace: ALL_KINDS}), ObjectFilter(), 10_000)
            await reader.close()

        asyncio.run(delete())


def past(number: int, namespace: str, mark: str = "mine", **fields: Any) -> Record:
    """Return a record whose fields all contain a mark, with a parent for each odd number."""
    owner = f"{mark}-{number - 1}" if number % 2 else None
    found = replace(
        record(f"{mark}-{number}"),
        uid=f"{mark}-{number}", namespace=namespace, kind=("TaskAction", "ActionFlowRun")[number % 3 == 0],
        phase=("Succeeded", "Failed")[number % 2], reason=f"Reason{mark}" if number % 2 else None,
        message=f"{mark} message {number}", provider_kind="ActionProvider", provider=f"{mark}-ci", executor=None,
        created_at=NOW + number * 1000 - 5_000, started_at=NOW + number * 1000 - 3_000, ended_at=NOW + number * 1000,
        duration=3_000 + number, labels={"team": mark}, owner_kind="TaskAction" if owner else None, owner_name=owner,
        owner_uid=owner,
    )  # fmt: skip
    return replace(found, **fields)


@contextmanager
def history_stage(cluster: Cluster, folder: Path) -> Iterator[HistoryStage]:
    """Start a service on a database with twelve rows of one namespace, and return when its callers have their rights.

    ``tenant`` may list in the namespace, ``runs-only`` runs of flows there, ``deleter`` may also delete, ``admin`` may
    both in all namespaces, and ``nobody`` nothing.
    """
    address = migrated(f"sqlite:///{folder / 'history.db'}")
    with new_namespace(cluster, "tenant") as namespace:
        people = {
            "tenant": LIST, "runs-only": (right("list", "actionflowruns"),), "nobody": (), "deleter": (*LIST, *DELETE),
            "admin": (),
        }  # fmt: skip
        items = [item for name, rules in people.items() for item in grant(namespace, name, *rules)]
        admin = f"history-admin-{namespace}"
        items += cluster_binding(admin, f"system:serviceaccount:{namespace}:admin", *LIST, *DELETE)
        apply_objects(cluster.kubectl, items)
        services = HistoryServices(cluster.kubectl, namespace, folder)
        wait_until_granted(cluster.kubectl, namespace)
        try:
            services.start(address)
            tokens = {name: request_token(cluster.kubectl, namespace, name) for name in people}
            found = HistoryStage(services, address, namespace, tokens)
            found.write(*(past(number, namespace) for number in range(12)))
            yield found
        finally:
            services.close()
            delete_cluster_role(cluster.kubectl, admin)


def wait_until_granted(kubectl: Kubectl, namespace: str) -> None:
    """Return when the API server knows all roles: the service would cache a refusal for ten seconds."""
    rights = {"tenant": LIST, "runs-only": LIST[1:], "deleter": (*LIST, *DELETE), "admin": (*LIST, *DELETE)}
    for name, rules in rights.items():
        for rule in rules:
            wait_for_right(kubectl.within(namespace), f"system:serviceaccount:{namespace}:{name}", rule)
