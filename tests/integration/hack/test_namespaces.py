"""A test's namespace goes, whatever is left in it."""

from cluster.clusters import Cluster
from cluster.processes import wait_until
from support.cluster import delete_namespace

HELD = """
apiVersion: taskaction.dev/v1alpha1
kind: TaskAction
metadata: {name: held, finalizers: [taskaction.dev/abort]}
spec: {executor: noop}
"""


def test_an_object_that_is_held_by_its_finalizer_does_not_hold_up_the_namespace(crds: Cluster) -> None:
    crds.kubectl("create", "namespace", "held")
    crds.kubectl("apply", "--namespace=held", "--filename=-", stdin=HELD)
    delete_namespace(crds.kubectl, "held")
    names = "get", "namespaces", "--output=name"
    wait_until(lambda: "namespace/held" not in crds.kubectl(*names), timeout=60, what="the namespace to go")
