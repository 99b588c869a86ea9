"""Labels and annotations on a TaskAction, the agent's only storage: the run, its acknowledgement and the reports.

Each change of the acknowledgement is a JSON patch that tests the previous value, so that only one agent wins.
"""

import re
from dataclasses import dataclass
from typing import Any

from taskaction.cluster.gateway import Body
from taskaction.core.constants import GROUP, PORT_FINALIZER, PORT_UNREPORTED_LABEL
from taskaction.core.names import digest
from taskaction.integrations.port.agent.runs import PortRunKind

INSTALLATION_LABEL = f"{GROUP}/port-installation"
KIND_LABEL = f"{GROUP}/port-run-kind"
RUN_ANNOTATION = f"{GROUP}/port-run"
BUCKET_ANNOTATION = f"{GROUP}/port-action"
TYPE_ANNOTATION = f"{GROUP}/port-action-type"
ACKNOWLEDGEMENT_ANNOTATION = f"{GROUP}/port-acknowledgement"
REPORTED_ANNOTATION = f"{GROUP}/port-reported"

DONE = "done"
"""The run is ours: the action may run, and the agent reports on it."""
ANOTHERS = "another's"
"""Another agent has the run: this action must be deleted without having run."""
_ASKED = "asked by "

Operations = list[dict[str, Any]]
_LABEL = re.compile(r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAnnotations:
    """Values of the agent's labels and annotations on one action."""

    kind: PortRunKind
    run_id: str
    bucket: str
    acknowledgement: str
    reported: str
    unreported: bool

    @classmethod
    def from_body(cls, body: Body) -> "RunAnnotations | None":
        """Read them from an object; None if they are missing or invalid."""
        metadata = body["metadata"]
        labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
        try:
            return cls(
                kind=PortRunKind(labels[KIND_LABEL]),
                run_id=notes[RUN_ANNOTATION],
                bucket=notes.get(BUCKET_ANNOTATION, ""),
                acknowledgement=notes[ACKNOWLEDGEMENT_ANNOTATION],
                reported=notes.get(REPORTED_ANNOTATION, ""),
                unreported=PORT_UNREPORTED_LABEL in labels,
            )
        except (KeyError, ValueError):
            return None


def label_value(installation: str) -> str:
    """Return the label value of an installation: its id if that is a valid label value, otherwise a digest."""
    return installation if _LABEL.fullmatch(installation) else f"id-{digest(installation.encode())}"


def selector(installation: str) -> str:
    """Return the label selector of the actions whose end has not been reported to Port."""
    return f"{INSTALLATION_LABEL}={label_value(installation)},{PORT_UNREPORTED_LABEL}=true"


def run_origin(installation: str, kind: PortRunKind, run_id: str) -> str:
    """Return the origin of a run's action, which nobody but an agent can write."""
    return f"port/{label_value(installation)}/{kind}/{run_id}"


def pending_acknowledgement(agent: str) -> str:
    """Return the annotation value for a run that ``agent`` may have acknowledged, or is about to."""
    return f"{_ASKED}{agent}"


def acknowledgement_patch(before: str, after: str) -> Operations:
    """Return the patch that changes the acknowledgement from one value to another."""
    path = _path("annotations", ACKNOWLEDGEMENT_ANNOTATION)
    return [{"op": "test", "path": path, "value": before}, {"op": "add", "path": path, "value": after}]


def release_patch(before: str) -> Operations:
    """Return the patch that records the run as ours and lets the operator run the action."""
    return [*acknowledgement_patch(before, DONE), {"op": "add", "path": "/spec/suspend", "value": False}]


def reported_patch(uid: str, reported: str) -> Operations:
    """Return the patch that records what has been reported to Port."""
    return [_same(uid), {"op": "add", "path": _path("annotations", REPORTED_ANNOTATION), "value": reported}]


def finish_patch(body: Body, reported: str | None) -> Operations:
    """Return the patch after the last report: it removes the finalizer, so that the object may be deleted."""
    metadata = body["metadata"]
    note = [] if reported is None else reported_patch(metadata["uid"], reported)[1:]
    finalizers = metadata.get("finalizers") or []
    operations = [_same(metadata["uid"]), *note]
    if PORT_FINALIZER in finalizers:
        operations.append({"op": "test", "path": "/metadata/finalizers", "value": finalizers})
        operations.append({"op": "remove", "path": f"/metadata/finalizers/{finalizers.index(PORT_FINALIZER)}"})
    if PORT_UNREPORTED_LABEL in (metadata.get("labels") or {}):
        operations.append({"op": "remove", "path": _path("labels", PORT_UNREPORTED_LABEL)})
    return operations


def reopen_patch(body: Body) -> Operations:
    """Return the patch that makes the agent report everything again, because Port handed out the run again."""
    metadata = body["metadata"]
    operations: Operations = [
        _same(metadata["uid"]),
        {"op": "add", "path": _path("labels", PORT_UNREPORTED_LABEL), "value": "true"},
        {"op": "add", "path": _path("annotations", REPORTED_ANNOTATION), "value": ""},
    ]
    return operations


def _same(uid: str) -> dict[str, Any]:
    return {"op": "test", "path": "/metadata/uid", "value": uid}


def _path(field: str, key: str) -> str:
    return f"/metadata/{field}/{key.replace('~', '~0').replace('/', '~1')}"
