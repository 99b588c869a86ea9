"""Base class of Ocean executors, with defaults where Ocean has none; the operator calls it through an adapter."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from pydantic import BaseModel

from taskaction.integrations.port.ocean.adapter import OceanAdapter, build_adapter
from taskaction.integrations.port.ocean.models import IntegrationRun
from taskaction.integrations.port.ocean.webhooks import Processor
from taskaction.plugin.toolbox import Toolbox


class AbstractExecutor(ABC):
    """Executor of one kind of action, with Ocean's contract.

    Attributes:
        ACTION_NAME: name of the action at Port; ``spec.executor`` is its DNS form (``my_action``: ``my-action``).
        PARTITION_KEY: parameter whose value identifies runs that must not run concurrently.
        WEBHOOK_PROCESSOR_CLASS: processor of the target's webhooks.
        WEBHOOK_PATH: path of the webhooks, below ``/integration``.
        IDEMPOTENT: set it if a second call of ``execute`` for the same run has no further effect: after a crash the
            operator then calls it again, instead of ending the run as Interrupted.
        PARAMETERS: pydantic model that validates parameters before an action is queued.
    """

    ACTION_NAME: ClassVar[str]
    PARTITION_KEY: ClassVar[str | None] = None
    WEBHOOK_PROCESSOR_CLASS: ClassVar[Processor | None] = None
    WEBHOOK_PATH: ClassVar[str | None] = ""
    IDEMPOTENT: ClassVar[bool] = False
    PARAMETERS: ClassVar[type[BaseModel] | None] = None

    @classmethod
    def build(cls, toolbox: Toolbox) -> OceanAdapter:
        """Build the executor that the operator registers; use ``hosted`` if the constructor takes arguments."""
        return build_adapter(cls(), toolbox)

    @abstractmethod
    async def execute(self, run: Any) -> None:
        """Execute a run and report with ``ocean.port_client``; an exception fails the run with its text."""

    async def poll(self, run: Any) -> None:
        """Check a run that continues outside, and report; not in Ocean, where a lost webhook loses the run."""

    async def is_close_to_rate_limit(self, run: Any = None) -> bool:  # noqa: ARG002 - Ocean's signature
        """Whether starting now would exhaust the target's rate limit; with or without the run."""
        return False

    async def get_remaining_seconds_until_rate_limit(self, run: Any = None) -> float:  # noqa: ARG002 - as above
        """Return the seconds until the rate limit resets; with or without the run."""
        return 0.0

    @property
    def limits_itself(self) -> bool:
        """Whether the class overrides ``is_close_to_rate_limit``."""
        return type(self).is_close_to_rate_limit is not AbstractExecutor.is_close_to_rate_limit

    @property
    def partitions_itself(self) -> bool:
        """Whether the class overrides ``_get_partition_key``."""
        return type(self)._get_partition_key is not AbstractExecutor._get_partition_key  # noqa: SLF001 - Ocean's name

    @property
    def polls(self) -> bool:
        """Whether the class overrides ``poll``."""
        return type(self).poll is not AbstractExecutor.poll

    async def _get_partition_key(self, run: IntegrationRun) -> str | None:
        """Return the partition key of a run: by default the value of the parameter that PARTITION_KEY names."""
        if self.PARTITION_KEY is None:
            return None
        value = run.execution_properties.get(self.PARTITION_KEY)
        return str(value) if value else None


class Hosted:
    """Factory around an existing executor, for an entry point or a registry."""

    def __init__(self, executor: AbstractExecutor, *, poll_seconds: float = 5.0) -> None:
        """Wrap an executor; ``poll_seconds`` is the interval of ``poll`` if the class overrides it."""
        self._executor = executor
        self._poll_seconds = poll_seconds

    def build(self, toolbox: Toolbox) -> OceanAdapter:
        """Build the executor that the operator registers."""
        return build_adapter(self._executor, toolbox, poll_seconds=self._poll_seconds)


def hosted(executor: AbstractExecutor) -> Hosted:
    """Wrap an instance for an entry point, if the constructor of the class takes arguments."""
    return Hosted(executor)
