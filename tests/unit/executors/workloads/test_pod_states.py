"""What a pod's status means: each way in which a kubelet says that a pod waits, runs, succeeded or failed."""

import json
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.json_values import CHANGED, json_values
from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.core.json_values import is_same
from taskaction.executors.verdicts import Bound, Finished, Running, Verdict, Waiting
from taskaction.executors.workloads.pod_failures import pod_failure
from taskaction.executors.workloads.pod_states import output_of, read_pod_state
from taskaction.lifecycle.outcomes import Failed, Succeeded
from taskaction.plugin.errors import InvalidOutputError
from taskaction.testing.conformance_parts import outcome_problem

Body = dict[str, Any]
LONG_LOG = "\n".join(f"line {number}" for number in range(1000)) + "\nno such table: sales\n"


def pod(phase: str | None = None, **status: Any) -> Body:
    return {"metadata": {"name": "p"}, "status": status | ({"phase": phase} if phase else {})}


def container(state: Body, name: str = "main") -> Body:
    return {"name": name, "image": "busybox", "imageID": "", "ready": False, "restartCount": 0, "state": state}


def ended(code: int, message: str = "", reason: str | None = None, name: str = "main") -> Body:
    said = {"exitCode": code, "reason": reason or ("Error" if code else "Completed")}
    return container({"terminated": said | ({"message": message} if message else {})}, name)


def waiting(reason: str, message: str = "", name: str = "main") -> Body:
    return container({"waiting": {"reason": reason} | ({"message": message} if message else {})}, name)


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Body:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def running(name: str = "main", at: str = "2026-01-01T00:00:00Z") -> Body:
    return container({"running": {"startedAt": at}}, name)


SIDECAR = {"initContainers": [{"name": "proxy", "restartPolicy": "Always"}]}


def succeeded(*containers: Body) -> Body:
    return pod("Succeeded", containerStatuses=list(containers))


def failed(*containers: Body, **status: Any) -> Body:
    return pod("Failed", **({"containerStatuses": list(containers)} if containers else {}), **status)


def at(container: Body, second: int) -> Body:
    """Give a container that ended in this second."""
    state = container["state"]["terminated"] | {"finishedAt": f"2026-01-01T12:00:{second:02}Z"}
    return container | {"state": {"terminated": state}}


def deleted(body: Body, second: int, grace: int = 30) -> Body:
    """Give a pod whose deletion was requested in this second."""
    until = datetime(2026, 1, 1, 12, 0, second, tzinfo=UTC) + timedelta(seconds=grace)
    marks = {"deletionTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "deletionGracePeriodSeconds": grace}
    return body | {"metadata": body["metadata"] | marks}


def deleted_again(body: Body, second: int, observed: int | None) -> Body:
    """Give a pod in its last version: the kubelet requested its deletion again after the containers had ended.

    Its generation is 2 by the first request; ``observed`` is the generation for which the kubelet reported the status.
    """
    last = deleted(body, second, grace=0)
    seen = {} if observed is None else {"observedGeneration": observed}
    return {"metadata": last["metadata"] | {"generation": 2}, "status": last["status"] | seen}


# -- an end that is a success ------------------------------------------------------------------------------------------

OUTPUTS = {
    "no termination message": (succeeded(ended(0)), None),
    "JSON": (succeeded(ended(0, '{"rows": 3, "ok": true}\n')), {"rows": 3, "ok": True}),
    "a number": (succeeded(ended(0, "42")), 42),
    "text": (succeeded(ended(0, "all went well\n")), "all went well"),
    "a hash that looks like a number": (succeeded(ended(0, "4612e87\n")), "4612e87"),
    "an id beyond 64 bits": (succeeded(ended(0, "20261130123456789012\n")), "20261130123456789012"),
    "text on several lines": (succeeded(ended(0, "  a\n  b\n\n")), "  a\n  b"),
    "JSON that was cut by the kubelet": (succeeded(ended(0, '{"rows": [1, 2')), '{"rows": [1, 2'),
    "white space": (succeeded(ended(0, " \n")), None),
    "JSON's null": (succeeded(ended(0, "null")), None),
    "a sidecar that says more": (succeeded(ended(0, "noise", name="proxy"), ended(0, "7")), 7),
    "only another container's": (succeeded(ended(0, "noise", name="proxy"), ended(0)), None),
    "no statuses of containers": (pod("Succeeded"), None),
    "statuses that are null": (pod("Succeeded", containerStatuses=None), None),
    "a container without a state": (succeeded({"name": "main"}), None),
}


@pytest.mark.parametrize(("body", "output"), OUTPUTS.values(), ids=OUTPUTS)
def test_what_a_container_left_behind_is_the_output(body: Body, output: Any) -> None:
    assert read_pod_state(body, "main") == Finished(output)


EVICTED = {"lastTransitionTime": "2026-01-01T12:00:20Z"} | condition(
    "DisruptionTarget", "True", "EvictionByEvictionAPI", "Eviction API: evicting"
)
INTERRUPTED = {
    "deleted while it ran": (deleted(succeeded(at(ended(0), 21)), 20), "PodDeleted"),
    "deleted in the second of its end": (deleted(succeeded(at(ended(0), 20)), 20), "PodDeleted"),
    "deleted at an unknown time": (deleted(succeeded(ended(0)), 20), "PodDeleted"),
    "deleted again without a grace period": (deleted(succeeded(at(ended(0), 25)), 20, grace=0), "PodDeleted"),
    "deleted while it ran, and again after its end": (deleted_again(succeeded(at(ended(0), 20)), 25, 2), "PodDeleted"),
    "evicted": (
        deleted(pod("Succeeded", containerStatuses=[at(ended(0), 22)], conditions=[EVICTED]), 20),
        "EvictionByEvictionAPI",
    ),
    "evicted, and the pod is kept": (
        pod("Succeeded", containerStatuses=[at(ended(0), 22)], conditions=[EVICTED]),
        "EvictionByEvictionAPI",
    ),
}
FINISHED_BEFORE = {
    "deleted afterwards": deleted(succeeded(at(ended(0, "7"), 19)), 20),
    "deleted while only its proxy ran": deleted(succeeded(at(ended(0, "7"), 19), at(ended(0, name="proxy"), 25)), 20),
    "evicted afterwards": pod("Succeeded", containerStatuses=[at(ended(0, "7"), 19)], conditions=[EVICTED]),
}


@pytest.mark.parametrize(("body", "code"), INTERRUPTED.values(), ids=INTERRUPTED)
def test_a_pod_that_was_told_to_stop_has_not_succeeded(body: Body, code: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, Failed)
    assert (found.code, found.kind, found.retry_class) == (code, ErrorKind.SYSTEM, RetryClass.SYSTEM)


@pytest.mark.parametrize("body", FINISHED_BEFORE.values(), ids=FINISHED_BEFORE)
def test_a_success_stays_one_whatever_follows(body: Body) -> None:
    assert read_pod_state(body, "main") == Finished(7)


# -- an end that is a failure ------------------------------------------------------------------------------------------

USER, SYSTEM = ErrorKind.USER, ErrorKind.SYSTEM
ERROR, LATE, PLATFORM = RetryClass.ERROR, RetryClass.TIMEOUT, RetryClass.SYSTEM
PREEMPTED = condition(
    "DisruptionTarget", "True", "PreemptionByScheduler", "default-scheduler: preempting to accommodate a higher pod"
)
FAILURES = {
    "an exit code with the last lines": (
        failed(ended(3, "no such table: sales\n")),
        ("ContainerFailed", USER, ERROR),
        "container 'main' of pod 'p' exited with code 3: no such table: sales",
    ),
    "an exit code alone": (
        failed(ended(1)),
        ("ContainerFailed", USER, ERROR),
        "container 'main' of pod 'p' exited with code 1",
    ),
    "a signal": (
        failed(container({"terminated": {"exitCode": 139, "signal": 11, "reason": "Error"}})),
        ("ContainerFailed", USER, ERROR),
        "exited with code 139",
    ),
    "too much memory": (
        failed(ended(137, reason="OOMKilled")),
        ("OOMKilled", USER, ERROR),
        "raise resources.limits.memory",
    ),
    "a program that is not in the image": (
        failed(
            ended(128, 'exec: "trian": executable file not found in $PATH: unknown', reason="StartError"),
        ),
        ("ContainerCannotRun", USER, None),
        'could not be started: exec: "trian": executable file not found',
    ),
    "a start that an older runtime refused": (
        failed(ended(127, reason="ContainerCannotRun")),
        ("ContainerCannotRun", USER, None),
        "could not be started: no details from the runtime",
    ),
    "an init container": (
        failed(waiting("PodInitializing"), initContainerStatuses=[ended(2, "no network", name="fetch")]),
        ("ContainerFailed", USER, ERROR),
        "container 'fetch' of pod 'p' exited with code 2: no network",
    ),
    "the second of two init containers": (
        failed(
            waiting("PodInitializing"),
            initContainerStatuses=[ended(0, name="fetch"), ended(4, name="unpack")],
        ),
        ("ContainerFailed", USER, ERROR),
        "container 'unpack' of pod 'p' exited with code 4",
    ),
    "the program, not the sidecar that was killed after it": (
        failed(ended(3, "no such table"), initContainerStatuses=[ended(137, name="proxy")]),
        ("ContainerFailed", USER, ERROR),
        "container 'main' of pod 'p' exited with code 3",
    ),
    "one of several containers": (
        failed(ended(0, name="proxy"), ended(5)),
        ("ContainerFailed", USER, ERROR),
        "container 'main' of pod 'p' exited with code 5",
    ),
    "activeDeadlineSeconds": (
        failed(
            ended(137),
            reason="DeadlineExceeded",
            message="Pod was active on the node longer than the specified deadline",
        ),
        ("DeadlineExceeded", USER, LATE),
        "did not end within its activeDeadlineSeconds",
    ),
    "an eviction": (
        failed(
            ended(137),
            reason="Evicted",
            message="The node was low on resource: memory. Container main was using 2Gi, request is 0.",
            conditions=[condition("DisruptionTarget", "True", "TerminationByKubelet", "The node was low on memory")],
        ),
        ("Evicted", SYSTEM, PLATFORM),
        "pod 'p' was ended by the cluster (Evicted): The node was low on resource: memory",
    ),
    "a preemption": (
        failed(ended(143), conditions=[condition("Ready", "False"), PREEMPTED]),
        ("PreemptionByScheduler", SYSTEM, PLATFORM),
        "was ended by the cluster (PreemptionByScheduler): default-scheduler: preempting",
    ),
    "a preemption that was called off": (
        failed(ended(1), conditions=[PREEMPTED | {"status": "False"}]),
        ("ContainerFailed", USER, ERROR),
        "exited with code 1",
    ),
    "a disruption that says nothing": (
        failed(conditions=[{"type": "DisruptionTarget", "status": "True"}]),
        ("Disrupted", SYSTEM, PLATFORM),
        "(Disrupted): no details from Kubernetes",
    ),
    "a node that shuts down": (
        failed(reason="Terminated", message="Pod was terminated in response to imminent node shutdown."),
        ("Terminated", SYSTEM, PLATFORM),
        "imminent node shutdown",
    ),
    "a node without room after all": (
        failed(reason="OutOfcpu", message="Pod was rejected: Node didn't have enough resource: cpu"),
        ("OutOfcpu", SYSTEM, PLATFORM),
        "didn't have enough resource: cpu",
    ),
    "a node whose devices are all in use": (
        failed(reason="OutOfexample.com/gpu", message="Pod was rejected: Node didn't have enough resource"),
        ("OutOfexample.com/gpu", SYSTEM, PLATFORM),
        "(OutOfexample.com/gpu)",
    ),
    "a node that does not admit it": (
        failed(reason="UnexpectedAdmissionError", message="Pod was rejected: Allocate failed due to no devices"),
        ("UnexpectedAdmissionError", SYSTEM, PLATFORM),
        "Allocate failed",
    ),
    "a node that rejects it for any other reason": (
        failed(reason="SysctlForbidden", message='Pod was rejected: forbidden sysctl: "kernel.msgmax" not allowlisted'),
        ("SysctlForbidden", SYSTEM, PLATFORM),
        "forbidden sysctl",
    ),
    "memory, of a program that exits with 0 all the same": (
        failed(ended(0, reason="OOMKilled"), ended(0, name="proxy")),
        ("OOMKilled", USER, ERROR),
        "container 'main' of pod 'p' used more memory than its limit",
    ),
    "a node that was lost": (
        failed(
            ended(137, "The container could not be located when the pod was terminated", "ContainerStatusUnknown"),
        ),
        ("ContainerStatusUnknown", SYSTEM, PLATFORM),
        "the end of container 'main' of pod 'p' was not observed: The container could not be located",
    ),
    "a program that had failed before its node was lost": (
        failed(ended(137, reason="ContainerStatusUnknown", name="proxy"), ended(3)),
        ("ContainerFailed", USER, ERROR),
        "container 'main' of pod 'p' exited with code 3",
    ),
    "a taint of its node": (
        failed(
            ended(143),
            conditions=[
                condition(
                    "DisruptionTarget", "True", "DeletionByTaintManager", "Taint manager: deleting due to NoExecute"
                )
            ],
        ),
        ("DeletionByTaintManager", SYSTEM, PLATFORM),
        "Taint manager",
    ),
    "a reason that nobody has heard of": (
        failed(reason="Zapped", message="by lightning"),
        ("PodFailed", USER, ERROR),
        "pod 'p' failed: by lightning",
    ),
    "a reason alone": (failed(reason="Zapped"), ("PodFailed", USER, ERROR), "pod 'p' failed: Zapped"),
    "nothing": (failed(), ("PodFailed", USER, ERROR), "pod 'p' failed: no details from Kubernetes"),
    "containers that wait to be restarted, when the pod was deleted": (
        deleted(failed(waiting("CrashLoopBackOff") | {"lastState": at(ended(3, "sorry"), 10)["state"]}), 20),
        ("ContainerFailed", USER, ERROR),
        "container 'main' of pod 'p' exited with code 3: sorry",
    ),
    "its own failure, before somebody deleted it": (
        deleted(failed(at(ended(3), 10)), 20),
        ("ContainerFailed", USER, ERROR),
        "exited with code 3",
    ),
    "its own failure, while another container ran until it was deleted": (
        deleted(failed(at(ended(3), 10), at(ended(143, name="proxy"), 25)), 20),
        ("ContainerFailed", USER, ERROR),
        "container 'main' of pod 'p' exited with code 3",
    ),
    "a deletion": (deleted(failed(at(ended(143), 25)), 20), ("PodDeleted", SYSTEM, PLATFORM), "pod 'p' was deleted"),
    "a deletion that the kubelet repeated after the end": (
        deleted_again(failed(at(ended(1), 20)), 25, 2),
        ("PodDeleted", SYSTEM, PLATFORM),
        "pod 'p' was deleted",
    ),
    "its own failure, before anybody deleted it": (
        deleted_again(failed(at(ended(1), 20)), 25, 1),
        ("ContainerFailed", USER, ERROR),
        "exited with code 1",
    ),
    "its own failure, by a kubelet that reports no generation": (
        deleted_again(failed(at(ended(1), 20)), 25, None),
        ("ContainerFailed", USER, ERROR),
        "exited with code 1",
    ),
    "an end without an exit code": (
        failed(container({"terminated": {"reason": "ContainerStatusUnknown"}})),
        ("PodFailed", USER, ERROR),
        "no details from Kubernetes",
    ),
}


@pytest.mark.parametrize(("body", "judgement", "told"), FAILURES.values(), ids=FAILURES)
def test_a_failure_says_whose_it_is_and_what_may_help(body: Body, judgement: Any, told: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, Failed)
    assert (found.code, found.kind, found.retry_class) == judgement
    assert told in found.message


def test_of_a_long_log_the_end_is_told() -> None:
    found = pod_failure(failed(ended(1, LONG_LOG)))
    assert found.message.endswith("line 999\nno such table: sales")
    assert "exited with code 1: …" in found.message
    assert len(found.message) < 700


# -- no end yet --------------------------------------------------------------------------------------------------------

UNSCHEDULABLE = condition(
    "PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient nvidia.com/gpu."
)
SCHEDULED = condition("PodScheduled", "True")
STARTING = {
    "no status": {"metadata": {"name": "p"}},
    "an empty status": pod(),
    "a status that is null": {"metadata": {"name": "p"}, "status": None},
    "nothing but a phase": pod("Pending"),
    "a node": pod("Pending", conditions=[SCHEDULED]),
    "a container that is created": pod("Pending", containerStatuses=[waiting("ContainerCreating")]),
    "init containers": pod("Pending", containerStatuses=[waiting("PodInitializing")]),
    "a state without a reason": pod("Pending", containerStatuses=[container({"waiting": {}})]),
    "a sidecar that runs already": pod(
        "Pending",
        initContainerStatuses=[running("proxy")],
        containerStatuses=[waiting("PodInitializing")],
    )
    | {"spec": SIDECAR},
}
PROBLEMS = {
    "no node": (
        pod("Pending", conditions=[UNSCHEDULABLE]),
        "pod 'p' cannot be scheduled: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    ),
    "no node, and no word why": (
        pod("Pending", conditions=[{"type": "PodScheduled", "status": "False"}]),
        "cannot be scheduled: no details from Kubernetes",
    ),
    "an image that is not pulled": (
        pod("Pending", containerStatuses=[waiting("ImagePullBackOff", 'Back-off pulling image "busybix"')]),
        "container 'main' of pod 'p' is waiting: ImagePullBackOff: Back-off pulling image \"busybix\"",
    ),
    "a pull that failed just now": (
        pod("Pending", containerStatuses=[waiting("ErrImagePull", "not found")]),
        "is waiting: ErrImagePull: not found",
    ),
    "a Secret that is missing": (
        pod("Pending", containerStatuses=[waiting("CreateContainerConfigError", 'secret "db" not found')]),
        'is waiting: CreateContainerConfigError: secret "db" not found',
    ),
    "an init container that fails again and again": (
        pod(
            "Pending",
            initContainerStatuses=[waiting("CrashLoopBackOff", "back-off 10s restarting failed container", "fetch")],
            containerStatuses=[waiting("PodInitializing")],
        ),
        "container 'fetch' of pod 'p' is waiting: CrashLoopBackOff: back-off 10s",
    ),
    "the second of two containers": (
        pod("Pending", containerStatuses=[waiting("ContainerCreating", name="proxy"), waiting("ErrImagePull")]),
        "container 'main' of pod 'p' is waiting: ErrImagePull",
    ),
}
CONFIG = waiting("CreateContainerConfigError", 'secret "db" not found')
BOUNDS = {
    "scheduling gates": (
        pod("Pending", conditions=[condition("PodScheduled", "False", "SchedulingGated")])
        | {"spec": {"schedulingGates": [{"name": "kueue.x-k8s.io/admission"}]}},
        Bound.UNLIMITED,
        "pod 'p' waits until its scheduling gates are removed: kueue.x-k8s.io/admission",
    ),
    "gates that only the status names": (
        pod("Pending", conditions=[condition("PodScheduled", "False", "SchedulingGated")]),
        Bound.UNLIMITED,
        "pod 'p' waits until its scheduling gates are removed",
    ),
    "no node": (pod("Pending", conditions=[UNSCHEDULABLE]), Bound.START, "cannot be scheduled"),
    "an image": (pod("Pending", containerStatuses=[waiting("ImagePullBackOff")]), Bound.IMAGE, "ImagePullBackOff"),
    "an image of a sidecar": (
        pod("Pending", initContainerStatuses=[waiting("ErrImagePull", name="proxy")]) | {"spec": SIDECAR},
        Bound.IMAGE,
        "container 'proxy' of pod 'p' is waiting: ErrImagePull",
    ),
    "a Secret": (pod("Pending", containerStatuses=[CONFIG]), Bound.CONFIGURATION, 'secret "db" not found'),
    "a reason that nobody has heard of": (
        pod("Pending", containerStatuses=[waiting("Zapping")]),
        Bound.START,
        "is waiting: Zapping",
    ),
    "a phase that nobody has heard of": (pod("Zapped"), Bound.UNLIMITED, "pod 'p' reports the unknown phase 'Zapped'"),
    "a phase of long ago": (pod("Unknown"), Bound.UNLIMITED, "reports the unknown phase 'Unknown'"),
    "a deletion before the start": (deleted(pod("Pending"), 20), Bound.START, "pod 'p' is being deleted"),
}


@pytest.mark.parametrize(("body", "bound", "told"), BOUNDS.values(), ids=BOUNDS)
def test_how_long_a_wait_may_take_depends_on_its_reason(body: Body, bound: Bound, told: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, Waiting)
    assert found.bound is bound
    assert told in found.problem


STEPS = {
    "created": ({}, 0),
    "scheduled": (
        {"conditions": [{"lastTransitionTime": "2026-01-01T12:00:10Z"} | condition("PodScheduled", "True")]},
        10,
    ),
    "ready for its containers": (
        {
            "conditions": [
                {"lastTransitionTime": "2026-01-01T12:00:11Z"} | condition("PodReadyToStartContainers", "True")
            ]
        },
        11,
    ),
    "after an init container": ({"initContainerStatuses": [at(ended(0, name="fetch"), 30)]}, 30),
    "after an init container that is repeated": (
        {
            "initContainerStatuses": [
                waiting("CrashLoopBackOff", name="fetch") | {"lastState": at(ended(1), 40)["state"]}
            ]
        },
        40,
    ),
}


@pytest.mark.parametrize(("status", "second"), STEPS.values(), ids=STEPS)
def test_each_step_of_a_start_is_a_wait_of_its_own(status: Body, second: int) -> None:
    body = {
        "metadata": {"name": "p", "creationTimestamp": "2026-01-01T12:00:00Z"},
        "status": {"phase": "Pending"} | status,
    }
    found = read_pod_state(body, "main")
    assert isinstance(found, Waiting)
    assert found.since == datetime(2026, 1, 1, 12, 0, second, tzinfo=UTC)


RUNS = {
    "not ready": (pod("Running", containerStatuses=[running()], conditions=[condition("Ready", "False")]), ""),
    "an init container": (
        pod("Pending", initContainerStatuses=[running("fetch")], containerStatuses=[waiting("PodInitializing")]),
        "",
    ),
    "one container, and not the other": (
        pod("Pending", containerStatuses=[running(), waiting("ErrImagePull", name="proxy")]),
        "container 'proxy' of pod 'p' is waiting: ErrImagePull",
    ),
    "restarted again and again": (
        pod("Running", containerStatuses=[waiting("CrashLoopBackOff", "back-off 5m0s")]),
        "container 'main' of pod 'p' is waiting: CrashLoopBackOff: back-off 5m0s",
    ),
    "on a node that was lost": (
        deleted(pod("Running", containerStatuses=[running()], conditions=[EVICTED]), 20),
        "pod 'p' is being ended: Eviction API: evicting",
    ),
    "until it is deleted": (deleted(pod("Running", containerStatuses=[running()]), 20), "pod 'p' is being ended"),
    "only for its proxy": (
        pod("Running", containerStatuses=[ended(0), running("proxy")]),
        "container 'main' of pod 'p' has ended, and the pod continues until these end: proxy; make them initContainers",
    ),
    "in a phase that nobody has heard of": (
        pod("Zapped", containerStatuses=[running()]),
        "pod 'p' reports the unknown phase 'Zapped'",
    ),
}


@pytest.mark.parametrize(("body", "told"), RUNS.values(), ids=RUNS)
def test_what_runs_is_not_waiting_and_says_what_is_odd(body: Body, told: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, Running)
    assert told in found.message
    assert bool(told) == bool(found.message)


HOPELESS = {
    "an image's name that is none": (
        pod("Pending", containerStatuses=[waiting("InvalidImageName", "couldn't parse image name: invalid reference")]),
        "is waiting: InvalidImageName: couldn't parse image name",
    ),
    "an image that may not be pulled": (
        pod(
            "Pending",
            containerStatuses=[
                waiting("ErrImageNeverPull", 'Container image "x" is not present with pull policy of Never')
            ],
        ),
        "is waiting: ErrImageNeverPull: Container image",
    ),
}


@pytest.mark.parametrize("body", STARTING.values(), ids=STARTING)
def test_what_is_only_starting_is_no_problem(body: Body) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, Waiting)
    assert (found.problem, found.bound) == ("", Bound.START)


@pytest.mark.parametrize(("body", "told"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_keeps_a_pod_from_starting_is_told(body: Body, told: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, Waiting)
    assert told in found.problem
    assert found.bound is not Bound.HOPELESS


@pytest.mark.parametrize(("body", "told"), HOPELESS.values(), ids=HOPELESS)
def test_what_no_waiting_mends_is_hopeless(body: Body, told: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, Waiting)
    assert told in found.problem
    assert found.bound is Bound.HOPELESS


def test_a_word_of_the_runtime_is_cut_to_what_can_be_read() -> None:
    found = read_pod_state(pod("Pending", containerStatuses=[waiting("ErrImagePull", "x" * 5000)]), "main")
    assert isinstance(found, Waiting)
    assert len(found.problem) < 700


@pytest.mark.parametrize(
    "body",
    [
        pod("Running", containerStatuses=[container({"running": {"startedAt": "2026-01-01T00:00:00Z"}})]),
        pod("Running", containerStatuses=[ended(0, name="proxy"), container({"running": {}})]),
        pod("Running"),
    ],
    ids=["alone", "beside one that has ended", "without a word about its containers"],
)
def test_a_pod_that_runs_runs(body: Body) -> None:
    assert read_pod_state(body, "main") == Running()


# -- any status --------------------------------------------------------------------------------------------------------

texts = st.none() | st.sampled_from(["", " ", "\n"]) | st.text(max_size=20)


def partial(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Body]:
    """Give objects that have any of the fields, each of them possibly null."""
    return st.fixed_dictionaries({}, optional={name: st.none() | value for name, value in fields.items()})


reasons = texts | st.sampled_from(
    ["Evicted", "DeadlineExceeded", "OOMKilled", "StartError", "InvalidImageName", "Error"]
)
states = partial(
    waiting=partial(reason=reasons, message=texts),
    running=partial(startedAt=texts),
    terminated=partial(exitCode=st.integers(-1, 255), reason=reasons, message=texts, signal=st.integers(0, 64)),
)
containers = st.lists(
    partial(name=st.sampled_from(["main", "proxy", ""]), state=states, ready=st.booleans()), max_size=3
)
conditions = st.lists(
    partial(
        type=st.sampled_from(["PodScheduled", "DisruptionTarget", "Ready"]),
        status=st.sampled_from(["True", "False", "Unknown"]),
        reason=reasons,
        message=texts,
    ),
    max_size=3,
)
statuses = partial(
    phase=st.sampled_from(["Pending", "Running", "Succeeded", "Failed", "Unknown", ""]),
    reason=reasons,
    message=texts,
    conditions=conditions,
    containerStatuses=containers,
    initContainerStatuses=containers,
)


@settings(max_examples=300, deadline=None)
@given(statuses)
def test_any_status_has_a_meaning_that_can_be_told(status: Body) -> None:
    found = read_pod_state({"metadata": {"name": "p"}, "status": status}, "main")
    assert_can_be_told(found)
    assert_can_be_told(pod_failure({"metadata": {"name": "p"}, "status": status}))


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.recursive(st.integers() | st.floats(), st.lists).map(str))
def test_any_termination_message_is_an_output_that_can_be_recorded(message: str) -> None:
    with suppress(InvalidOutputError):
        output = output_of(succeeded(ended(0, message)), "main")
        assert outcome_problem(Succeeded(output=output)) is None


@given(json_values)
def test_r10_any_json_is_the_output_unchanged(value: Any) -> None:
    for message in (json.dumps(value), orjson.dumps(value).decode() + "\n"):
        assert is_same(output_of(succeeded(ended(0, message)), "main"), value)


@pytest.mark.parametrize(("text", "reason"), CHANGED.values(), ids=CHANGED)
def test_r10_an_output_that_would_change_fails_with_its_place(text: str, reason: str) -> None:
    with pytest.raises(InvalidOutputError, match=rf"output\.rows\.0.*: .*{reason}"):
        read_pod_state(succeeded(ended(0, f'{{"rows": [{text}]}}')), "main")


def assert_can_be_told(found: Verdict) -> None:
    match found:
        case Failed():
            assert found.code
            assert found.message.startswith(("pod 'p'", "container "))
            assert not found.message.endswith((": None", ": "))
        case Waiting(problem=problem, bound=bound):
            assert problem or bound is Bound.START
            assert not problem.endswith((": None", ": "))
        case Finished() | Running():
            pass
