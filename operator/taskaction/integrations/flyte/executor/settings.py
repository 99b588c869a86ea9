"""The settings of ``flyte``: values only; the operator's configuration reads them from the environment."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from taskaction.api.base import PositiveDuration
from taskaction.plugin.storage import validate_folder

PREFIX = "TASKACTION_FLYTE_"


def _json(value: object) -> object:
    """Read text as JSON; raises ``ValueError`` where it is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise ValueError(f"should be JSON: {error}") from error


def _words(value: object) -> object:
    return tuple(word.strip() for word in value.split(",") if word.strip()) if isinstance(value, str) else value


def _endpoint(value: str) -> str:
    if not value.startswith(("http://", "https://")) or any(sign in value for sign in "?#@ "):
        raise ValueError("should be an address such as https://taskaction-actions.flyte.svc:8094")
    return value.rstrip("/")


def folders(value: tuple[str, ...]) -> tuple[str, ...]:
    """Check that each is a folder of some storage; give them with a slash at the end."""
    return tuple(map(validate_folder, value))


class FlyteSettings(BaseModel):
    """Every setting, with its default; ``TASKACTION_FLYTE_<NAME>`` in the operator's environment sets it."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)

    endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """Where pods reach the Actions service, for example https://actions.flyte.svc:8094. Default: tasks that start
    others need an endpoint of their own."""
    authentication: bool = True
    """Whether pods get a token for the Actions service and are configured to send it."""
    audience: str = ""
    """The audience of that token; one of TASKACTION_ACTIONS_AUDIENCES. Default: the API server's own."""
    storage: Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(folders)] = ()
    """Folders that the operator itself can read, separated by commas: errors and large templates are read from them,
    and outputs looked for. What is elsewhere is never asked for."""
    pod_template: Annotated[str, Field(max_length=253)] = ""
    """A PodTemplate in an action's namespace that underlies its pod, where the task names none."""
    env: Annotated[Mapping[str, str], BeforeValidator(_json)] = Field(default_factory=dict)
    """Environment variables of every task, as a JSON object; a task's and a run's own win."""
    interruptible: Annotated[Mapping[str, Any], BeforeValidator(_json)] = Field(default_factory=dict)
    """What an interruptible pod's spec has besides, as a JSON object: for example tolerations and a nodeSelector."""
    gpu_resource: str = "nvidia.com/gpu"
    """The resource that a task's GPUs are."""
    gpu_label: str = "k8s.amazonaws.com/accelerator"
    """The label of nodes by which a GPU of a certain device is found."""
    start_timeout: PositiveDuration = timedelta(minutes=10)
    """How long a pod may take to start, its images pulled."""

    @model_validator(mode="after")
    def _is_sure_of_itself(self) -> "FlyteSettings":
        if self.audience and not self.authentication:
            raise ValueError("TASKACTION_FLYTE_AUDIENCE is of no use where TASKACTION_FLYTE_AUTHENTICATION is false")
        return self
