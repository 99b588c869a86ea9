"""Records of the history: what is kept of an action or run, without private values; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from taskaction.api.action_flow_run import ActionFlowRun
from taskaction.api.enums import ParentKind, ProviderKind
from taskaction.api.task_action import TaskAction
from taskaction.core.constants import GROUP
from taskaction.flows.privacy import PREFIX, without_private

RecordedObject = TaskAction | ActionFlowRun

_LEFT_OUT: Any = {
    "metadata": {"annotations": {"kubectl.kubernetes.io/last-applied-configuration"}},
    "status": {"state", "private_state", "state_uri"},
}
"""What is not recorded: a copy of the specification, and what only an unfinished run needs."""
_PRIVATE = f'"{PREFIX}'.encode()
_PARENT_KINDS = frozenset(map(str, ParentKind))
_MILLISECOND = timedelta(milliseconds=1)
_EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the history keeps of one object.

    Times are milliseconds since 1970, so that every database compares them in the same way.

    Attributes:
        version: ``metadata.resourceVersion`` of the object that was recorded.
        phase: the terminal phase; of an object that was deleted before its end, its last one.
        provider: the provider's name; None if the action names an executor, and for runs.
        ended_at: when the object finished, or was deleted before its end.
        deleted_at: when the object was deleted before its end; None if it has finished.
        duration: time from the first start to the end; None if nothing was started.
        owner_uid: uid of the parent; None if there is none, or only its name is known.
        body: the object as JSON, without ``apiVersion`` and ``kind``.
    """

    uid: str
    kind: str
    namespace: str
    name: str
    version: int
    phase: str
    reason: str | None
    message: str | None
    executor: str | None
    provider_kind: str | None
    provider: str | None
    created_at: int
    started_at: int | None
    ended_at: int
    deleted_at: int | None
    duration: int | None
    attempts: int
    owner_kind: str | None
    owner_name: str | None
    owner_uid: str | None
    labels: Mapping[str, str]
    body: str

    @property
    def size(self) -> int:
        """Approximate size in bytes."""
        return len(self.body) + len(self.message or "")


def finished_record(found: RecordedObject, version: int) -> Record:
    """Return the record of a finished object; raise ``ValueError`` if it has not finished."""
    if found.status.finished_at is None:
        raise ValueError(f"{found.metadata.uid} has not finished")
    return _to_record(found, version, ended_at=found.status.finished_at, deleted_at=None)


def deleted_record(found: RecordedObject, version: int, at: datetime) -> Record:
    """Return the record of an object that was deleted ``at`` a time before its end."""
    return _to_record(found, version, ended_at=at, deleted_at=at)


def _to_record(found: RecordedObject, version: int, *, ended_at: datetime, deleted_at: datetime | None) -> Record:
    metadata, status = found.metadata, found.status
    executor, provider_kind, provider = _executor_of(found)
    owner_kind, owner_name, owner_uid = _owner_of(found)
    started = status.started_at
    return Record(
        uid=metadata.uid,
        kind=str(_kind_of(found)),
        namespace=metadata.namespace,
        name=metadata.name,
        version=version,
        phase=str(status.phase),
        reason=status.reason,
        message=_storable(status.message),
        executor=executor,
        provider_kind=provider_kind,
        provider=provider,
        created_at=to_milliseconds(metadata.creation_timestamp),
        started_at=to_milliseconds(started) if started is not None else None,
        ended_at=to_milliseconds(ended_at),
        deleted_at=to_milliseconds(deleted_at) if deleted_at is not None else None,
        duration=max(0, (ended_at - started) // _MILLISECOND) if started is not None else None,
        attempts=(found.status.attempt or 0) if isinstance(found, TaskAction) else 0,
        owner_kind=owner_kind,
        owner_name=owner_name,
        owner_uid=owner_uid,
        labels=metadata.labels,
        body=_body_of(found),
    )


def _kind_of(found: RecordedObject) -> ParentKind:
    return ParentKind.TASK_ACTION if isinstance(found, TaskAction) else ParentKind.ACTION_FLOW_RUN


def _executor_of(found: RecordedObject) -> tuple[str | None, ProviderKind | None, str | None]:
    """Return executor, kind of the provider, and its name."""
    if isinstance(found, ActionFlowRun):
        return None, None, None
    reference = found.spec.provider_ref
    if reference is None:
        return found.spec.executor, None, None
    return found.spec.executor, reference.kind, reference.name


def _owner_of(found: RecordedObject) -> tuple[str | None, str | None, str | None]:
    """Return kind, name and uid of the parent: an owner of the project's kinds, otherwise what the spec names."""
    for owner in found.metadata.owner_references:
        if owner.api_version.startswith(f"{GROUP}/") and owner.kind in _PARENT_KINDS:
            return owner.kind, owner.name, owner.uid
    parent = found.spec.parent_ref
    return (str(parent.kind), parent.name, parent.uid) if parent is not None else (None, None, None)


def _body_of(found: RecordedObject) -> str:
    text = found.__pydantic_serializer__.to_json(found, by_alias=True, exclude_none=True, exclude=_LEFT_OUT)
    if _PRIVATE in text:  # most objects have no such name, and need no second pass
        text = orjson.dumps(without_private(orjson.loads(text)))
    return text.decode()


def _storable(text: str | None) -> str | None:
    """Return a text that every database stores: PostgreSQL refuses the character NUL."""
    return text.replace("\x00", "�") if text is not None else None


def to_milliseconds(moment: datetime) -> int:
    """Return a time as the history stores it: milliseconds since 1970."""
    return (moment - _EPOCH) // _MILLISECOND
