"""What `make up` brings up and `make down` ends: a cluster and an operator for this checkout, recorded in `.run/`."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from cluster import clusters
from cluster.binaries import Say
from cluster.clusters import Cluster, KindCluster
from cluster.processes import Program
from cluster.resolve import Choice, Existing, Kind, Surroundings, choose
from cluster.state import StateFolder, clear_abandoned
from local import account, manifests
from local.operator_process import NAMESPACE, Operator

RUN = manifests.ROOT / ".run"
KIND_NAME = "taskaction"


class Environment:
    """The cluster and the operator of one checkout."""

    def __init__(self, run: Path = RUN) -> None:
        """Look at what an earlier call has recorded; starts nothing."""
        self.run = run
        self.kubeconfig = run / "kubeconfig"
        self.operator_log = run / "operator.log"
        self._way = run / "way"
        self._operator = run / "operator.json"
        self._state = run / "cluster"

    def is_up(self) -> bool:
        """Whether the operator runs; it is the last to come up and the first to go."""
        operator = self.operator()
        return operator is not None and operator.program.is_running()

    def up(self, say: Say) -> Cluster:
        """Bring up what is not up yet, and return when the operator is ready."""
        with self._alone(say):
            cluster = self.bring_up_cluster(say)
            if self.is_up():
                say("operator: runs already")
                return cluster
            own = account.create(cluster.kubectl, NAMESPACE, self.run / "operator.kubeconfig")
            operator = Operator.start(own, log=self.operator_log, tied=False)
            self._remember(operator)
            say(f"operator: ready at {operator.url}, log in {self.operator_log}")
            return cluster

    def exports(self, cluster: Cluster) -> list[str]:
        """Return the lines that people paste to reach the cluster; with a kubectl for who has none."""
        found = [f"export KUBECONFIG={self.kubeconfig}"]
        if shutil.which("kubectl") is None:
            found.append(f'export PATH="{cluster.kubectl.program.parent}:$PATH"  # there is no kubectl on it yet')
        return found

    def bring_up_cluster(self, say: Say) -> Cluster:
        """Bring up the cluster with the project's kinds, without the operator."""
        choice = self._choice()
        cluster = clusters.bring_up(choice, name=KIND_NAME, state=self._state, say=say)
        self._way.write_text(type(choice).__name__)
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(cluster.kubeconfig.read_text())
        say("cluster: applying crds/")
        prepare(cluster, say)
        return cluster

    def down(self, say: Say, *, keep_state: bool) -> None:
        """End everything that `up` has started, and nothing else; a second call finds nothing to do."""
        clear_abandoned()
        if not self.run.exists():
            say("nothing is up")
            return
        with self._alone(say):
            if operator := self.operator():
                operator.stop()
                say("operator: stopped")
            way = self._recorded_way()
            if way == Kind.__name__:
                KindCluster.named(KIND_NAME).stop()
                say("cluster: kind cluster deleted")
            elif way == Existing.__name__:
                say("cluster: left as it was found, with the project's CRDs and the operator's role")
            elif self._state.exists():
                StateFolder.at(self._state).end_programs()
                say(f"cluster: stopped{', its state kept for the next `make up`' if keep_state else ''}")
            self._operator.unlink(missing_ok=True)
            if not keep_state:
                shutil.rmtree(self.run)

    def operator(self) -> Operator | None:
        """Find the operator again that an earlier call has started."""
        with suppress(FileNotFoundError):
            record = json.loads(self._operator.read_text())
            return Operator(Program.from_record(record["program"]), record["url"])
        return None

    def _remember(self, operator: Operator) -> None:
        self._operator.write_text(json.dumps({"program": operator.program.to_record(), "url": operator.url}))
        (self.run / "operator.pid").write_text(f"{operator.program.pid}\n")

    def _choice(self) -> Choice:
        """Stay with what is up, whatever the environment says by now."""
        around, way = Surroundings.here(self.run), self._recorded_way()
        if way == Kind.__name__:
            return Kind()
        if way == Existing.__name__:
            return Existing(str(self.kubeconfig))
        return choose(around, own=way is not None)

    def _recorded_way(self) -> str | None:
        with suppress(FileNotFoundError):
            return self._way.read_text()
        return None

    @contextmanager
    def _alone(self, say: Say) -> Iterator[None]:
        self.run.mkdir(mode=0o700, exist_ok=True)
        with (self.run / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another `make up` or `make down` of this checkout")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def prepare(cluster: Cluster, say: Say) -> None:
    """Return a cluster what the operator expects to find."""
    manifests.install(cluster.kubectl, say=say)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(namespace))
