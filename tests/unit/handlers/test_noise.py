"""What a watch tells of pods and Jobs is left out where it changes nothing for an action, and only there."""

from typing import Any

import orjson
import pytest

from support.containers import container_sizes
from taskaction.core.constants import START_ANNOTATION
from taskaction.handlers.noise import NoiseFilter

UNSCHEDULABLE = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "no node"}]}
PULLING = {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}}]}
CREATING = {"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
COMPLETE = {"conditions": [{"type": "Complete", "status": "True"}]}
GATED = {"conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}
PROXY_ONLY = {
    "containerStatuses": [
        {"name": "main", "state": {"terminated": {"exitCode": 0}}},
        {"name": "proxy", "state": {"running": {}}},
    ]
}
SUSPENDED = {"conditions": [{"type": "Suspended", "status": "True"}]}
RESUMED = {"conditions": [{"type": "Suspended", "status": "False"}]}
QUIET = {
    "a pod that has just been created": ("ADDED", "Pod", {"phase": "Pending"}),
    "a pod that is being started": ("MODIFIED", "Pod", {"phase": "Pending"} | CREATING),
    "a pod that runs": ("MODIFIED", "Pod", {"phase": "Running"}),
    "a Job that has just been created": ("ADDED", "Job", {}),
    "a Job whose pods run": ("MODIFIED", "Job", {"active": 1, "ready": 1}),
}
NEWS = {
    "a pod that has no node": ("MODIFIED", "Pod", {"phase": "Pending"} | UNSCHEDULABLE),
    "a pod without its image": ("MODIFIED", "Pod", {"phase": "Pending"} | PULLING),
    "a pod behind gates": ("MODIFIED", "Pod", {"phase": "Pending"} | GATED),
    "a pod of which a container has ended": ("MODIFIED", "Pod", {"phase": "Running"} | PROXY_ONLY),
    "a pod in an unknown phase": ("MODIFIED", "Pod", {"phase": "Zapped"}),
    "a Job that is suspended": ("MODIFIED", "Job", SUSPENDED),
    "a Job that is resumed": ("MODIFIED", "Job", {"active": 1} | RESUMED),
    "a pod that has ended": ("MODIFIED", "Pod", {"phase": "Succeeded"}),
    "a pod that has failed": ("MODIFIED", "Pod", {"phase": "Failed"}),
    "a pod that has gone": ("DELETED", "Pod", {"phase": "Running"}),
    "a Job that is complete": ("MODIFIED", "Job", COMPLETE),
    "a Job of which a part is done": ("MODIFIED", "Job", {"active": 1, "succeeded": 1}),
    "a Job one of whose pods has failed": ("MODIFIED", "Job", {"active": 1, "failed": 1}),
    "a Job that has gone": ("DELETED", "Job", {"active": 1}),
    "an action": ("MODIFIED", "TaskAction", {"phase": "Running"}),
}


def line(event: str, kind: str, status: dict[str, Any], **metadata: Any) -> bytes:
    body = {"kind": kind, "apiVersion": "v1", "metadata": {"name": "a", "uid": "1", **metadata}, "status": status}
    return orjson.dumps({"type": event, "object": body})


@pytest.mark.parametrize("event", QUIET.values(), ids=QUIET)
def test_it_leaves_out(event: tuple[str, str, dict[str, Any]]) -> None:
    assert NoiseFilter().is_noise(line(*event))


@pytest.mark.parametrize("event", NEWS.values(), ids=NEWS)
def test_it_hands_on(event: tuple[str, str, dict[str, Any]]) -> None:
    assert not NoiseFilter().is_noise(line(*event))


@pytest.mark.parametrize("kind", ["Pod", "Job"])
def test_bookmarks_are_handed_on_since_the_watch_goes_by_them(kind: str) -> None:
    body = {"kind": kind, "apiVersion": "v1", "metadata": {"resourceVersion": "7", "creationTimestamp": None}}

    assert not NoiseFilter().is_noise(orjson.dumps({"type": "BOOKMARK", "object": body}))


@pytest.mark.parametrize(("kind", "status"), [("Pod", {"phase": "Running"}), ("Job", {"active": 1})])
def test_what_is_being_deleted_is_handed_on(kind: str, status: dict[str, Any]) -> None:
    assert not NoiseFilter().is_noise(line("MODIFIED", kind, status, deletionTimestamp="2026-01-01T12:00:00Z"))


def test_the_end_of_a_trouble_that_was_told_is_told_once() -> None:
    chatter = NoiseFilter()
    running = line("MODIFIED", "Pod", {"phase": "Running"})
    chatter.is_noise(line("MODIFIED", "Pod", {"phase": "Pending"} | PULLING))

    assert not chatter.is_noise(running)
    assert chatter.is_noise(running)


def test_each_step_of_a_pod_whose_start_counts_is_handed_on_once() -> None:
    noise = NoiseFilter()
    scheduled = {"conditions": [{"type": "PodScheduled", "status": "True"}]}
    marked = {"annotations": {START_ANNOTATION: "true"}}
    steps = [
        ("ADDED", {"phase": "Pending"}, True),
        ("MODIFIED", {"phase": "Pending"} | scheduled, False),
        ("MODIFIED", {"phase": "Pending"} | scheduled | CREATING, True),
        ("MODIFIED", {"phase": "Running"} | scheduled, False),
        ("MODIFIED", {"phase": "Running"} | scheduled, True),
    ]

    assert [noise.is_noise(line(event, "Pod", status, **marked)) for event, status, _ in steps] == [
        quiet for _, _, quiet in steps
    ]


def test_r12_the_start_of_an_init_container_is_handed_on_once() -> None:
    noise = NoiseFilter()
    scheduled: dict[str, Any] = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}
    states = [{"waiting": {"reason": "PodInitializing"}}, {"running": {}}, {"terminated": {"exitCode": 0}}]
    pods = [scheduled | {"initContainerStatuses": [{"name": "fetch", "state": state}]} for state in states]
    pods.append(pods[-1] | {"phase": "Running"})
    marked = {"annotations": {START_ANNOTATION: "true"}}
    assert [noise.is_noise(line("MODIFIED", "Pod", pod, **marked)) for pod in pods] == [False, False, True, True]


def test_pods_that_have_gone_are_forgotten() -> None:
    noise = NoiseFilter()
    started = {START_ANNOTATION: "true"}
    for number in range(3):
        noise.is_noise(line("MODIFIED", "Pod", {"phase": "Pending"} | PULLING, uid=str(number), annotations=started))
        noise.is_noise(line("DELETED", "Pod", {"phase": "Pending"} | PULLING, uid=str(number)))
    assert sum(container_sizes(noise).values()) == 0


def test_pods_whose_end_was_not_heard_are_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskaction.handlers.noise._KEPT", 10)
    noise = NoiseFilter()
    for number in range(100):
        noise.is_noise(
            line(
                "MODIFIED", "Pod", {"phase": "Pending"} | PULLING, uid=str(number), annotations={START_ANNOTATION: "1"}
            )
        )
    assert container_sizes(noise) == {"_troubled": 10, "_stages": 10}
