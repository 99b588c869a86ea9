"""The operator and a provider of the published toolkit: each way an action can go, with one action there for each."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, action, condition, create, get, patch, phase, wait_for, wait_for_phase
from support.api import get_object
from support.globus import environment
from support.globus_peer import SCOPE, TOKEN, Identity, Peer
from support.operators import QUICK_LEASES, Operators
from taskaction.testing.targets import HttpServer, hangs_up, says

pytestmark = pytest.mark.timeout(600)
SECONDS = 120
SETTINGS = {**QUICK_LEASES, "TASKACTION_CANCEL_GRACE": "5s"}
SOON = {"initial": "500ms", "factor": 1, "max": "500ms"}
READS = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reads}
rules: [{apiGroups: [""], resources: [secrets], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reads}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reads}
subjects: [{kind: ServiceAccount, name: default}]
---
apiVersion: v1
kind: Secret
metadata: {name: tokens}
stringData: {user: %s, wrong: no-token-of-anybody, client: the-secret-of-the-client}
"""


@pytest.fixture(scope="module")
def identity() -> Iterator[Identity]:
    with Identity() as server:
        yield server


@pytest.fixture(scope="module")
def peer(identity: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    found = Peer(environment.python(), identity, Path(tmp_path_factory.mktemp("peer")))
    found.start()
    yield found
    found.stop()


@pytest.fixture(autouse=True)
def reads(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", stdin=READS % TOKEN)


@pytest.fixture
def running(operators: Operators) -> Iterator[Operators]:
    if not operators.running:
        operators.start(SETTINGS)
    yield operators
    operators.kill()


def at(peer: Peer, name: str, way: str, key: str | None = "user", **parameters: Any) -> Body:
    seconds = parameters.pop("seconds", 1)
    spec = parameters.pop("spec", {})
    tokens = {"User": {"secretKeyRef": {"name": "tokens", "key": key}}} if key else {}
    told = {"url": peer.url, "body": {"way": way, "seconds": seconds}, "tokens": tokens, "poll": SOON, **parameters}
    return action(name, "globus", told, **spec)


def ended(kubectl: Kubectl, name: str, expected: str) -> Body:
    return wait_for_phase(kubectl, name, expected, SECONDS)


def external_id(item: Body) -> str:
    return str(item["status"]["externalId"])


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("way", ["sync", "async", "slow"])
def test_a_success_is_stored_whole_and_then_released(kubectl: Kubectl, peer: Peer, way: str) -> None:
    create(kubectl, [at(peer, way, way)])
    found = ended(kubectl, way, "Succeeded")
    output = found["status"]["output"]
    assert output["status"] == "SUCCEEDED"
    assert output["details"] == {"way": way}
    assert output["action_id"] == external_id(found)
    wait_until(lambda: peer.was_told("release", external_id(found)), timeout=SECONDS, what="the release")
    assert peer.started(found["metadata"]["uid"]) == 1


@pytest.mark.usefixtures("running")
def test_a_failure_keeps_the_providers_own_words(kubectl: Kubectl, peer: Peer) -> None:
    create(kubectl, [at(peer, "fails", "fail")])
    found = ended(kubectl, "fails", "Failed")
    assert found["status"]["error"]["code"] == "ActionFailedException"
    assert "Broken: failed on purpose" in found["status"]["message"]
    assert found["status"]["output"]["details"]["code"] == "Broken"


@pytest.mark.usefixtures("running")
def test_an_inactive_action_is_paused_until_a_signal_resumes_it(kubectl: Kubectl, peer: Peer) -> None:
    create(kubectl, [at(peer, "inactive", "inactive")])
    paused = wait_for(kubectl, "inactive", lambda item: phase(item) == "Paused", SECONDS)
    assert paused["status"]["message"].endswith("ConsentRequired: consent is missing; required scope urn:consent")
    patch(kubectl, "inactive", {"signal": {"value": True}})
    found = ended(kubectl, "inactive", "Succeeded")
    assert peer.was_told("resume", external_id(found))


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("way", ["async", "stubborn"])
def test_an_abort_is_passed_on_and_not_waited_for_for_ever(kubectl: Kubectl, peer: Peer, way: str) -> None:
    name = f"aborted-{way}"
    create(kubectl, [at(peer, name, way, seconds=3600)])
    wait_for(kubectl, name, lambda item: item.get("status", {}).get("externalId"), SECONDS)
    patch(kubectl, name, {"abort": {}})
    found = ended(kubectl, name, "Aborted")
    assert peer.was_told("cancel", external_id(found))
    kept = peer.counts()["actions"].get(external_id(found), "released")
    assert kept == "ACTIVE" if way == "stubborn" else kept in {"FAILED", "released"}


@pytest.mark.usefixtures("running")
@pytest.mark.parametrize("key", ["wrong", None])
def test_without_a_right_token_nothing_starts(kubectl: Kubectl, peer: Peer, key: str | None) -> None:
    name = f"token-{key or 'none'}"
    create(kubectl, [at(peer, name, "sync", key=key)])
    found = ended(kubectl, name, "Failed")
    assert found["status"]["error"]["code"] == "ActionUnableToRun"
    assert "HTTP 401: UnauthorizedRequest" in found["status"]["error"]["message"]
    assert peer.started(found["metadata"]["uid"]) == 0


@pytest.mark.usefixtures("running")
def test_a_provider_of_the_cluster_gets_its_token_by_client_credentials(
    kubectl: Kubectl, peer: Peer, identity: Identity
) -> None:
    grant = {"clientId": "c", "clientSecretKeyRef": {"name": "tokens", "key": "client"}}
    config = {
        "url": peer.url,
        "tokens": {"User": {"clientCredentials": {**grant, "tokenUrl": f"{identity.url}/token"}}},
    }
    spec = {"executor": "globus", "config": config, "poll": SOON}
    provider = {
        "apiVersion": "taskaction.dev/v1alpha1",
        "kind": "ActionProvider",
        "metadata": {"name": "peer"},
        "spec": spec,
    }
    ref = {"providerRef": {"kind": "ActionProvider", "name": "peer"}}
    create(kubectl, [provider, action("offered", parameters={"way": "async"}, **ref)])
    assert ended(kubectl, "offered", "Succeeded")["status"]["output"]["details"] == {"way": "async"}


MAKES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: makes}
rules: [{apiGroups: [taskaction.dev], resources: [taskactions], verbs: [create]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: makes}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: makes}
subjects: [{kind: ServiceAccount, name: default}]
"""


def calls(peer: Peer, path: str, body: Body, following: str | None, **more: Any) -> Body:
    """A state that calls the provider; where it fails, what its handlers get goes to the same place."""
    caught = ["ActionUnableToRun", "NoTokenException", "ActionFailedException", "ActionTimeout"]
    state = {"Type": "Action", "ActionUrl": peer.url, "Parameters": body, "ResultPath": f"$.{path}", **more}
    if following is None:
        return {**state, "End": True}
    handlers = [{"ErrorEquals": [name], "Next": following, "ResultPath": f"$.{path}"} for name in caught]
    return {**state, "Next": following, "Catch": handlers}


@pytest.mark.usefixtures("running")
def test_a_flow_gets_every_end_of_the_providers_actions_by_its_name(kubectl: Kubectl, peer: Peer) -> None:
    kubectl("apply", "-f", "-", stdin=MAKES)
    states = {
        "Hello": calls(peer, "hello", {"way": "sync"}, "Curated", WaitTime=60),
        "Curated": calls(peer, "curated", {"way.=": "hello.details.way"}, "Refused", RunAs="Curator"),
        "Refused": calls(peer, "refused", {"way": "sync"}, "Tokenless", RunAs="Stranger"),
        "Tokenless": calls(peer, "tokenless", {"way": "sync"}, "Broken", RunAs="Nobody"),
        "Broken": calls(peer, "broken", {"way": "fail", "seconds": 0}, "Late"),
        "Late": calls(peer, "late", {"way": "async", "seconds": 3600}, "Inactive", WaitTime=2),
        "Inactive": calls(peer, "inactive", {"way": "inactive"}, None),
    }
    spec = {
        "definition": {"StartAt": "Hello", "States": states},
        "runAs": {"serviceAccountName": "default"},
        "tokens": {
            role: {"secretKeyRef": {"name": "tokens", "key": key}}
            for role, key in {"User": "user", "Curator": "user", "Stranger": "wrong"}.items()
        },
    }
    create(
        kubectl,
        [
            {
                "apiVersion": "taskaction.dev/v1alpha1",
                "kind": "ActionFlowRun",
                "metadata": {"name": "calls"},
                "spec": spec,
            }
        ],
    )
    kubectl("wait", "afr/calls", "--for=jsonpath={.status.phase}=Paused", f"--timeout={SECONDS}s", timeout=SECONDS)
    kubectl("patch", "afr", "calls", "--type=merge", "-p", '{"spec":{"signal":{"value":true}}}')
    kubectl("wait", "afr/calls", "--for=condition=Finished", f"--timeout={SECONDS}s", timeout=SECONDS)
    found = get_object(kubectl, "afr", "calls")["status"]
    assert found["phase"] == "Succeeded", found
    output = found["output"]
    assert (output["hello"]["status"], output["hello"]["state_name"]) == ("SUCCEEDED", "Hello")
    assert output["curated"]["details"] == {"way": "sync"}
    names = {path: output[path]["Error"] for path in ("refused", "tokenless", "broken", "late")}
    assert names == {
        "refused": "ActionUnableToRun",
        "tokenless": "NoTokenException",
        "broken": "ActionFailedException",
        "late": "ActionTimeout",
    }
    assert output["refused"]["details"]["code"] == "UnauthorizedRequest"
    assert output["broken"]["details"] == {"code": "Broken", "description": "failed on purpose"}
    assert peer.was_told("cancel", output["late"]["action_id"])
    assert peer.was_told("resume", output["inactive"]["action_id"])
    assert output["inactive"]["status"] == "SUCCEEDED"


@pytest.mark.usefixtures("running")
def test_a_provider_that_is_down_for_a_while_loses_nothing(kubectl: Kubectl, peer: Peer) -> None:
    create(kubectl, [at(peer, "before", "async", seconds=5)])
    wait_for(kubectl, "before", lambda item: item.get("status", {}).get("externalId"), SECONDS)
    peer.stop()
    try:
        create(kubectl, [at(peer, "meanwhile", "async", scope=SCOPE)])
        shown = ("no response from", "before"), ("not started yet", "meanwhile")
        for text, name in shown:
            wait_for(kubectl, name, lambda item, text=text: text in item.get("status", {}).get("message", ""), SECONDS)
    finally:
        peer.start()
    for name in ("before", "meanwhile"):
        found = ended(kubectl, name, "Succeeded")
        assert peer.started(found["metadata"]["uid"]) == 1


def test_one_action_is_started_however_often_the_operator_is_killed(
    kubectl: Kubectl, peer: Peer, operators: Operators
) -> None:
    """The moments: before the POST is answered, right after the id is known, and while it is polled."""
    operators.start(SETTINGS)
    create(kubectl, [at(peer, "killed", "slow", seconds=8)])
    uid = get(kubectl, "killed")["metadata"]["uid"]
    wait_until(lambda: peer.started(uid) == 1, timeout=SECONDS, what="the POST")
    assert not get(kubectl, "killed").get("status", {}).get("externalId")
    operators.kill()  # the provider has it, and nobody knows its id
    operators.start(SETTINGS)
    wait_for(kubectl, "killed", lambda item: item.get("status", {}).get("externalId"), SECONDS)
    operators.kill()  # the id is on record
    operators.start(SETTINGS)
    found = ended(kubectl, "killed", "Succeeded")
    operators.kill()
    assert peer.started(uid) == 1
    assert found["status"]["attempt"] == 1
    assert condition(found, "Finished")["reason"] == "Completed"


LIES: dict[str, tuple[Any, str]] = {
    "page": (says("<html>hello</html>", content_type="text/html"), "ActionUnableToRun"),
    "nothing": (says({}), "ActionUnableToRun"),
    "status": (says({"action_id": "x", "status": "DONE", "details": {}}), "ActionUnableToRun"),
    "refused": (says("<html>no</html>", 403, content_type="text/html"), "ActionUnableToRun"),
    "forgets": (says({"action_id": "x", "status": "ACTIVE", "details": {}}), "ActionFailedException"),
}


@pytest.mark.usefixtures("running")
def test_a_provider_that_lies_ends_only_its_own_actions(kubectl: Kubectl) -> None:
    with _serving() as url:
        create(kubectl, [action(name, "globus", {"url": f"{url}/{name}", "poll": SOON}) for name in LIES])
        for name, (_, code) in LIES.items():
            assert ended(kubectl, name, "Failed")["status"]["error"]["code"] == code, name


class _serving:  # noqa: N801 - read as a sentence
    """A hostile server in a loop and thread of its own."""

    def __enter__(self) -> str:
        self._loop = asyncio.new_event_loop()
        self._server = HttpServer()
        for name, (answer, _) in LIES.items():
            self._server.on(f"POST /{name}/run", answer)
            self._server.on(f"GET /{name}", hangs_up)
        self._loop.run_until_complete(self._server.__aenter__())
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        return self._server.url

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._server.__aexit__())
        self._loop.close()
