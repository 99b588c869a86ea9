"""What ``resource`` takes; fields and rules only."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from taskaction.plugin.checks import ApiVersion, ConditionWanted, Expectation
from taskaction.plugin.parameters import Parameters, Patience


class Check(Parameters):
    """One thing that an object may say: exactly one of the two."""

    condition: ConditionWanted | None = None
    """A condition in `status.conditions`."""
    field: Expectation | None = None
    """A field that equals a value, or any of a list of values."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.condition is None) == (self.field is None):
            raise ValueError("set exactly one of condition and field")
        return self

    @property
    def what(self) -> ConditionWanted | Expectation:
        """The one of the two that is set."""
        if self.condition is not None:
            return self.condition
        assert self.field is not None  # noqa: S101 - the validator has seen to it
        return self.field


class ManifestMetadata(Parameters):
    """What users may say of an object's metadata; the rest is decided by the operator or the API server."""

    name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """Its name. Default: one that follows from the action's name and attempt."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """Its namespace. Default: the action's."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Its labels."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Its annotations."""
    finalizers: tuple[str, ...] = ()
    """Its finalizers."""


class Manifest(Parameters):
    """An object of any kind."""

    model_config = ConfigDict(extra="allow")

    api_version: ApiVersion
    """For example batch/v1."""
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """For example Job."""
    metadata: ManifestMetadata = ManifestMetadata()
    """Name, labels and annotations."""


class ResourceParameters(Parameters):
    """What ``resource`` takes."""

    manifest: Manifest
    """The object. Without a name it gets one that follows from the action's."""
    success: Annotated[tuple[Check, ...], Field(max_length=16)] | None = None
    """The action has succeeded when any of these holds. Known kinds have a default; an empty list means: when the
    object has been created."""
    failure: Annotated[tuple[Check, ...], Field(max_length=16)] | None = None
    """The action has failed when any of these holds. Known kinds have a default."""
    output: Annotated[str, Field(max_length=253)] | None = None
    """The field of the object that becomes the output, for example status.result."""
    owned: bool = True
    """Whether the object belongs to the action and goes with it. One in another namespace, or of the cluster, cannot:
    then `false`, and the action is held until its abort has deleted the object."""
    start_timeout: Patience = timedelta(minutes=10)
    """How long to wait where a ResourceQuota leaves no room for the object."""

    @property
    def body(self) -> dict[str, Any]:
        """The manifest as it was given, without fields that nobody has set."""
        return self.manifest.model_dump(by_alias=True, exclude_unset=True)
