"""Plays the kubelet by hand, on a real API server without nodes: pods stand as a test says, and Jobs see it."""

from typing import Any

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import Body, get
from support.api import list_objects, patch_object

UID = "taskaction.dev/uid"


class HandKubelet:
    """Reports the statuses of one namespace's pods."""

    def __init__(self, kubectl: Kubectl) -> None:
        self._kubectl = kubectl

    def pods(self, action: str) -> list[Body]:
        """Give the pods of an action."""
        return list_objects(self._kubectl, "pods", f"taskaction.dev/action={action}")

    def wait_for_pod(self, action: str) -> Body:
        """Give the newest pod of an action that nobody has reported on yet, once it is there."""
        fresh: list[Body] = []

        def there() -> bool:
            fresh[:] = [pod for pod in self.pods(action) if pod["status"].get("phase", "Pending") == "Pending"]
            return bool(fresh)

        try:
            wait_until(there, timeout=30, what=f"a pod of {action}")
        except ClusterError as error:
            error.add_note(f"the status of the action: {get(self._kubectl, action)['status']}")
            raise
        return fresh[-1]

    def report(self, pod: Body, phase: str, *, container: Body | None = None, **status: Any) -> None:
        """Put a pod into a phase; ``container`` is the state of its one container."""
        name = pod["metadata"]["name"]
        if container is not None:
            status["containerStatuses"] = [
                {
                    "name": pod["spec"]["containers"][0]["name"],
                    "image": "none",
                    "imageID": "",
                    "ready": phase == "Running",
                    "restartCount": 0,
                    "state": container,
                }
            ]
        change = {"status": {"phase": phase, **status}}
        patch_object(self._kubectl, "pod", name, change, "--subresource=status")

    def succeed(self, action: str, message: str = "") -> None:
        """End an action's pod well; ``message`` is its termination message."""
        self.report(self.wait_for_pod(action), "Succeeded", container=ended(0, message=message))

    def fail(self, action: str, code: int = 1, **terminated: Any) -> None:
        """End an action's pod badly."""
        self.report(self.wait_for_pod(action), "Failed", container=ended(code, **terminated))


def ended(code: int, **terminated: Any) -> Body:
    """Give the state of a container that has ended."""
    return {"terminated": {"exitCode": code, "reason": "Completed" if code == 0 else "Error"} | terminated}


def waiting(reason: str, message: str = "") -> Body:
    """Give the state of a container that has not begun."""
    return {"waiting": {"reason": reason, "message": message}}
