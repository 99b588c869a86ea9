"""Fixtures that run the real operator as a process of its own; a plug-in of pytest, named in `conftest.py`."""

import os
import secrets
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from cluster import processes
from cluster.clusters import Cluster
from cluster.ports import HOST, free_port
from local import account
from local.manifests import ROOT
from local.operator_process import Launch, Operator
from support import preloaded
from support.accounts import create_account, delete_cluster_role
from support.api import create_object
from support.cluster import discard_namespace

PLUGIN = ROOT / "tests" / "support" / "plugin"
QUICK_LEASES = {
    "TASKACTION_LEASE_DURATION": "3s",
    "TASKACTION_LEASE_RENEW_DEADLINE": "2s",
    "TASKACTION_LEASE_RETRY": "300ms",
    "TASKACTION_INTERRUPT_GRACE": "1s",
    "TASKACTION_SHARDS": "4",
}
"""So that a take-over after a crash need not be waited for."""
LOOPBACK = {"TASKACTION_HTTP_ALLOWED_CIDRS": "127.0.0.0/8"}


class Operators:
    """Starts operators on one cluster; they share the Leases of one namespace, which nobody else uses.

    They have the rights that the chart grants, and no others: `kubeconfig` is theirs.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self.namespace = f"operator-{secrets.token_hex(4)}"
        self.running: list[Operator] = []
        self.launch: Launch = preloaded.start
        self._cluster = cluster
        self._folder = folder
        self._started = 0
        create_object(cluster.kubectl, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}})
        self.kubeconfig = create_account(
            cluster.kubectl, self.namespace, account.NAME, account.manifests(self.namespace), folder / "kubeconfig"
        )

    def start(self, settings: Mapping[str, str] | None = None, *, kubeconfig: Path | None = None) -> Operator:
        """Start one and return when it is ready; the test executors are among its plug-ins."""
        self._started += 1
        imports_of_its_own = "PYTHONPATH" in (settings or {})
        operator = Operator.start(
            kubeconfig or self.kubeconfig,
            log=self._folder / f"operator-{self._started}.log",
            tied=True,
            settings={
                **LOOPBACK,
                "TASKACTION_BIND": f"{HOST}:{free_port()}",
                "TASKACTION_NAMESPACE": self.namespace,
                "PYTHONPATH": os.pathsep.join(filter(None, (str(PLUGIN), os.environ.get("PYTHONPATH")))),
                **(settings or {}),
            },
            launch=processes.start if imports_of_its_own else self.launch,
        )
        self.running.append(operator)
        return operator

    def log(self) -> str:
        """Give all that the operators have logged."""
        return "".join(one.read_text() for one in sorted(self._folder.glob("operator-*.log")))

    def kill(self) -> None:
        """End every operator as a crash does."""
        while self.running:
            self.running.pop().program.end()

    def stop(self) -> None:
        """End every operator gently."""
        while self.running:
            self.running.pop().stop()

    def close(self) -> None:
        """End every operator, and remove the namespace of their Leases."""
        self.stop()
        discard_namespace(self._cluster, self.namespace)
        delete_cluster_role(self._cluster.kubectl, account.cluster_name(self.namespace))


@pytest.fixture(scope="module")
def operators(crds: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operators]:
    """Start operators on the session's cluster, for the tests of one module."""
    found = Operators(crds, tmp_path_factory.mktemp("operators"))
    yield found
    found.close()


def metric(operator: Operator, name: str) -> float:
    """Give what an operator says of itself under a name without labels."""
    with urllib.request.urlopen(f"{operator.url}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.split()[1]) for line in lines if line.split()[0] == f"taskaction_{name}")


@pytest.fixture(scope="module")
def operator(operators: Operators, request: pytest.FixtureRequest) -> Operator:
    """One operator for the tests of one module, with the `SETTINGS` that the module names."""
    return operators.start(getattr(request.module, "SETTINGS", None))
