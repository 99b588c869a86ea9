"""What a pod's status means: each way in which a kubelet says that a pod waits, runs, succeeded or failed."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskaction.api.enums import ErrorKind, RetryClass
from taskaction.executors.workloads.diagnosis import (
    PodRunning,
    PodSucceeded,
    PodWaiting,
    Standing,
    output_of,
    pod_failure,
    read_pod_state,
)
from taskaction.lifecycle.outcomes import Failed, Succeeded
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


def succeeded(*containers: Body) -> Body:
    return pod("Succeeded", containerStatuses=list(containers))


def failed(*containers: Body, **status: Any) -> Body:
    return pod("Failed", **({"containerStatuses": list(containers)} if containers else {}), **status)


# -- an end that is a success ------------------------------------------------------------------------------------------

OUTPUTS = {
    "no termination message": (succeeded(ended(0)), None),
    "JSON": (succeeded(ended(0, '{"rows": 3, "ok": true}\n')), {"rows": 3, "ok": True}),
    "a number": (succeeded(ended(0, "42")), 42),
    "text": (succeeded(ended(0, "all went well\n")), "all went well"),
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
    assert read_pod_state(body, "main") == PodSucceeded(output)


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
    "a reason that nobody has heard of": (
        failed(reason="Zapped", message="by lightning"),
        ("PodFailed", USER, ERROR),
        "pod 'p' failed: by lightning",
    ),
    "a reason alone": (failed(reason="Zapped"), ("PodFailed", USER, ERROR), "pod 'p' failed: Zapped"),
    "nothing": (failed(), ("PodFailed", USER, ERROR), "pod 'p' failed: no details from Kubernetes"),
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
    "a phase of long ago": pod("Unknown"),
    "a node": pod("Pending", conditions=[SCHEDULED]),
    "a container that is created": pod("Pending", containerStatuses=[waiting("ContainerCreating")]),
    "init containers": pod("Pending", containerStatuses=[waiting("PodInitializing")]),
    "a state without a reason": pod("Pending", containerStatuses=[container({"waiting": {}})]),
    "a sidecar that runs already": pod(
        "Pending",
        initContainerStatuses=[container({"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "proxy")],
        containerStatuses=[waiting("PodInitializing")],
    ),
}
PROBLEMS = {
    "no node": (
        pod("Pending", conditions=[UNSCHEDULABLE]),
        "pod 'p' cannot be scheduled: 0/3 nodes are available: 3 Insufficient nvidia.com/gpu.",
    ),
    "a gate": (
        pod("Pending", conditions=[condition("PodScheduled", "False", "SchedulingGated")]),
        "cannot be scheduled: SchedulingGated",
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
        pod("Pending", containerStatuses=[container({"running": {}}, "proxy"), waiting("ErrImagePull")]),
        "container 'main' of pod 'p' is waiting: ErrImagePull",
    ),
}
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
    assert read_pod_state(body, "main") == PodWaiting()


@pytest.mark.parametrize(("body", "told"), PROBLEMS.values(), ids=PROBLEMS)
def test_what_keeps_a_pod_from_starting_is_told(body: Body, told: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, PodWaiting)
    assert told in found.problem
    assert not found.hopeless


@pytest.mark.parametrize(("body", "told"), HOPELESS.values(), ids=HOPELESS)
def test_what_no_waiting_mends_is_hopeless(body: Body, told: str) -> None:
    found = read_pod_state(body, "main")
    assert isinstance(found, PodWaiting)
    assert told in found.problem
    assert found.hopeless


def test_a_word_of_the_runtime_is_cut_to_what_can_be_read() -> None:
    found = read_pod_state(pod("Pending", containerStatuses=[waiting("ErrImagePull", "x" * 5000)]), "main")
    assert isinstance(found, PodWaiting)
    assert len(found.problem) < 700


@pytest.mark.parametrize(
    "body",
    [
        pod("Running", containerStatuses=[container({"running": {"startedAt": "2026-01-01T00:00:00Z"}})]),
        pod("Running", containerStatuses=[ended(0, name="proxy"), container({"running": {}})]),
        pod("Running", containerStatuses=[waiting("CrashLoopBackOff", "back-off 5m0s")]),
        pod("Running"),
    ],
    ids=["alone", "beside one that has ended", "again and again", "without a word about its containers"],
)
def test_a_pod_that_runs_runs(body: Body) -> None:
    assert read_pod_state(body, "main") == PodRunning()


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
    output = output_of(succeeded(ended(0, message)), "main")
    assert outcome_problem(Succeeded(output=output)) is None


def assert_can_be_told(found: Standing) -> None:
    match found:
        case Failed():
            assert found.code
            assert found.message.startswith(("pod 'p'", "container "))
            assert not found.message.endswith((": None", ": "))
        case PodWaiting(problem=problem, hopeless=hopeless):
            assert not hopeless or problem
            assert not problem.endswith((": None", ": "))
        case PodSucceeded() | PodRunning():
            pass
