"""The base class of Ocean executors, with defaults where Ocean has none; the adapter is what the engine calls."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel

from taskaction.integrations.port.ocean.adapter import OceanAdapter, adapted
from taskaction.integrations.port.ocean.models import IntegrationRun
from taskaction.integrations.port.ocean.webhooks import Processor
from taskaction.plugin.toolbox import Toolbox


class AbstractExecutor(ABC):
    """Executes one kind of action, by Ocean's contract.

    Attributes:
        ACTION_NAME: what Port calls the action; ``spec.executor`` is its DNS form (``my_action``: ``my-action``).
        PARTITION_KEY: the parameter whose value tells which runs must not run at the same time.
        WEBHOOK_PROCESSOR_CLASS: what handles the target's webhooks.
        WEBHOOK_PATH: where they arrive, below ``/integration``.
        IDEMPOTENT: set it where calling ``execute`` again for the same run has no second effect: then a crash in the
            middle is repaired by calling it again, instead of ending the run as Interrupted.
        PARAMETERS: a pydantic model that parameters must satisfy before anything is queued.
    """

    ACTION_NAME: ClassVar[str]
    PARTITION_KEY: ClassVar[str | None] = None
    WEBHOOK_PROCESSOR_CLASS: ClassVar[Processor | None] = None
    WEBHOOK_PATH: ClassVar[str | None] = ""
    IDEMPOTENT: ClassVar[bool] = False
    PARAMETERS: ClassVar[type[BaseModel] | None] = None

    @classmethod
    def build(cls, toolbox: Toolbox) -> OceanAdapter:
        """Make what the operator registers; a class whose constructor takes arguments is given by ``hosted``."""
        return adapted(cls(), toolbox)

    @abstractmethod
    async def execute(self, run: Any) -> None:
        """Do it, and report by ``ocean.port_client``; an exception fails the run with its text."""

    async def poll(self, run: Any) -> None:
        """Look how a run stands that goes on outside, and report; not in Ocean, where a lost webhook is the end."""

    async def is_close_to_rate_limit(self, run: Any = None) -> bool:  # noqa: ARG002 - Ocean's signature
        """Say whether starting now would exhaust the target's quota; with or without the run."""
        return False

    async def get_remaining_seconds_until_rate_limit(self, run: Any = None) -> float:  # noqa: ARG002 - as above
        """Give the seconds until the quota is renewed; with or without the run."""
        return 0.0

    @property
    def limits_itself(self) -> bool:
        """Whether the author wrote the question about the quota."""
        return type(self).is_close_to_rate_limit is not AbstractExecutor.is_close_to_rate_limit

    @property
    def partitions_itself(self) -> bool:
        """Whether the author wrote how the partition is found, so that only asking tells."""
        return type(self)._get_partition_key is not AbstractExecutor._get_partition_key  # noqa: SLF001 - Ocean's name

    @property
    def polls(self) -> bool:
        """Whether the author wrote how to look at a run that goes on outside."""
        return type(self).poll is not AbstractExecutor.poll

    async def _get_partition_key(self, run: IntegrationRun) -> str | None:
        """Give the run's partition: by default the value of the parameter that PARTITION_KEY names."""
        if self.PARTITION_KEY is None:
            return None
        value = run.execution_properties.get(self.PARTITION_KEY)
        return str(value) if value else None


class Hosted:
    """An executor that exists already, as an entry point or a registry takes it."""

    def __init__(self, executor: AbstractExecutor, *, poll_seconds: float = 5.0) -> None:
        """Take the executor, and how often one that writes ``poll`` is asked how a run stands."""
        self._executor = executor
        self._poll_seconds = poll_seconds

    def build(self, toolbox: Toolbox) -> OceanAdapter:
        """Make what the operator registers."""
        return adapted(self._executor, toolbox, poll_seconds=self._poll_seconds)


def hosted(executor: AbstractExecutor) -> Hosted:
    """Wrap an instance for an entry point to name, where the class cannot be made without arguments."""
    return Hosted(executor)
