"""Parameters of ``pod`` and ``job``: fields and rules only."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

import orjson
from pydantic import (
    BeforeValidator,
    Field,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
    model_validator,
)

from taskaction.plugin.parameters import Parameters, Patience
from taskaction.plugin.secrets import Secret

MANAGED_JOB_FIELDS = ("template", "selector", "manualSelector", "suspend", "ttlSecondsAfterFinished", "managedBy")
"""Fields of a Job that the operator sets."""

USUAL_GRACE = 30
"""Default of Kubernetes for terminationGracePeriodSeconds."""
_LONGEST_GRACE = 24 * 3600


def _as_text(value: object) -> object:
    """Convert a number or boolean to text: a template of a provider renders to the type of the user's value."""
    return orjson.dumps(value).decode() if isinstance(value, bool | int | float) else value


Text = Annotated[str, Field(max_length=65536), BeforeValidator(_as_text)]


def _keep_secret(value: object, validate: ValidatorFunctionWrapHandler) -> object:
    return value if isinstance(value, Secret) else validate(value)


Variable = Annotated[Text, WrapValidator(_keep_secret)]
"""Value of an environment variable, or a ``Secret``, which becomes a reference to it."""


class Container(Parameters):
    """Short form of one container."""

    image: Annotated[str, Field(min_length=1, max_length=1024)] | None = None
    """The image. Set either this or `template`."""
    command: Annotated[tuple[Text, ...], Field(max_length=256)] = ()
    """The program and its arguments; replaces the entrypoint of the image."""
    args: Annotated[tuple[Text, ...], Field(max_length=1024)] = ()
    """Arguments of the program."""
    env: Annotated[dict[str, Variable], Field(max_length=256)] = Field(default_factory=dict)
    """Environment variables. One that `parametersFrom` reads from a Secret becomes `valueFrom.secretKeyRef`."""
    resources: dict[str, Any] = Field(default_factory=dict)
    """Requests and limits, as in a container of a pod."""
    image_pull_policy: Annotated[str, Field(pattern="^(Always|IfNotPresent|Never)$")] | None = None
    """Always, IfNotPresent or Never. Default: the default of Kubernetes."""


class PodParameters(Container):
    """Parameters of ``pod``: the short form of a container, or a pod template."""

    template: dict[str, Any] | None = None
    """A PodTemplateSpec with `metadata` and `spec`. Set either this or `image`."""
    output_container: Annotated[str, Field(min_length=1, max_length=63)] | None = None
    """The container whose termination message is the output. Default: the first container."""
    start_timeout: Patience = timedelta(minutes=10)
    """The time for the pod to start, including image pulls. After it, the attempt fails with the reason of the wait. It
    counts again from each step: a resumed Job, a new pod, a node, the end of an init container."""
    image_timeout: Patience = timedelta(minutes=3)
    """The time to wait for an image that cannot be pulled, within `startTimeout`."""

    @field_validator("template")
    @classmethod
    def _has_containers(cls, template: dict[str, Any] | None) -> dict[str, Any] | None:
        if template is None:
            return None
        metadata = template.get("metadata", {})
        if not isinstance(metadata, dict) or not isinstance(metadata.get("labels") or {}, dict):
            raise ValueError("metadata and its labels must be objects")  # noqa: TRY004 - pydantic's word for a wrong value
        if unknown := set(template) - {"metadata", "spec"}:
            raise ValueError(f"has no field {min(unknown)!r}: a PodTemplateSpec has metadata and spec")
        spec = template.get("spec")
        if not isinstance(spec, dict):
            raise ValueError("spec must be an object")  # noqa: TRY004 - pydantic's word for a wrong value
        containers = spec.get("containers")
        if not isinstance(containers, list) or not containers:
            raise ValueError("spec.containers must name at least one container")
        if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in containers):
            raise ValueError("each of spec.containers must be an object with a name")
        before = spec.get("initContainers") or []
        if not isinstance(before, list) or not all(isinstance(one, dict) for one in before):
            raise ValueError("spec.initContainers must be a list of objects")
        if spec.get("restartPolicy", "Never") not in ("Never", "OnFailure"):
            raise ValueError("spec.restartPolicy must be Never or OnFailure, or the pod would never end")
        return template

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.image is None) == (self.template is None):
            raise ValueError("set exactly one of image and template")
        if self.template is not None and (short := self.model_fields_set & set(Container.model_fields)):
            raise ValueError(f"{min(short)}: allowed only with image; set it in template")
        if self.output_container is not None and self.output_container not in self.container_names:
            raise ValueError(f"outputContainer: unknown container {self.output_container!r}")
        return self

    @property
    def container_names(self) -> tuple[str, ...]:
        """The names of the containers, in order."""
        if self.template is None:
            return ("main",)
        return tuple(container["name"] for container in self.template["spec"]["containers"])

    @property
    def watched_container(self) -> str:
        """The container whose termination message is the output."""
        return self.output_container or self.container_names[0]


def read_termination_grace(source: Mapping[str, Any]) -> timedelta:
    """Return the termination grace period of a pod, from parameters that may not be valid yet."""
    try:
        seconds = source["template"]["spec"]["terminationGracePeriodSeconds"]
    except (KeyError, TypeError):
        seconds = USUAL_GRACE
    valid = isinstance(seconds, int) and 0 <= seconds <= _LONGEST_GRACE
    return timedelta(seconds=seconds if valid else USUAL_GRACE)


class JobParameters(PodParameters):
    """Parameters of ``job``: a pod, and the fields of the Job around it."""

    spec: dict[str, Any] = Field(default_factory=dict)
    """Other fields of the JobSpec, such as parallelism, completions, completionMode or backoffLimit (default 0: the
    retryPolicy of the action applies)."""

    @field_validator("spec")
    @classmethod
    def _left_to_users(cls, spec: dict[str, Any]) -> dict[str, Any]:
        if managed := [name for name in MANAGED_JOB_FIELDS if name in spec]:
            raise ValueError(f"{managed[0]}: set by the operator; remove it")
        return spec
