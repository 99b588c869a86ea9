"""Parts of Kubernetes object metadata and conditions that the project reads or writes."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from taskaction.api.base import ApiModel, Message, Timestamp
from taskaction.api.enums import ConditionStatus


class OwnerReference(ApiModel):
    """One owner of an object, as Kubernetes' garbage collector reads it."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool | None = None
    block_owner_deletion: bool | None = None


class Metadata(ApiModel):
    """Object metadata that decisions depend on; other fields are not read."""

    name: str
    uid: str
    namespace: str = ""
    generation: int = 1
    resource_version: str = ""
    creation_timestamp: datetime
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()
    labels: dict[str, str] = Field(default_factory=dict)
    annotations: dict[str, str] = Field(default_factory=dict)
    owner_references: tuple[OwnerReference, ...] = ()


class Condition(ApiModel):
    """A Kubernetes condition; ``lastTransitionTime`` changes only when ``status`` changes."""

    type: Annotated[str, Field(max_length=64)]
    """Type of the condition."""
    status: ConditionStatus
    """Status of the condition: True, False or Unknown."""
    reason: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """Machine-readable reason, in CamelCase."""
    message: Message = ""
    """Human-readable message."""
    last_transition_time: Timestamp
    """When `status` last changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The `metadata.generation` on which this condition is based. Unset on actions and runs, where
    `status.observedGeneration` applies."""


Conditions = Annotated[
    tuple[Condition, ...],
    Field(
        max_length=8,
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    ),
]
"""The conditions of a status, one of each type."""
