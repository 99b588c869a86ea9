"""A test's namespace goes, whatever is left in it; on a cluster that is thrown away, the project's objects go alone."""

from cluster.clusters import Cluster
from cluster.processes import wait_until
from support.api import list_objects
from support.cluster import delete_namespace, empty_namespace, new_namespace

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


def test_an_emptied_namespace_keeps_no_object_that_an_operator_could_meet(crds: Cluster) -> None:
    with new_namespace(crds, "emptied") as name:
        kubectl = crds.kubectl.within(name)
        kubectl("apply", "--filename=-", stdin=HELD)
        kubectl("create", "configmap", "theirs")
        empty_namespace(crds.kubectl, name)
        assert list_objects(kubectl, "ta") == []
        assert "theirs" in [found["metadata"]["name"] for found in list_objects(kubectl, "configmaps")]
