"""What ``flyte`` takes, as the Actions service writes it; fields and rules only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from taskaction.plugin.parameters import Parameters

Name = Annotated[str, Field(min_length=1, max_length=63)]
Uri = Annotated[str, Field(min_length=1, max_length=2048)]


class FlyteParameters(Parameters):
    """A task of Flyte, with its place in a run: organization, project, domain, run and action."""

    template: Annotated[str, Field(min_length=1, max_length=1024 * 1024)] | None = None
    """The serialized `flyteidl2.core.TaskTemplate`, in base64. Either this or `templateUri`."""
    template_uri: Uri | None = None
    """URI of the stored serialized template. It must be within `TASKACTION_STORAGE` or `TASKACTION_FLYTE_STORAGE`."""
    template_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the stored template, in hexadecimal. Required with `templateUri`."""
    encoding: Literal["base64", "zlib"] = "base64"
    """Set `zlib` if the template is compressed, in base64 or in the storage. Default `base64`: not compressed."""
    input_uri: Uri
    """URI of the file with the task's inputs, or of the folder in which it is `inputs.pb`."""
    run_output_base: Uri
    """URI of the run's folder. Each action has a folder in it."""
    org: Name = "default"
    """Organization of the run."""
    project: Name
    """Project of the run."""
    domain: Name
    """Domain of the run."""
    run_name: Annotated[str, Field(min_length=1, max_length=30)]
    """Name of the run."""
    action_name: Annotated[str, Field(min_length=1, max_length=30)]
    """Name of the action within the run. The first action is `a0`."""
    group: Annotated[str, Field(max_length=256)] = ""
    """Name of the group that the program puts the action into."""
    cache_key: Annotated[str, Field(max_length=256)] = ""
    """Cache key of the task. It is stored but not used, because there is no task cache."""
    env: Annotated[dict[str, Annotated[str, Field(max_length=65536)]], Field(max_length=256)] = Field(
        default_factory=dict
    )
    """Environment variables of the run. They take precedence over those of the task."""
    interruptible: bool | None = None
    """Whether the pod may run on nodes that can be reclaimed at any time. Default: the template's value."""
    raw_data_prefix: Annotated[str, Field(max_length=2048)] = ""
    """URI of the folder for files that the task's outputs refer to. Default: a folder in that of the attempt."""
    run_start_time: Annotated[str, Field(max_length=64)] = ""
    """Start time of the run, for tasks that use it."""
    task_type: Annotated[str, Field(max_length=63)] = ""
    """Type of the task, as in the template."""
    short_name: Annotated[str, Field(max_length=63)] = ""
    """Display name of the task."""

    @model_validator(mode="after")
    def _one_template(self) -> Self:
        if (self.template is None) == (self.template_uri is None):
            raise ValueError("set exactly one of template and templateUri")
        if (self.template_uri is None) != (self.template_digest is None):
            raise ValueError("set templateUri and templateDigest together, or neither of them")
        return self
