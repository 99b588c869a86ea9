"""What a Job comes to: outputs and reasons are its pods', as the watch has shown them or as the API server has them."""

from typing import Any

import pytest

from support.children import ChildCluster, condition, pod_of
from support.runs import Watched, later, run, toolbox
from taskaction.api.enums import ErrorKind, Phase, RetryClass
from taskaction.api.task_action import Progress
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import JOBS, PODS, Body
from taskaction.executors.workloads.job import JobExecutor
from taskaction.lifecycle.outcomes import Failed, Outcome, Pending, Succeeded, Work

COMPLETE = condition("Complete")
INDEX = "batch.kubernetes.io/job-completion-index"
EARLIER = [{"kind": "Job", "uid": "uid-of-the-attempt-before"}]
DENIED = 'pods is forbidden: User "system:serviceaccount:team:default" cannot list resource "pods"'


class House:
    """A Job that has been created, and where its pods are seen or stored."""

    def __init__(self, **spec: Any) -> None:
        self.cluster, self.watched_paths = ChildCluster(), Watched()
        self.run = run({"image": "busybox", "spec": spec})
        self.executor = JobExecutor.build(toolbox(self.cluster, followed=self.watched_paths))

    async def started(self) -> Body:
        await self.executor.execute(self.run)
        return self.cluster.only(JOBS)

    async def looked(self, passed: float = 5, **status: Any) -> Outcome:
        """Give what comes of a look at the Job in this status."""
        job = self.cluster.only(JOBS)
        self.cluster.report(JOBS, job, **status)
        return await self.executor.poll(later(self.run, passed, external_id=job["metadata"]["name"]))


def indexed(job: Body, index: int, message: str) -> Body:
    return pod_of(job, 100 - index, "Succeeded", message, annotations={INDEX: str(index)})


# -- success -----------------------------------------------------------------------------------------------------------


async def test_the_output_is_that_of_the_pod_that_was_seen() -> None:
    house = House()
    house.watched_paths.put(pod_of(await house.started(), 1, "Succeeded", '{"rows": 3}'))
    assert await house.looked(succeeded=1, conditions=[COMPLETE]) == Succeeded(output={"rows": 3})
    assert house.cluster.count("list") == 0


@pytest.mark.parametrize("is_seen", [True, False])
async def test_a_pod_that_only_has_the_labels_of_the_job_s_says_nothing(is_seen: bool) -> None:
    house = House()
    job = await house.started()
    forged = pod_of(job, 9, "Succeeded", "666", ownerReferences=[{"kind": "Job", "uid": "uid-of-another"}])
    house.cluster.store(PODS, forged)
    house.cluster.store(PODS, pod_of(job, 1, "Succeeded", "7"))
    if is_seen:
        house.watched_paths.put(forged)
    assert await house.looked(succeeded=1, conditions=[COMPLETE]) == Succeeded(output=7)


async def test_a_pod_that_was_not_seen_is_looked_for() -> None:
    house = House()
    job = await house.started()
    house.cluster.store(PODS, pod_of(job, 1, "Failed", "first try"))
    house.cluster.store(PODS, pod_of(job, 2, "Succeeded", "7"))
    assert await house.looked(succeeded=1, conditions=[COMPLETE]) == Succeeded(output=7)
    assert house.cluster.count("list") == 1


async def test_several_completions_give_a_list_in_the_order_of_their_indices() -> None:
    house = House(completions=11, completionMode="Indexed")
    job = await house.started()
    for index in range(11):
        house.watched_paths.put(indexed(job, index, str(index)))
    assert await house.looked(succeeded=11, conditions=[COMPLETE]) == Succeeded(output=list(range(11)))


async def test_where_not_all_pods_were_seen_all_are_read() -> None:
    house = House(completions=2, completionMode="Indexed")
    job = await house.started()
    house.watched_paths.put(indexed(job, 1, "b"))
    for index, text in enumerate("ab"):
        house.cluster.store(PODS, indexed(job, index, text))
    assert await house.looked(succeeded=2, conditions=[COMPLETE]) == Succeeded(output=["a", "b"])


@pytest.mark.parametrize("completions", [1, 2])
async def test_pods_that_left_nothing_behind_give_no_output(completions) -> None:
    house = House(completions=completions)
    job = await house.started()
    for number in range(completions):
        house.watched_paths.put(pod_of(job, number, "Succeeded"))
    assert await house.looked(succeeded=completions, conditions=[COMPLETE]) == Succeeded(output=None)


async def test_more_completions_than_a_status_has_room_for_are_not_read() -> None:
    house = House(completions=65)
    await house.started()
    assert await house.looked(succeeded=65, conditions=[COMPLETE]) == Succeeded(output=None)
    assert house.cluster.count("list") == 0


async def test_pods_of_an_earlier_attempt_have_no_say() -> None:
    house = House()
    job = await house.started()
    earlier = pod_of(job, 1, "Succeeded", "old", ownerReferences=EARLIER)
    house.watched_paths.put(earlier)
    house.cluster.store(PODS, earlier)
    house.cluster.store(PODS, pod_of(job, 2, "Succeeded", "new"))
    assert await house.looked(succeeded=1, conditions=[COMPLETE]) == Succeeded(output="new")


async def test_a_success_is_not_lost_where_its_pods_cannot_be_read_for_now() -> None:
    house = House()
    house.cluster.store(PODS, pod_of(await house.started(), 1, "Succeeded", "7"))
    house.cluster.fail("list", UnavailableError("timed out"))
    outcome = await house.looked(succeeded=1, conditions=[COMPLETE])
    assert outcome == Pending(poll_after=5.0, message="waiting for the API server: timed out", phase=None)
    assert await house.looked(6, succeeded=1, conditions=[COMPLETE]) == Succeeded(output=7)


# -- failure -----------------------------------------------------------------------------------------------------------

FAILED = condition("Failed", reason="BackoffLimitExceeded", message="Job has reached the specified backoff limit")


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "read"])
async def test_a_failure_is_told_by_the_youngest_pod_that_failed(seen) -> None:
    house = House(backoffLimit=1)
    job = await house.started()
    pods = [
        pod_of(job, 1, "Failed", "second", creationTimestamp="2026-01-01T12:00:30Z"),
        pod_of(job, 2, "Failed", "first", creationTimestamp="2026-01-01T12:00:10Z"),
    ]
    for pod in pods:
        if seen:
            house.watched_paths.put(pod)
        else:
            house.cluster.store(PODS, pod)
    outcome = await house.looked(failed=2, conditions=[FAILED])
    assert isinstance(outcome, Failed)
    assert outcome.code == "ContainerFailed"
    assert outcome.message.endswith("exited with code 1: second")


async def test_an_eviction_of_its_pod_is_the_clusters_failure() -> None:
    house = House()
    pod = pod_of(await house.started(), 1, "Failed")
    pod["status"] |= {"reason": "Evicted", "message": "The node was low on resource: memory."}
    house.watched_paths.put(pod)
    outcome = await house.looked(failed=1, conditions=[FAILED])
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.kind, outcome.retry_class) == ("Evicted", ErrorKind.SYSTEM, RetryClass.SYSTEM)


async def test_a_failure_without_a_pod_is_that_of_a_pod_that_was_deleted() -> None:
    house = House()
    await house.started()
    outcome = await house.looked(failed=1, conditions=[FAILED])
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.kind) == ("PodDeleted", ErrorKind.SYSTEM)


async def test_a_pod_that_failed_because_it_was_deleted_was_deleted() -> None:
    house = House()
    house.watched_paths.put(pod_of(await house.started(), 1, "Failed", deletionTimestamp="2026-01-01T12:00:05Z"))
    outcome = await house.looked(failed=1, conditions=[FAILED])
    assert isinstance(outcome, Failed)
    assert outcome.code == "PodDeleted"


async def test_any_other_reason_of_the_jobs_own_is_told() -> None:
    house = House()
    await house.started()
    outcome = await house.looked(conditions=[condition("Failed", reason="FailedIndexes", message="2 of 3 failed")])
    assert isinstance(outcome, Failed)
    assert outcome.code == "JobFailed"
    assert outcome.message.endswith(" failed (FailedIndexes): 2 of 3 failed")


async def test_its_own_deadline_is_a_timeout() -> None:
    house = House(activeDeadlineSeconds=9)
    await house.started()
    outcome = await house.looked(conditions=[condition("Failed", reason="DeadlineExceeded")])
    assert isinstance(outcome, Failed)
    assert (outcome.code, outcome.retry_class) == ("DeadlineExceeded", RetryClass.TIMEOUT)


async def test_a_job_that_somebody_deletes_fails_as_such() -> None:
    house = House()
    job = await house.started()
    job["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:01Z"
    house.cluster.store(JOBS, job)
    outcome = await house.looked(active=1)
    assert isinstance(outcome, Failed)
    assert outcome.code == "JobDeleted"


# -- no end yet --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [condition("Complete", "False"), condition("FailureTarget"), condition("Suspended")])
async def test_a_condition_that_is_no_end_is_none(state) -> None:
    house = House()
    await house.started()
    assert isinstance(await house.looked(active=1, conditions=[state]), Pending)


PROGRESS = {
    "none of several": (4, {"active": 1}, Progress(percent=0, message="0 of 4 completions")),
    "some of several": (3, {"succeeded": 2}, Progress(percent=66, message="2 of 3 completions")),
    "more than were asked for": (2, {"succeeded": 3}, Progress(percent=100, message="3 of 2 completions")),
    "one": (1, {"active": 1}, None),
}


@pytest.mark.parametrize(("completions", "status", "progress"), PROGRESS.values(), ids=PROGRESS)
async def test_several_completions_show_how_far_it_is(completions, status, progress) -> None:
    house = House(completions=completions)
    await house.started()
    outcome = await house.looked(**status)
    assert isinstance(outcome, Pending)
    assert outcome.progress == progress


def stuck(job: Body, reason: str, **metadata: Any) -> Body:
    pod = pod_of(job, 1, "Pending", **metadata)
    pod["status"]["containerStatuses"] = [{"name": "main", "state": {"waiting": {"reason": reason}}}]
    return pod


async def test_what_keeps_its_pod_from_starting_is_shown() -> None:
    house = House()
    house.watched_paths.put(stuck(await house.started(), "ImagePullBackOff"))
    outcome = await house.looked(active=1)
    assert isinstance(outcome, Pending)
    assert outcome.phase is Phase.INITIALIZING
    assert outcome.message.endswith("is waiting: ImagePullBackOff")


async def test_a_pod_that_can_never_start_ends_the_job() -> None:
    house = House()
    pod = stuck(await house.started(), "ErrImageNeverPull")
    house.watched_paths.put(pod)
    house.cluster.store(PODS, pod)
    outcome = await house.looked(active=1)
    assert isinstance(outcome, Failed)
    assert outcome.code == "CannotStart"
    assert house.cluster.of(JOBS) == []


async def test_a_waiting_pod_of_an_earlier_attempt_does_not_end_this_one() -> None:
    house = House()
    house.watched_paths.put(stuck(await house.started(), "ErrImageNeverPull", ownerReferences=EARLIER))
    outcome = await house.looked(active=1)
    assert isinstance(outcome, Pending)
    assert outcome.phase is Phase.RUNNING


# -- pods that may not be listed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("passed", "status"), [(30, {"active": 1}), (601, {}), (601, {"failed": 1})])
async def test_what_a_job_waits_for_is_judged_without_its_pods(passed: float, status: Body) -> None:
    house = House(backoffLimit=1)
    await house.started()
    house.cluster.fail("list", *[ForbiddenError(DENIED)] * 2)
    assert isinstance(await house.looked(passed, **status), Pending)


async def test_r12_a_job_whose_pod_may_work_is_not_taken_for_one_that_never_started() -> None:
    house = House()
    await house.started()
    house.cluster.fail("list", *[ForbiddenError(DENIED)] * 2)
    failed = await house.looked(601, active=1)
    assert isinstance(failed, Failed)
    assert (failed.code, failed.work) == ("Forbidden", Work.ENDED)
    assert "may not list pods in namespace 'team': kubectl create role" in failed.message
    assert house.cluster.of(JOBS) == []


async def test_the_end_of_a_job_is_not_judged_without_its_pods() -> None:
    house = House()
    await house.started()
    house.cluster.fail("list", ForbiddenError(DENIED))
    failed = await house.looked(succeeded=1, conditions=[COMPLETE])
    assert isinstance(failed, Failed)
    assert (failed.code, failed.work) == ("Forbidden", Work.ENDED)
    assert house.cluster.of(JOBS) != []
