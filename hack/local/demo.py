"""`make demo`: every example on a real cluster, followed to its end; leaves behind only what was there before."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cluster import clusters
from cluster.binaries import Say
from cluster.clusters import Cluster
from cluster.controlplane import ControlPlane
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.nodes import has_node
from cluster.ports import is_free, is_listening
from cluster.processes import log_tail, start, wait_until
from cluster.resolve import Surroundings, choose
from local import account, manifests
from local.environment import RUN, Environment, prepare
from local.examples import Example, Result, read_all
from local.operator_process import NAMESPACE, Operator

SERVER = manifests.ROOT / "hack" / "demo_server.py"
SERVER_PORT = 18080  # the examples' manifests name it
SERVER_SECONDS = 15
NAMESPACE_SECONDS = 120
LOG_LINES = 30
MESSAGE_WIDTH = 60


def run(say: Say) -> bool:
    """Run all examples and tell whether each ended as it promises."""
    examples = read_all()
    with ExitStack() as stack:
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="taskaction-demo-")))
        cluster, operator_log = stack.enter_context(running_cluster(say, logs))
        stack.enter_context(running_server(say, logs))
        shown = [example for example in examples if not example.needs_pods or has_node(cluster.kubectl)]
        results = [result for example in shown for result in run_one(cluster.kubectl, example, say)]
        holds = all(result.holds for result in results)
        if not holds:
            say("\nthe operator's last words:")
            say(log_tail(operator_log, LOG_LINES))
    say("")
    for row in table(results):
        say(row)
    if left_out := [example.name for example in examples if example not in shown]:
        say(f"\nnot shown, because this cluster has no node to run pods: {', '.join(left_out)}")
    return holds


def run_one(kubectl: Kubectl, example: Example, say: Say) -> list[Result]:
    """Run one example in a namespace of its own, which goes with it."""
    say(f"\n{example.name}")
    namespace = f"example-{example.name}"
    # An earlier demo may have left it, if interrupted, or may not have got rid of it yet.
    kubectl("delete", "namespace", namespace, "--ignore-not-found", timeout=NAMESPACE_SECONDS)
    kubectl("create", "namespace", namespace)
    try:
        return example.run(kubectl.within(namespace), say=say)
    except ClusterError as error:  # the other examples are still worth seeing
        say(f"           {error}")
        return [
            Result(example.name, name, phase, "Error", message=str(error)) for name, phase in example.expected.items()
        ]
    finally:
        for path in reversed(example.manifests):  # also what lies outside of the namespace
            kubectl.within(namespace)("delete", "-f", str(path), "--ignore-not-found", "--wait=false", check=False)
        kubectl("delete", "namespace", namespace, "--wait=false")


@contextmanager
def running_cluster(say: Say, logs: Path) -> Iterator[tuple[Cluster, Path]]:
    """Return the cluster of `make up` if it is up, else one for the time of the demo; and its operator's log."""
    environment = Environment()
    if environment.is_up():
        say("demo: on the cluster of `make up`")
        yield environment.bring_up_cluster(say), environment.operator_log
        return
    cluster = clusters.bring_up(choose(Surroundings.here(RUN)), name="taskaction-demo", say=say)
    with ExitStack() as stack:
        stack.callback(cluster.stop)
        if not isinstance(cluster, ControlPlane) and not manifests.are_installed(cluster.kubectl):
            stack.callback(manifests.remove, cluster.kubectl)
            stack.callback(account.remove, cluster.kubectl, NAMESPACE)
        say("cluster: applying crds/")
        prepare(cluster, say)
        log = logs / "operator.log"
        own = account.create(cluster.kubectl, NAMESPACE, logs / "operator.kubeconfig")
        operator = Operator.start(own, log=log, tied=True)
        stack.callback(operator.stop)
        say(f"operator: ready at {operator.url}")
        yield cluster, log
        say("\ndemo: taking everything down")


@contextmanager
def running_server(say: Say, logs: Path) -> Iterator[None]:
    """Run the server that the http examples call."""
    if not is_free(SERVER_PORT):
        raise ClusterError(f"Port {SERVER_PORT}, which the http examples call, is taken: end what listens there.")
    command = [sys.executable, str(SERVER), f"--port={SERVER_PORT}"]
    server = start("demo server", command, mark=str(SERVER), log=logs / "server.log", tied=True)
    try:
        answers = "the demo server to answer"
        wait_until(lambda: is_listening(SERVER_PORT), timeout=SERVER_SECONDS, what=answers, program=server)
        say(f"demo: a server for the http examples listens on 127.0.0.1:{SERVER_PORT}")
        yield
    finally:
        server.end()


def table(results: list[Result]) -> list[str]:
    """Return the results as lines of equal columns."""
    rows = [("EXAMPLE", "ACTION", "PHASE", "EXPECTED", "ATTEMPTS", "")]
    for result in results:
        verdict = "ok" if result.holds else f"NOT AS PROMISED {result.message[:MESSAGE_WIDTH]}".rstrip()
        rows.append((result.example, result.action, result.phase, result.expected, str(result.attempts), verdict))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
