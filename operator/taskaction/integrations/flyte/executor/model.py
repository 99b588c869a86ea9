"""What ``flyte`` takes, as the Actions service writes it; fields and rules only."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from taskaction.plugin.parameters import Parameters

Name = Annotated[str, Field(min_length=1, max_length=63)]
Uri = Annotated[str, Field(min_length=1, max_length=2048)]


class FlyteParameters(Parameters):
    """A task of Flyte, and the action of a run that it is."""

    template: Annotated[str, Field(min_length=1, max_length=1024 * 1024)] | None = None
    """The serialized `flyteidl2.core.TaskTemplate`, in base64. Either this or `templateUri`."""
    template_uri: Uri | None = None
    """Where the serialized template is stored; within `TASKACTION_FLYTE_STORAGE`."""
    template_digest: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """The SHA-256 of what is stored there; goes with `templateUri`."""
    encoding: Literal["base64", "zlib"] = "base64"
    """zlib: the template was compressed, by zlib, before it was written in base64 or stored."""
    input_uri: Uri
    """The file with the task's inputs."""
    run_output_base: Uri
    """The folder of the run, below which each action has its own."""
    org: Name = "default"
    """The organisation of the run."""
    project: Name
    """The project of the run."""
    domain: Name
    """The domain of the run."""
    run_name: Annotated[str, Field(min_length=1, max_length=30)]
    """The run."""
    action_name: Annotated[str, Field(min_length=1, max_length=30)]
    """The action's name within the run; `a0` is the first."""
    group: Annotated[str, Field(max_length=256)] = ""
    """What the program groups it under."""
    cache_key: Annotated[str, Field(max_length=256)] = ""
    """Kept as it was given; there is no task cache."""
    env: Annotated[dict[str, Annotated[str, Field(max_length=65536)]], Field(max_length=256)] = Field(
        default_factory=dict
    )
    """The run's environment variables; they win over the task's own."""
    interruptible: bool | None = None
    """Whether the pod may run where it can be taken away. Default: what the template says."""
    raw_data_prefix: Annotated[str, Field(max_length=2048)] = ""
    """The folder for what the task's outputs refer to. Default: below the attempt's own."""
    run_start_time: Annotated[str, Field(max_length=64)] = ""
    """When the run was started, for tasks that ask for it."""
    task_type: Annotated[str, Field(max_length=63)] = ""
    """The template's type."""
    short_name: Annotated[str, Field(max_length=63)] = ""
    """What people call the task."""

    @model_validator(mode="after")
    def _one_template(self) -> Self:
        if (self.template is None) == (self.template_uri is None):
            raise ValueError("set exactly one of template and templateUri")
        if (self.template_uri is None) != (self.template_digest is None):
            raise ValueError("templateUri and templateDigest go together")
        return self
