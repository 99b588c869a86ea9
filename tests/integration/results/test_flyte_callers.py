"""F10: who answered or aborted through the Actions service is its caller, and nobody else can say who it was."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from flyteidl2.actions.actions_service_connect import ActionsServiceClientSync
from flyteidl2.actions.actions_service_pb2 import AbortRequest, SignalRequest
from flyteidl2.core.types_pb2 import SimpleType

from cluster.clusters import Cluster
from local import policies
from local.operator_process import Operator
from support.actions import action, wait_for_phase
from support.actions_services import ActionsServices, action_id, condition, task
from support.api import create_objects, get_object, list_objects

CALLER, RIVAL = "caller", "rival"
FORGED = {"by": "somebody-else"}


@pytest.fixture(scope="module")
def services(crds: Cluster, operator: Operator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ActionsServices]:
    if policies.MUTATING not in policies.served_kinds(crds.kubectl):
        pytest.skip(f"this API server knows no {policies.MUTATING}, so nothing is stamped")
    del operator
    namespace = "flyte-callers"
    crds.kubectl("create", "namespace", namespace)
    kubectl = crds.kubectl.within(namespace)
    found = ActionsServices(kubectl, namespace, tmp_path_factory.mktemp("callers"))
    for name in (CALLER, RIVAL):
        kubectl("create", "serviceaccount", name)
        verbs = "get,list,watch,create,patch,abort,signal"
        kubectl("create", "role", name, f"--verb={verbs}", "--resource=taskactions.taskaction.dev")
        kubectl("create", "rolebinding", name, f"--role={name}", f"--serviceaccount={namespace}:{name}")
    found.start(authentication="token", task_types="parent=approval")
    yield found
    found.close()
    crds.kubectl("delete", "namespace", namespace, "--wait=false")


def of_run(services: ActionsServices, run: str, name: str) -> dict[str, Any]:
    (found,) = list_objects(services.kubectl, "ta", f"flyte.org/run={run},flyte.org/action={name}")
    return dict(found)


def test_f10_the_caller_of_the_service_is_on_record(services: ActionsServices) -> None:
    headers = {"authorization": f"Bearer {services.token(CALLER)}"}
    who = f"system:serviceaccount:{services.namespace}:{CALLER}"
    answer = SignalRequest(action_id=action_id("r1", "sure"), parent_action_name="a0")
    answer.value.scalar.primitive.boolean = True
    answer.signalled_by.user.spec.email = "somebody@else.example"  # what a caller says of itself is not believed
    with ActionsServiceClientSync(services.url) as client:
        client.enqueue(task("r1", kind="parent", prompt="stays"), headers=headers)
        client.enqueue(condition("r1", "sure", "a0", SimpleType.BOOLEAN), headers=headers)
        asked = of_run(services, "r1", "sure")
        wait_for_phase(services.kubectl, asked["metadata"]["name"], "Paused")
        client.signal(answer, headers=headers)
        done = wait_for_phase(services.kubectl, asked["metadata"]["name"], "Succeeded")
        client.abort(AbortRequest(action_id=action_id("r1"), reason="enough"), headers=headers)

    assert (done["spec"]["signal"]["by"], done["status"]["output"]["by"]) == (who, who)
    root = of_run(services, "r1", "a0")
    assert root["spec"]["abort"]["by"] == who
    assert root["spec"]["abort"]["at"] >= root["metadata"]["creationTimestamp"]


@pytest.mark.parametrize("field", ["signal", "abort"])
@pytest.mark.parametrize("who", ["account", "admin"])
def test_f10_nobody_but_the_service_says_who_it_was(services: ActionsServices, field: str, who: str) -> None:
    name = f"forged-{field}-{who}"
    create_objects(services.kubectl, [action(name, "approval")])
    order = FORGED | ({"value": True} if field == "signal" else {"reason": "enough"})
    account = f"system:serviceaccount:{services.namespace}:{RIVAL}"
    options = (f"--as={account}",) if who == "account" else ("--as=ada", "--as-group=system:masters")

    services.kubectl("patch", "ta", name, "--type=merge", f"--patch={json.dumps({'spec': {field: order}})}", *options)

    stored = get_object(services.kubectl, "ta", name)["spec"][field]
    assert stored["by"] == (account if who == "account" else "ada")
