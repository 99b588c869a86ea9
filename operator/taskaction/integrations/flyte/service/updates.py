"""What a watch says of an action, in Flyte's words; pure."""

from typing import Any

from flyteidl2.actions.actions_service_pb2 import WatchForUpdatesResponse
from flyteidl2.common.identifier_pb2 import RunIdentifier
from flyteidl2.core.execution_pb2 import ExecutionError
from flyteidl2.workflow.state_service_pb2 import ControlMessage
from google.protobuf.json_format import ParseDict

from taskaction.api.enums import Phase
from taskaction.integrations.flyte.service.action_cache import CachedAction
from taskaction.integrations.flyte.service.literals import to_literal
from taskaction.integrations.flyte.service.phases import PHASES

_KINDS = {"User": ExecutionError.ErrorKind.USER, "System": ExecutionError.ErrorKind.SYSTEM}
_WITH_ERROR = frozenset({"Failed", "TimedOut"})

SENTINEL = WatchForUpdatesResponse(control_message=ControlMessage(sentinel=True))
HEARTBEAT = SENTINEL
"""A client is ready already, and a control message without the mark would be a nameless action to Flyte's SDK."""


def to_update(known: CachedAction, run: RunIdentifier) -> WatchForUpdatesResponse:
    """Return the newest state of an action of ``run``."""
    response = WatchForUpdatesResponse()
    update = response.action_update
    update.action_id.run.CopyFrom(run)
    update.action_id.name = known.action
    update.phase = PHASES[Phase(known.phase)]
    update.output_uri = known.output_uri or known.output_folder
    if known.address is not None:
        ParseDict(known.address, update.address, ignore_unknown_fields=True)
    if known.phase in _WITH_ERROR and known.error is not None:
        update.error.code = known.error.get("code", "")
        update.error.message = known.error.get("message", "")
        update.error.kind = _KINDS.get(known.error.get("kind", ""), ExecutionError.ErrorKind.UNKNOWN)
    if known.signal_type and known.phase == "Succeeded":
        value = to_literal(known.signal_type, _answer(known.output))
        if value is not None:
            update.value.CopyFrom(value)
    return response


def _answer(output: Any) -> Any:
    return output.get("value") if isinstance(output, dict) else None
