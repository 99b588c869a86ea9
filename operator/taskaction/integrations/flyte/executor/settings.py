"""Settings of the executor ``flyte``, from environment variables of the operator."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from taskaction.api.base import PositiveDuration
from taskaction.plugin.setting_types import COMMA_LIST, JSON_OBJECT, Folder, Url
from taskaction.plugin.settings import Settings


class FlyteSettings(Settings, env_prefix="TASKACTION_FLYTE_"):
    """Settings with their defaults; ``TASKACTION_FLYTE_<NAME>`` in the operator's environment sets one."""

    endpoint: Url | None = None
    """Where pods reach the Actions service, for example https://actions.flyte.svc:8094. Default: tasks that start
    others need an endpoint of their own."""
    authentication: bool = True
    """Whether pods get a token for the Actions service and are configured to send it."""
    audience: str = ""
    """The audience of that token; one of TASKACTION_ACTIONS_AUDIENCES. Default: the API server's own."""
    storage: Annotated[tuple[Folder, ...], COMMA_LIST] = ()
    """Folders that the operator reads in addition to TASKACTION_STORAGE, separated by commas: errors and large
    templates are read from them, and outputs looked for. What is elsewhere is never asked for. An action of namespace
    `team` may name what is in `FOLDER/team/` of TASKACTION_STORAGE and of each `FOLDER` here, in a folder that is
    listed as `team=FOLDER`, and in one that is listed as `*=FOLDER`, for every namespace. Without TASKACTION_STORAGE,
    the first `FOLDER` is that, too."""
    trust_exit_code: bool = False
    """Whether the exit code of a task is its result if the operator cannot read its outputs. Flyte's SDK exits with 0
    also if the task has failed. Default: such a task is refused."""
    pod_template: Annotated[str, Field(max_length=253)] = ""
    """A PodTemplate in an action's namespace that underlies its pod, where the task names none."""
    env: Annotated[Mapping[str, str], JSON_OBJECT] = Field(default_factory=dict, repr=False)
    """Environment variables of every task, as a JSON object; a task's and a run's own win."""
    interruptible: Annotated[Mapping[str, Any], JSON_OBJECT] = Field(default_factory=dict)
    """What an interruptible pod's spec has besides, as a JSON object: for example tolerations and a nodeSelector."""
    gpu_resource: str = "nvidia.com/gpu"
    """The resource that a task's GPUs are."""
    gpu_label: str = "k8s.amazonaws.com/accelerator"
    """The label of nodes by which a GPU of a certain device is found."""
    start_timeout: PositiveDuration = timedelta(minutes=10)
    """How long a pod may take to start, its images pulled."""
    image_timeout: PositiveDuration = timedelta(minutes=3)
    """How long to wait for an image that cannot be pulled, within the start timeout."""

    @model_validator(mode="after")
    def _check_audience(self) -> Self:
        if self.audience and not self.authentication:
            raise ValueError(
                "TASKACTION_FLYTE_AUDIENCE has no effect if TASKACTION_FLYTE_AUTHENTICATION is false; unset one of them"
            )
        return self
