"""Parameters of ``resource``: fields and rules only."""

from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, model_validator

from taskaction.plugin.checks import ApiVersion, Expectation, ExpectedCondition
from taskaction.plugin.parameters import Parameters, Patience


class Check(Parameters):
    """Check of an object: exactly one of condition and field."""

    condition: ExpectedCondition | None = None
    """A condition in `status.conditions`."""
    field: Expectation | None = None
    """A field that equals a value, or one of a list of values."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.condition is None) == (self.field is None):
            raise ValueError("set exactly one of condition and field")
        return self

    @property
    def expectation(self) -> ExpectedCondition | Expectation:
        """The one that is set."""
        if self.condition is not None:
            return self.condition
        assert self.field is not None  # noqa: S101 - the validator guarantees it
        return self.field


class ManifestMetadata(Parameters):
    """Metadata that users may set; the operator and the API server set the rest."""

    name: Annotated[str, Field(min_length=1, max_length=253)] | None = None
    """The name of the object. Default: generated from the name and attempt of the action."""
    namespace: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The namespace of the object. Default: the namespace of the action."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the object."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the object."""
    finalizers: tuple[str, ...] = ()
    """Finalizers of the object."""


class Manifest(Parameters):
    """Object of any kind."""

    model_config = ConfigDict(extra="allow")

    api_version: ApiVersion
    """For example batch/v1."""
    kind: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[A-Za-z][A-Za-z0-9]*$")]
    """For example Job."""
    metadata: ManifestMetadata = ManifestMetadata()
    """The metadata of the object."""


class ResourceParameters(Parameters):
    """Parameters of ``resource``."""

    manifest: Manifest
    """The object to create. Without a name, it gets one generated from the name of the action."""
    success: Annotated[tuple[Check, ...], Field(max_length=16)] | None = None
    """The action succeeds if any of these checks holds. Known kinds have a default. With an empty list, it succeeds
    once the object is created."""
    failure: Annotated[tuple[Check, ...], Field(max_length=16)] | None = None
    """The action fails if any of these checks holds. Known kinds have a default."""
    output: Annotated[str, Field(max_length=253)] | None = None
    """The field of the object that becomes the output, for example status.result."""
    owned: bool = True
    """Whether the action owns the object, so that Kubernetes deletes both together. An object in another namespace, or
    a cluster-scoped one, requires `false`; a finalizer then holds the action until its abort has deleted the object."""
    start_timeout: Patience = timedelta(minutes=10)
    """The time to wait while a ResourceQuota leaves no room for the object."""

    @property
    def body(self) -> dict[str, Any]:
        """The manifest as the user wrote it, without unset fields."""
        return self.manifest.model_dump(by_alias=True, exclude_unset=True)
