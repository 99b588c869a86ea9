"""Traces, which are steps of a program that its client records, as ActionEvents of their parent and back; pure.

A trace is reported after its end, so it is not an action: it is stored next to its parent and deleted with it.
"""

from datetime import datetime

import orjson
from connectrpc.code import Code
from connectrpc.errors import ConnectError
from flyteidl2.actions.actions_service_pb2 import Action
from flyteidl2.common.phase_pb2 import ActionPhase

from taskaction.api.action_event import TRACE
from taskaction.api.base import format_time
from taskaction.cluster.gateway import ACTION_EVENTS, TASK_ACTIONS, Body
from taskaction.core.constants import OUTPUT_LIMIT_BYTES
from taskaction.core.names import digest
from taskaction.integrations.flyte.service.action_cache import CachedAction
from taskaction.integrations.flyte.service.places import ACTION, ActionKey, labels

SELECTOR = "flyte.org/action-type=trace"
"""Finds the events that are traces."""
_PARENT, _PLACE = "parent", "place"
_MARK_CHARS = 10
_NAME_CHARS = 52
_ENDS = {
    ActionPhase.ACTION_PHASE_UNSPECIFIED: "Succeeded",  # older clients say nothing of what went well
    ActionPhase.ACTION_PHASE_SUCCEEDED: "Succeeded",
    ActionPhase.ACTION_PHASE_RECOVERED: "Succeeded",
    ActionPhase.ACTION_PHASE_FAILED: "Failed",
    ActionPhase.ACTION_PHASE_ABORTED: "Aborted",
    ActionPhase.ACTION_PHASE_TIMED_OUT: "TimedOut",
}


def trace_event(place: ActionKey, action: Action, parent: CachedAction, sender: str, now: datetime) -> Body:
    """Return the event that stores a trace; equal traces have equal names. Raises ``ConnectError`` if it is invalid.

    The name contains a digest of the content: a repeated step with another result is another event, and clients see
    the newest one.
    """
    trace = action.trace
    phase = _ENDS.get(trace.phase)
    if phase is None:
        raise ConnectError(
            Code.INVALID_ARGUMENT, "action.trace.phase: use a final phase, because a trace is reported when it ends"
        )
    payload: Body = {
        _PLACE: place.name,
        _PARENT: parent.place.name,
        "name": trace.name,
        "phase": phase,
        "inputUri": action.input_uri,
        "outputUri": trace.outputs.output_uri,
        "reportUri": trace.outputs.report_uri,
        "group": action.group,
        "startedAt": trace.start_time.ToJsonString() if trace.HasField("start_time") else "",
        "endedAt": trace.end_time.ToJsonString() if trace.HasField("end_time") else "",
    }
    payload = {name: value for name, value in payload.items() if value}
    size = len(orjson.dumps(payload))
    if size > OUTPUT_LIMIT_BYTES:
        raise ConnectError(
            Code.INVALID_ARGUMENT,
            f"action.trace: {size} bytes exceed the limit of {OUTPUT_LIMIT_BYTES}: shorten the trace",
        )
    mark = digest(action.SerializeToString(deterministic=True))[:_MARK_CHARS]
    owner = {
        "apiVersion": TASK_ACTIONS.api_version,
        "kind": TASK_ACTIONS.kind,
        "name": parent.place.name,
        "uid": parent.uid,
        "controller": False,
    }
    return {
        "apiVersion": ACTION_EVENTS.api_version,
        "kind": ACTION_EVENTS.kind,
        "metadata": {
            "name": f"{place.name[:_NAME_CHARS].rstrip('-')}-{mark}",
            "labels": labels(action.action_id, "trace", is_root=False),
            "ownerReferences": [owner],
        },
        "spec": {
            "target": {"name": parent.place.name, "uid": parent.uid},
            "type": TRACE,
            "payload": payload,
            "sender": sender[:253],
            "receivedAt": format_time(now),
        },
    }


def trace_of(body: Body) -> CachedAction | None:
    """Return the trace of an event, or None if this service did not create the event."""
    metadata = body["metadata"]
    payload = (body.get("spec") or {}).get("payload") or {}
    name, parent, phase, output_uri = (_text(payload, field) for field in (_PLACE, _PARENT, "phase", "outputUri"))
    if not name or not parent or phase not in _ENDS.values():
        return None
    return CachedAction(
        place=ActionKey(metadata["namespace"], name),
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        action=(metadata.get("labels") or {}).get(ACTION, name),
        parent=parent,
        phase=phase,
        output_uri=output_uri,
        # The SDK reads the outputs of a step that has not failed, and does such a step again if it names none.
        output_folder=_text(payload, "inputUri").rpartition("/")[0] if phase == "Failed" else "",
        is_trace=True,
    )


def _text(payload: Body, field: str) -> str:
    """Return the text of a field; empty if it has another type."""
    found = payload.get(field)
    return found if isinstance(found, str) else ""
