"""``pod``, ``job`` and ``resource``: one object for each attempt, whatever goes wrong, and gone when it is aborted."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from support.children import ChildCluster, condition
from support.flyte_tasks import parameters
from support.runs import NOW, Watched, later, run, toolbox
from taskaction.api.enums import ErrorKind, Phase, RetryClass
from taskaction.cluster.errors import (
    ForbiddenError,
    InvalidError,
    NotFoundError,
    QuotaReachedError,
    UnavailableError,
)
from taskaction.cluster.gateway import JOBS, PODS, Body, Resource
from taskaction.cluster.memory.cluster import DEPLOYMENTS
from taskaction.core.names import child_name
from taskaction.executors.acting import QuotaExceededError
from taskaction.executors.child import ChildExecutor
from taskaction.executors.resource import ResourceExecutor
from taskaction.executors.workloads.job import JobExecutor
from taskaction.executors.workloads.pod import PodExecutor
from taskaction.integrations.flyte.executor.executor import FlyteExecutor
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded
from taskaction.plugin.errors import AccessDeniedError, ActionExecutionError, InvalidParametersError
from taskaction.plugin.settings import SettingsReader
from taskaction.testing.clock import FakeClock, settle

IMAGE: Body = {"image": "busybox"}
DEPLOYMENT: Body = {"manifest": {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {}}}
ACCOUNT = "system:serviceaccount:team:robot"
NAME = child_name("one", "uid-1", 1)
AWAY = UnavailableError("timed out")


class House:
    """One executor before a cluster in memory, and one action that it works for."""

    def __init__(self, kind: type[ChildExecutor], parameters: Body, resource: Resource) -> None:
        self.cluster, self.watched_paths, self.clock = ChildCluster(), Watched(), FakeClock()
        self.resource = resource
        self.run = run(parameters, service_account="robot")
        trust = SettingsReader({"TASKACTION_FLYTE_TRUST_EXIT_CODE": "true"})
        tools = replace(toolbox(self.cluster, followed=self.watched_paths, settings=trust), clock=self.clock)
        self.executor = kind.build(tools)

    async def execute(self, **changes: Any) -> Outcome:
        return await self.executor.execute(replace(self.run, **changes))

    async def poll(self, passed: float = 0.0, **changes: Any) -> Outcome:
        """Look again, ``passed`` seconds after the start; the object is known by its name unless ``changes`` say no."""
        return await self.executor.poll(later(self.run, passed, **({"external_id": NAME} | changes)))

    async def started(self) -> Body:
        """Have the object created; give it."""
        outcome = await self.execute()
        assert isinstance(outcome, Pending)
        return self.child

    @property
    def child(self) -> Body:
        return self.cluster.only(self.resource)

    def foreign(self, **metadata: Any) -> Body:
        """Put somebody else's object where the child's place is."""
        body = {"apiVersion": "v1", "kind": self.resource.kind}
        marks = {"name": NAME, "namespace": "team", "creationTimestamp": "2026-01-01T00:00:00Z"} | metadata
        return self.cluster.store(self.resource, body | {"metadata": marks, "status": {"phase": "Succeeded"}})


KINDS: dict[str, tuple[type[ChildExecutor], Body, Resource]] = {
    "pod": (PodExecutor, IMAGE, PODS),
    "flyte": (FlyteExecutor, parameters(), PODS),
    "job": (JobExecutor, IMAGE, JOBS),
    "resource": (ResourceExecutor, DEPLOYMENT, DEPLOYMENTS),
}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def house(request: pytest.FixtureRequest) -> House:
    return House(*request.param)


@pytest.fixture(params=[KINDS["pod"], KINDS["flyte"], KINDS["job"]], ids=["pod", "flyte", "job"])
def workload(request: pytest.FixtureRequest) -> House:
    return House(*request.param)


@pytest.fixture
def pod() -> House:
    return House(*KINDS["pod"])


# -- created once ------------------------------------------------------------------------------------------------------


async def test_it_is_created_with_the_rights_of_the_actions_account(house) -> None:
    outcome = await house.execute()
    assert isinstance(outcome, Pending)
    assert outcome.external_id == house.child["metadata"]["name"] == NAME
    assert house.child["metadata"]["labels"]["taskaction.dev/uid"] == "uid-1"
    assert set(house.cluster.actors) == {("create", ACCOUNT)}


async def test_a_second_call_finds_what_the_first_has_created(house) -> None:
    await house.execute()
    uid = house.child["metadata"]["uid"]
    outcome = await house.execute()
    assert isinstance(outcome, Pending)
    assert house.child["metadata"]["uid"] == uid


async def test_a_name_that_somebody_else_has_is_said(house) -> None:
    house.foreign()
    with pytest.raises(ActionExecutionError, match=f"{house.resource.kind} '{NAME}' already exists and is not this"):
        await house.execute()
    assert house.child["metadata"].get("labels") is None


@pytest.mark.parametrize(
    "labels",
    [
        None,
        {},
        {"taskaction.dev/uid": "uid-2", "taskaction.dev/attempt": "1"},
        {"taskaction.dev/uid": "uid-1", "taskaction.dev/attempt": "1"},
    ],
    ids=["no labels", "none of ours", "another action's", "the action's without its owner"],
)
async def test_an_object_of_somebody_else_is_never_judged(house, labels) -> None:
    house.foreign(**({} if labels is None else {"labels": labels}))
    with pytest.raises(ActionExecutionError, match="is not this action's") as refusal:
        await house.poll(external_id=None)
    assert refusal.value.code == "AlreadyExists"


@pytest.mark.parametrize("uid", ["uid-1", "uid-2"])
async def test_an_object_that_took_the_place_of_the_actions_own_is_not_it(house, uid: str) -> None:
    house.foreign(labels={"taskaction.dev/uid": uid, "taskaction.dev/attempt": "1"})
    outcome = await house.poll()
    assert isinstance(outcome, Failed)
    assert outcome.code == f"{house.resource.kind}Deleted"


async def test_a_name_that_becomes_free_just_then_is_tried_again(house) -> None:
    house.foreign()

    def freed(verb: str, _: str) -> None:
        if verb == "get":
            house.cluster.objects.clear()

    house.cluster.meanwhile = freed
    assert isinstance(await house.execute(), Pending)
    house.cluster.meanwhile = None
    await house.poll(1, external_id=None)
    assert house.child["metadata"]["labels"]["taskaction.dev/uid"] == "uid-1"


@pytest.mark.parametrize("after", [False, True], ids=["nothing arrived", "only the answer was lost"])
async def test_a_creation_without_an_answer_is_repeated_and_has_one_effect(house, after) -> None:
    house.cluster.fail("create", AWAY, after=after)
    outcome = await house.execute()
    assert outcome == Pending(poll_after=1.0, message="waiting for the API server: timed out", phase=None)
    assert len(house.cluster.of(house.resource)) == int(after)
    outcome = await house.poll(1, external_id=None)
    assert isinstance(outcome, Pending)
    assert outcome.external_id == house.child["metadata"]["name"]


@pytest.mark.parametrize("verb", ["create", "get"])
async def test_a_look_without_an_answer_is_repeated(house, verb) -> None:
    house.cluster.fail(verb, AWAY)
    outcome = await house.poll(4, external_id=None)
    assert isinstance(outcome, Pending)
    assert outcome.message == "waiting for the API server: timed out"


# -- refused -----------------------------------------------------------------------------------------------------------


def lacks(verb: str, kinds: str, user: str = ACCOUNT) -> ForbiddenError:
    return ForbiddenError(
        f'{kinds} is forbidden: User "{user}" cannot {verb} resource "{kinds}" in API group "" in the namespace "team"'
    )


POD_SECURITY = ForbiddenError(
    f'pods "{NAME}" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true (pod or container '
    '"main" must set securityContext.runAsNonRoot=true)'
)
QUOTA = QuotaReachedError(
    f'pods "{NAME}" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5'
)
NO_IMPERSONATION = ForbiddenError(
    'serviceaccounts "robot" is forbidden: User "system:serviceaccount:taskaction-system:taskaction" cannot '
    'impersonate resource "serviceaccounts" in API group "" in the namespace "team"'
)


@pytest.mark.parametrize("verb", ["create", "get"])
async def test_a_right_that_the_account_lacks_is_told_with_the_mend(pod, verb) -> None:
    pod.cluster.fail(verb, lacks(verb, "pods"))
    with pytest.raises(AccessDeniedError) as refusal:
        await pod.poll(external_id=None)
    assert str(refusal.value) == (
        f"ServiceAccount 'robot' may not {verb} pods in namespace 'team': "
        "kubectl create role NAME --verb=create,get,list,delete --resource=pods -n team; "
        "kubectl create rolebinding NAME --role=NAME --serviceaccount=team:robot -n team"
    )


async def test_a_name_that_speaks_of_impersonation_is_only_a_name(pod) -> None:
    pod.run = replace(pod.run, name="impersonate")
    pod.cluster.fail("create", ForbiddenError(f'pods "impersonate-1" is forbidden: User "{ACCOUNT}" cannot create …'))
    with pytest.raises(AccessDeniedError, match="ServiceAccount 'robot' may not create pods"):
        await pod.execute()


async def test_a_namespace_that_is_not_open_to_the_operator_is_told(house) -> None:
    house.cluster.fail("create", NO_IMPERSONATION)
    with pytest.raises(AccessDeniedError, match="the operator may not impersonate ServiceAccount 'robot' in namespace"):
        await house.execute()


async def test_what_an_admission_rule_says_is_told_as_it_is(pod) -> None:
    pod.cluster.fail("create", POD_SECURITY)
    with pytest.raises(AccessDeniedError) as refusal:
        await pod.execute()
    assert str(refusal.value) == f"Pod: {POD_SECURITY}"


@pytest.mark.parametrize("namespace", ["kube-system", "taskaction-system"])
async def test_accounts_of_closed_namespaces_are_never_used(house, namespace) -> None:
    with pytest.raises(AccessDeniedError, match=f"actions cannot use accounts of namespace '{namespace}'"):
        await house.execute(namespace=namespace)
    assert house.cluster.actors == []


async def test_a_quota_is_waited_for_as_long_as_a_start_may_take(house) -> None:
    house.cluster.fail("create", QUOTA, QUOTA, QUOTA)
    for passed in (0, 599):
        outcome = await house.poll(passed, external_id=None)
        assert isinstance(outcome, Pending)
        assert "exceeded quota: small" in outcome.message
        assert outcome.phase is Phase.INITIALIZING
        assert outcome.external_id is None
    with pytest.raises(QuotaExceededError, match="exceeded quota: small"):
        await house.poll(600, external_id=None)


async def test_an_object_of_an_earlier_call_is_found_although_the_quota_is_used_up_by_it(house) -> None:
    await house.started()
    house.cluster.fail("create", QUOTA)
    outcome = await house.execute()
    assert isinstance(outcome, Pending)
    assert outcome.external_id == NAME


REFUSALS = [
    InvalidError('Pod "x" is invalid: spec.containers[0].image: Required value'),
    NotFoundError('namespaces "team" not found'),
]


@pytest.mark.parametrize("error", REFUSALS, ids=["invalid", "no namespace"])
async def test_what_the_api_server_can_never_take_is_not_tried_again(house, error) -> None:
    house.cluster.fail("create", error)
    with pytest.raises(InvalidParametersError) as refusal:
        await house.execute()
    assert str(error) in str(refusal.value)
    assert refusal.value.RETRY_CLASS is None


# -- followed ----------------------------------------------------------------------------------------------------------


async def test_what_the_watch_has_shown_is_not_read_again(workload) -> None:
    body = await workload.started()
    workload.watched_paths.put(body)
    assert isinstance(await workload.poll(5), Pending)
    assert workload.cluster.count("get") == 0
    assert isinstance(await workload.poll(6), Pending)
    assert workload.cluster.count("get") == 1


async def test_a_resource_is_always_read_since_the_watch_keeps_no_spec() -> None:
    manifest = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": []}}
    house = House(ResourceExecutor, {"manifest": manifest, "output": "spec.nodeName"}, PODS)
    body = await house.started()
    house.cluster.store(PODS, body | {"spec": {"nodeName": "n1"}, "status": {"phase": "Succeeded"}})
    house.watched_paths.put({name: part for name, part in house.child.items() if name != "spec"})
    assert await house.poll(1) == Succeeded(output="n1")


@pytest.mark.parametrize("passed", [0, 7, 3600])
async def test_what_the_watch_tells_of_is_looked_at_once_a_minute_all_the_same(workload, passed) -> None:
    body = await workload.started()
    workload.cluster.report(workload.resource, body, phase="Running", ready=1)
    outcome = await workload.poll(passed)
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == 60.0


async def test_the_last_look_before_the_start_timeout_is_on_time(workload) -> None:
    await workload.started()
    outcome = await workload.poll(10 * 60 - 7, initializing_since=NOW)
    assert isinstance(outcome, Pending)
    assert outcome.poll_after == 7.0


async def test_one_that_somebody_has_deleted_is_a_failure_of_the_platform(house) -> None:
    await house.started()
    house.cluster.objects.clear()
    outcome = await house.poll(5)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.kind, outcome.retry_class) == (
        f"{house.resource.kind}Deleted",
        ErrorKind.SYSTEM,
        RetryClass.SYSTEM,
    )
    assert house.cluster.of(house.resource) == []


async def test_one_that_nobody_is_known_to_have_created_is_created(house) -> None:
    outcome = await house.poll(5, external_id=None)
    assert isinstance(outcome, Pending)
    assert outcome.external_id == house.child["metadata"]["name"]


async def test_the_object_of_an_earlier_attempt_makes_way() -> None:
    manifest = DEPLOYMENT["manifest"] | {"metadata": {"name": "web"}}
    house = House(ResourceExecutor, {"manifest": manifest}, DEPLOYMENTS)
    first = await house.started()
    house.run = replace(house.run, attempt=2)
    outcome = await house.execute()
    assert isinstance(outcome, Pending)
    assert outcome.message == "waiting until Deployment 'web' of an earlier attempt is deleted"
    assert outcome.external_id is None
    assert house.cluster.of(DEPLOYMENTS) == []
    await house.poll(1, external_id=None)
    assert house.child["metadata"]["labels"]["taskaction.dev/attempt"] == "2"
    assert house.child["metadata"]["uid"] != first["metadata"]["uid"]


# -- aborted -----------------------------------------------------------------------------------------------------------


async def test_an_abort_deletes_it(house) -> None:
    await house.started()
    await house.executor.cancel(house.run)
    assert house.cluster.of(house.resource) == []
    assert ("delete", ACCOUNT) in house.cluster.actors


async def test_an_abort_is_over_only_when_it_is_gone(house) -> None:
    await house.started()
    house.cluster.lingering = True
    cancel = asyncio.create_task(house.executor.cancel(house.run))
    await house.clock.advance(30)
    assert not cancel.done()
    house.cluster.drop(house.resource, NAME, "team")
    await house.clock.advance(1)
    assert cancel.done()
    assert cancel.exception() is None


async def test_an_abort_does_not_wait_for_a_namesake(house) -> None:
    await house.started()
    house.cluster.lingering = True
    cancel = asyncio.create_task(house.executor.cancel(house.run))
    await settle()
    house.foreign(uid="another")
    await house.clock.advance(1)
    assert cancel.done()
    assert cancel.exception() is None
    assert house.child["metadata"]["uid"] == "another"


async def test_an_abort_leaves_what_is_somebody_elses(house) -> None:
    house.foreign()
    await house.executor.cancel(house.run)
    assert house.cluster.count("delete") == 0


async def test_an_abort_of_what_was_never_created_has_nothing_to_do(house) -> None:
    await house.executor.cancel(house.run)
    assert house.cluster.count("delete") == 0


async def test_an_abort_that_could_not_be_told_says_so(house) -> None:
    await house.started()
    house.cluster.fail("delete", AWAY)
    with pytest.raises(UnavailableError):
        await house.executor.cancel(house.run)


# -- how long a start may take -----------------------------------------------------------------------------------------


async def test_one_that_does_not_start_in_time_fails_and_leaves_nothing(workload) -> None:
    await workload.started()
    assert isinstance(await workload.poll(599, initializing_since=NOW), Pending)
    outcome = await workload.poll(600, initializing_since=NOW)
    why = "has no pods" if workload.resource is JOBS else "is still starting"
    assert outcome == Failed(
        code="StartTimeout",
        message=f"nothing started within startTimeout (10m): {workload.resource.kind} {NAME!r} {why}",
    )
    assert workload.cluster.of(workload.resource) == []


async def test_how_long_a_start_may_take_is_the_actions_choice(pod) -> None:
    pod.run = replace(pod.run, parameters=IMAGE | {"startTimeout": "1m"})
    await pod.started()
    assert isinstance(await pod.poll(59), Pending)
    assert isinstance(await pod.poll(60), Failed)


async def test_a_wait_is_not_longer_than_its_attempt_although_times_of_creation_are_cut_to_seconds(pod) -> None:
    late = pod.run.started_at + timedelta(milliseconds=974)
    pod.run = replace(pod.run, parameters=IMAGE | {"startTimeout": "1s"}, started_at=late)
    await pod.started()  # created at the beginning of that second, as its object says
    assert isinstance(await pod.poll(1.022), Pending)
    assert isinstance(await pod.poll(1.974), Failed)


async def test_one_that_runs_may_take_its_time(workload) -> None:
    body = await workload.started()
    workload.cluster.report(workload.resource, body, phase="Running", ready=1)
    outcome = await workload.poll(3600)
    assert isinstance(outcome, Pending)
    assert outcome.phase is Phase.RUNNING


async def test_what_keeps_a_pod_from_starting_is_shown(pod) -> None:
    state = {"waiting": {"reason": "ImagePullBackOff", "message": "back-off"}}
    pod.cluster.report(PODS, await pod.started(), phase="Pending", containerStatuses=[{"name": "main", "state": state}])
    outcome = await pod.poll(5)
    assert isinstance(outcome, Pending)
    assert outcome.phase is Phase.INITIALIZING
    assert outcome.message == f"container 'main' of pod {NAME!r} is waiting: ImagePullBackOff: back-off"
    late = await pod.poll(600)
    assert isinstance(late, Failed)
    assert (late.code, late.message) == ("ImageNotPulled", f"no image within imageTimeout (3m): {outcome.message}")


async def test_what_can_never_start_fails_at_once(pod) -> None:
    state = {"waiting": {"reason": "InvalidImageName"}}
    pod.cluster.report(PODS, await pod.started(), phase="Pending", containerStatuses=[{"name": "main", "state": state}])
    outcome = await pod.poll(5)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retry_class) == ("CannotStart", None)
    assert pod.cluster.of(PODS) == []


# -- a pod's end -------------------------------------------------------------------------------------------------------


def terminated(code: int, message: str = "") -> Body:
    return {"name": "main", "state": {"terminated": {"exitCode": code, "message": message}}}


async def test_a_pod_that_succeeds_gives_its_output(pod) -> None:
    pod.cluster.report(PODS, await pod.started(), phase="Succeeded", containerStatuses=[terminated(0, "[1]")])
    assert await pod.poll(5) == Succeeded(output=[1])


async def test_a_pod_that_fails_stays_for_its_log(pod) -> None:
    pod.cluster.report(PODS, await pod.started(), phase="Failed", containerStatuses=[terminated(3, "sorry")])
    outcome = await pod.poll(5)
    assert isinstance(outcome, Failed)
    assert outcome.code == "ContainerFailed"
    assert pod.child["status"]["phase"] == "Failed"


async def test_a_pod_that_failed_because_it_was_deleted_was_deleted(pod) -> None:
    body = await pod.started()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:05Z"
    pod.cluster.report(PODS, body, phase="Failed", containerStatuses=[terminated(143)])
    outcome = await pod.poll(5)
    assert isinstance(outcome, Failed)
    assert outcome.code == "PodDeleted"


async def test_a_pod_that_was_deleted_for_another_says_so(pod) -> None:
    body = await pod.started()
    body["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:05Z"
    preempted = condition("DisruptionTarget", reason="PreemptionByScheduler", message="made room")
    pod.cluster.report(PODS, body, phase="Failed", conditions=[preempted], containerStatuses=[terminated(143)])
    outcome = await pod.poll(5)
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.kind) == ("PreemptionByScheduler", ErrorKind.SYSTEM)


async def test_the_deadline_bounds_the_pod_itself(pod) -> None:
    pod.run = replace(pod.run, deadline=NOW + timedelta(minutes=1))
    assert (await pod.started())["spec"]["activeDeadlineSeconds"] == 120


def test_wrong_parameters_never_reach_the_cluster(house) -> None:
    call = replace(house.run, parameters=house.run.parameters | {"nonsense": 1})
    with pytest.raises(InvalidParametersError, match=r"parameters\.nonsense"):
        asyncio.run(house.executor.execute(call))
    assert house.cluster.calls == []
