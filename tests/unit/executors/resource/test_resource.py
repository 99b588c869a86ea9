"""``resource``: any object by its own conditions; what cannot be is refused before anything is created."""

from typing import Any

import pytest

from support.children import ChildCluster, condition, pod_of
from support.runs import Watched, later, run, toolbox
from taskaction.api.enums import Phase
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import CONFIG_MAPS, JOBS, LEASES, NAMESPACES, PODS, Body, Resource
from taskaction.cluster.memory.cluster import DEPLOYMENTS
from taskaction.core.names import child_name
from taskaction.executors.resource import ResourceExecutor
from taskaction.executors.resource.model import ResourceParameters
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.plugin.errors import AccessDeniedError, InvalidParametersError
from taskaction.plugin.json_schema import model_problem

MAP: Body = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}}
LEASE: Body = {"apiVersion": LEASES.api_version, "kind": "Lease"}
DEPLOYMENT: Body = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 2}}
POD: Body = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "main", "image": "busybox"}]}}
JOB: Body = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "spec": {
        "selector": {"matchLabels": {"of": "the-job"}},
        "template": {"metadata": {"labels": {"team": "blue"}}, "spec": POD["spec"]},
    },
}
NAMESPACE: Body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine"}}


class House:
    """One action of the executor."""

    def __init__(self, manifest: Body, **parameters: Any) -> None:
        self.cluster, self.watched = ChildCluster(), Watched()
        self.executor = ResourceExecutor.build(toolbox(self.cluster, followed=self.watched))
        self.run = run({"manifest": manifest, **parameters}, service_account="robot")

    async def execute(self) -> Outcome:
        return await self.executor.execute(self.run)

    async def looked(self, resource: Resource, passed: float = 5, **status: Any) -> Outcome:
        body = self.cluster.only(resource)
        self.cluster.report(resource, body, **status)
        return await self.executor.poll(later(self.run, passed, external_id=body["metadata"]["name"]))


# -- what is created ---------------------------------------------------------------------------------------------------


async def test_the_manifest_is_created_as_it_is_with_the_attempts_marks() -> None:
    house = House(MAP | {"metadata": {"labels": {"team": "blue"}, "annotations": {"note": "x"}}})
    await house.execute()
    body = house.cluster.only(CONFIG_MAPS)
    assert (body["apiVersion"], body["kind"], body["data"]) == ("v1", "ConfigMap", {"a": "1"})
    metadata = body["metadata"]
    assert (metadata["name"], metadata["namespace"]) == (child_name("one", "uid-1", 1), "team")
    assert metadata["annotations"] == {"note": "x"}
    assert (metadata["labels"]["team"], metadata["labels"]["taskaction.dev/attempt"]) == ("blue", "1")
    assert metadata["ownerReferences"][0]["uid"] == "uid-1"


async def test_a_name_of_the_users_own_is_kept() -> None:
    house = House(MAP | {"metadata": {"name": "settings"}})
    await house.execute()
    assert house.cluster.only(CONFIG_MAPS)["metadata"]["name"] == "settings"


async def test_what_is_not_owned_may_be_elsewhere_and_has_no_owner() -> None:
    house = House(MAP | {"metadata": {"name": "settings", "namespace": "other"}}, owned=False)
    await house.execute()
    metadata = house.cluster.only(CONFIG_MAPS)["metadata"]
    assert metadata["namespace"] == "other"
    assert "ownerReferences" not in metadata
    await house.executor.cancel(house.run)
    assert house.cluster.of(CONFIG_MAPS) == []


async def test_what_is_the_clusters_has_no_namespace() -> None:
    house = House(NAMESPACE, owned=False)
    await house.execute()
    metadata = house.cluster.only(NAMESPACES)["metadata"]
    assert "namespace" not in metadata
    assert metadata["labels"]["taskaction.dev/uid"] == "uid-1"


@pytest.mark.parametrize(
    ("parameters", "config", "external"),
    [({}, {}, False), ({"owned": False}, {}, True), ({}, {"owned": False}, True), ({"owned": False}, {"x": 1}, False)],
    ids=["owned", "not owned", "a provider's that is not owned", "a provider's that is"],
)
def test_only_what_nothing_owns_has_to_be_deleted_by_the_operator(parameters, config, external) -> None:
    assert ResourceExecutor.build(toolbox()).traits(parameters, config).external_effect is external


# -- how it stands -----------------------------------------------------------------------------------------------------


async def test_what_has_only_to_be_there_is_done_when_it_is_there() -> None:
    outcome = await House(MAP, output="data.a").execute()
    assert outcome == Succeeded(output="1", message=f"ConfigMap {child_name('one', 'uid-1', 1)!r} was created")


async def test_it_waits_for_what_the_kind_is_known_by_and_says_what_is_missing() -> None:
    house = House(DEPLOYMENT)
    await house.execute()
    waits = await house.looked(DEPLOYMENTS, conditions=[condition("Available", "False", reason="MinimumReplicas")])
    assert isinstance(waits, Pending)
    assert waits.message.endswith(": condition Available is False (MinimumReplicas)")
    assert await house.looked(DEPLOYMENTS, conditions=[condition("Available")]) == Succeeded()


async def test_what_the_user_says_goes_before_what_is_known() -> None:
    checks = {
        "success": [{"field": {"path": "status.readyReplicas", "equals": 2}}],
        "failure": [{"field": {"path": "status.state", "equals": ["Broken", "Lost"]}}],
    }
    house = House(DEPLOYMENT, output="status.readyReplicas", **checks)
    await house.execute()
    progressing = condition("Progressing", "False")
    assert isinstance(await house.looked(DEPLOYMENTS, conditions=[condition("Available"), progressing]), Pending)
    failed = await house.looked(DEPLOYMENTS, state="Lost")
    assert isinstance(failed, Failed)
    assert failed.code == "DeploymentFailed"
    assert failed.message.endswith(": status.state is 'Lost'")
    assert await house.looked(DEPLOYMENTS, readyReplicas=2) == Succeeded(output=2)


async def test_a_failure_goes_before_a_success() -> None:
    house = House(DEPLOYMENT)
    await house.execute()
    both = [condition("Available"), condition("Progressing", "False", reason="ProgressDeadlineExceeded")]
    assert isinstance(await house.looked(DEPLOYMENTS, conditions=both), Failed)


async def test_a_suspended_object_has_not_started_and_says_so() -> None:
    house = House(DEPLOYMENT | {"spec": {"replicas": 2, "paused": True}})
    outcome = await house.execute()
    assert isinstance(outcome, Pending)
    assert outcome.phase is Phase.INITIALIZING
    assert outcome.message.endswith(" is suspended: spec.paused is True")
    assert await house.looked(DEPLOYMENTS, conditions=[condition("Available")]) == Succeeded()


async def test_a_pod_that_was_ended_has_not_succeeded() -> None:
    house = House(POD, output="status.phase")
    await house.execute()
    disrupted = condition("DisruptionTarget", reason="EvictionByEvictionAPI", message="drained")
    outcome = await house.looked(PODS, phase="Succeeded", conditions=[disrupted])
    assert isinstance(outcome, Failed)
    assert outcome.code == "EvictionByEvictionAPI"


COMPLETE: Body = {"succeeded": 1, "conditions": [condition("Complete")]}
GAVE_UP: Body = {"failed": 1, "conditions": [condition("Failed", reason="BackoffLimitExceeded", message="why")]}
STOPPED = {"deletionTimestamp": "2026-01-01T12:00:30Z", "deletionGracePeriodSeconds": 30}
ENDS = {
    "a pod that was stopped": (COMPLETE, "Succeeded", STOPPED, "PodDeleted"),
    "a pod that failed": (GAVE_UP, "Failed", {}, "ContainerFailed"),
    "a pod that failed when it was stopped": (GAVE_UP, "Failed", STOPPED, "PodDeleted"),
    "a pod that succeeded": (COMPLETE, "Succeeded", {}, ""),
}


async def test_the_pods_of_a_job_can_be_found() -> None:
    house = House(JOB)
    await house.execute()
    labels = house.cluster.only(JOBS)["spec"]["template"]["metadata"]["labels"]
    assert labels == {"team": "blue"} | house.cluster.only(JOBS)["metadata"]["labels"]


@pytest.mark.parametrize("spec", [{}, {"template": None}, {"template": {"metadata": []}}, {"template": "x"}, None, 1])
async def test_a_job_without_a_template_is_left_to_the_api_server(spec: object) -> None:
    house = House(JOB | {"spec": spec})
    await house.execute()
    assert house.cluster.only(JOBS)["spec"] == spec


@pytest.mark.parametrize("is_seen", [True, False], ids=["seen", "read"])
@pytest.mark.parametrize(("status", "phase", "metadata", "code"), ENDS.values(), ids=ENDS)
async def test_r14_the_pods_of_a_job_tell_how_it_ended(
    status: Body, phase: str, metadata: Body, code: str, is_seen: bool
) -> None:
    house = House(JOB)
    await house.execute()
    pod = pod_of(house.cluster.only(JOBS), 1, phase, **metadata)
    pod["metadata"]["labels"] = pod["metadata"]["labels"] | {"of": "the-job"}
    if is_seen:
        house.watched.put(pod)
    else:
        house.cluster.store(PODS, pod)
    outcome = await house.looked(JOBS, **status)
    assert (outcome.code if isinstance(outcome, Failed) else "") == code
    assert isinstance(outcome, Failed | Succeeded)
    assert house.cluster.count("list") == int(not is_seen)


EXPRESSIONS: Body = {"matchExpressions": [{"key": "team", "operator": "Exists"}]}


@pytest.mark.parametrize("selector", [EXPRESSIONS, EXPRESSIONS | {"matchLabels": {}}], ids=["absent", "empty"])
async def test_pods_of_a_job_whose_selector_has_no_labels_are_found(selector: Body) -> None:
    house = House(JOB | {"spec": JOB["spec"] | {"manualSelector": True, "selector": selector}})
    await house.execute()
    house.cluster.store(PODS, pod_of(house.cluster.only(JOBS), 1, "Failed"))
    outcome = await house.looked(JOBS, **GAVE_UP)
    assert isinstance(outcome, Failed)
    assert outcome.code == "ContainerFailed"


async def test_a_job_whose_pods_may_not_be_listed_ends_as_its_own_status_says() -> None:
    house = House(JOB)
    await house.execute()
    denied = ForbiddenError('pods is forbidden: User "system:serviceaccount:team:robot" cannot list resource "pods"')
    house.cluster.fail("list", denied, denied)
    outcome = await house.looked(JOBS, **GAVE_UP)
    assert isinstance(outcome, Failed)
    assert outcome.code == "JobFailed"
    assert "condition Failed is True (BackoffLimitExceeded: why)" in outcome.message
    assert "may not list pods in namespace 'team': kubectl create role NAME" in outcome.message
    assert await house.looked(JOBS, **COMPLETE) == Succeeded()


async def test_pods_of_a_job_do_not_count_beside_checks_of_the_user() -> None:
    house = House(JOB, success=[{"field": {"path": "status.succeeded", "equals": 1}}], failure=[])
    await house.execute()
    house.watched.put(pod_of(house.cluster.only(JOBS), 1, "Succeeded", **STOPPED))
    assert await house.looked(JOBS, **COMPLETE) == Succeeded()


async def test_a_pod_has_the_output_that_the_user_names() -> None:
    house = House(POD, output="status.podIP")
    await house.execute()
    ended = {"name": "main", "state": {"terminated": {"exitCode": 0, "message": "1e400"}}}
    outcome = await house.looked(PODS, phase="Succeeded", podIP="10.0.0.1", containerStatuses=[ended])
    assert outcome == Succeeded(output="10.0.0.1")


async def test_one_that_somebody_deletes_fails_as_such() -> None:
    house = House(DEPLOYMENT)
    await house.execute()
    body = house.cluster.only(DEPLOYMENTS)
    body["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:01Z"
    house.cluster.store(DEPLOYMENTS, body)
    outcome = await house.looked(DEPLOYMENTS)
    assert isinstance(outcome, Failed)
    assert outcome.code == "DeploymentDeleted"


@pytest.mark.parametrize(("passed", "wait"), [(0, 1.0), (20, 2.0), (200, 20.0), (7200, 30.0)])
async def test_nobody_tells_of_changes_so_the_looks_stay_frequent(passed, wait) -> None:
    house = House(DEPLOYMENT)
    await house.execute()
    outcome = await house.looked(DEPLOYMENTS, passed)
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == wait


# -- kinds -------------------------------------------------------------------------------------------------------------


async def test_which_kinds_are_served_is_asked_once() -> None:
    house = House(DEPLOYMENT)
    for _ in range(3):
        await house.execute()
    assert house.cluster.count("kinds") == 1


async def test_an_api_server_that_cannot_say_its_kinds_for_now_is_waited_for() -> None:
    house = House(DEPLOYMENT)
    house.cluster.fail("kinds", UnavailableError("timed out"), UnavailableError("timed out"))
    waits = Pending(poll_after=1.0, message="waiting for the API server: timed out", phase=None)
    assert await house.execute() == waits
    assert await house.executor.poll(house.run) == waits
    assert isinstance(await house.executor.poll(house.run), Pending)
    assert house.cluster.only(DEPLOYMENTS)


# -- refused -----------------------------------------------------------------------------------------------------------

IMPOSSIBLE = {
    "a kind that nobody knows": (
        {"apiVersion": "none.example/v1", "kind": "Thing"},
        "manifest: the API server does not know kind 'Thing' of 'none.example/v1': install its Custom",
    ),
    "a kind whose end nobody knows": (LEASE, "success: kind Lease has no default"),
    "another namespace": (
        MAP | {"metadata": {"namespace": "other"}},
        "owned: an action cannot own an object in another namespace; set owned to false",
    ),
    "the whole cluster": (
        NAMESPACE,
        "owned: an action cannot own a cluster-scoped object; set owned to false",
    ),
}


@pytest.mark.parametrize(("manifest", "told"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
async def test_what_cannot_be_is_refused_before_anything_is_created(manifest: Body, told: str) -> None:
    house = House(manifest)
    with pytest.raises(InvalidParametersError) as refusal:
        await house.execute()
    assert str(refusal.value).startswith(told)
    assert house.cluster.count("create") == 0


ELSEWHERE = (
    "may not create configmaps in namespace 'other': "
    "kubectl create role NAME --verb=create,get,list,delete --resource=configmaps -n other; "
    "kubectl create rolebinding NAME --role=NAME --serviceaccount=team:robot -n other"
)
EVERYWHERE = (
    "may not create namespaces in the whole cluster: "
    "kubectl create clusterrole NAME --verb=create,get,list,delete --resource=namespaces; "
    "kubectl create clusterrolebinding NAME --clusterrole=NAME --serviceaccount=team:robot"
)


@pytest.mark.parametrize(
    ("manifest", "mend"),
    [(MAP | {"metadata": {"name": "settings", "namespace": "other"}}, ELSEWHERE), (NAMESPACE, EVERYWHERE)],
    ids=["in another namespace", "in the cluster"],
)
async def test_a_missing_right_is_mended_where_the_object_is(manifest: Body, mend: str) -> None:
    house = House(manifest, owned=False)
    denied = 'configmaps is forbidden: User "system:serviceaccount:team:robot" cannot create resource "configmaps"'
    house.cluster.fail("create", ForbiddenError(denied))
    with pytest.raises(AccessDeniedError) as refusal:
        await house.execute()
    assert str(refusal.value) == f"ServiceAccount 'robot' {mend}"


WHERE = "spec.parameters"
REFUSED = {
    "nothing": ({}, f"{WHERE}.manifest: "),
    "a list": ({"manifest": [MAP]}, f"{WHERE}.manifest: "),
    "no kind": ({"manifest": {"apiVersion": "v1"}}, f"{WHERE}.manifest.kind: "),
    "no apiVersion": ({"manifest": {"kind": "Pod"}}, f"{WHERE}.manifest.apiVersion: "),
    "a kind that leads elsewhere": ({"manifest": MAP | {"kind": "../Secret"}}, f"{WHERE}.manifest.kind: "),
    "a version that leads elsewhere": ({"manifest": MAP | {"apiVersion": "../v1"}}, f"{WHERE}.manifest.apiVersion: "),
    "an owner of one's own": (
        {"manifest": MAP | {"metadata": {"ownerReferences": []}}},
        f"{WHERE}.manifest.metadata.ownerReferences: ",
    ),
    "a name that the API server makes up": (
        {"manifest": MAP | {"metadata": {"generateName": "x-"}}},
        f"{WHERE}.manifest.metadata.generateName: ",
    ),
    "an empty name": ({"manifest": MAP | {"metadata": {"name": ""}}}, f"{WHERE}.manifest.metadata.name: "),
    "a label that is no text": (
        {"manifest": MAP | {"metadata": {"labels": {"a": 1}}}},
        f"{WHERE}.manifest.metadata.labels.a: ",
    ),
    "a check of nothing": ({"manifest": MAP, "success": [{}]}, "set exactly one of condition and field"),
    "a check of two things": (
        {"manifest": MAP, "failure": [{"condition": {"type": "A"}, "field": {"path": "b", "equals": 1}}]},
        "set exactly one of condition and field",
    ),
    "a condition without a type": (
        {"manifest": MAP, "success": [{"condition": {"status": "True"}}]},
        f"{WHERE}.success.0.condition.type: ",
    ),
    "more checks than make sense": (
        {"manifest": MAP, "success": [{"condition": {"type": "A"}}] * 17},
        f"{WHERE}.success: ",
    ),
    "a misspelt field": ({"manifest": MAP, "sucess": []}, f"{WHERE}.sucess: "),
}


@pytest.mark.parametrize(("parameters", "told"), REFUSED.values(), ids=REFUSED)
def test_wrong_parameters_are_named(parameters: Body, told: str) -> None:
    assert told in str(model_problem(ResourceParameters, parameters, WHERE))
