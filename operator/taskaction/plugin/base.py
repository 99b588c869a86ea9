"""The plug-in contract: what an executor declares, what a call receives, and what it returns.

An executor acts on the outside world and returns an outcome. It never writes a TaskAction.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel

from taskaction.api.task_action import Link, Progress, Signal
from taskaction.lifecycle.outcomes import Failed, Outcome, Paused, Pending, Succeeded
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.errors import ActionExecutionError, TransientError, WebhookRefusedError
from taskaction.plugin.schedule import Schedule
from taskaction.plugin.secrets import Secret, reveal
from taskaction.plugin.settings import Settings
from taskaction.plugin.toolbox import Toolbox


class Reporter(Protocol):
    """Channel by which a running executor reports its progress; many calls become few writes."""

    def progress(self, progress: Progress) -> None:
        """Report the progress of the action."""

    def link(self, link: Link) -> None:
        """Add a link to the status of the action."""


class SecretReader(Protocol):
    """Reader of Secrets with the rights of the account that the action or its provider runs as.

    The operator redacts what was read, or protected, from all that the call returns, reports, raises and logs.
    """

    def protect(self, text: str) -> Secret:
        """Return a text that was made from Secrets, or is as secret as one, as a ``Secret``."""

    def redact(self, text: str) -> str:
        """Return ``text`` without the values of Secrets: for a text that is shortened before the call returns it."""

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> Secret:
        """Return the value of one key.

        ``namespace`` is None for the namespace of the action, or of the provider for its own configuration. Only the
        configuration of a ClusterActionProvider may name one.

        Raises:
            MissingSourceError: the Secret or key does not exist.
            AccessDeniedError: the account may not read it.
            InvalidParametersError: the value is too short to be recognized in what the target returns.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Event from outside the owning process, as an ActionEvent recorded it.

    Attributes:
        id: the uid of the ActionEvent; after a crash the executor may receive the same delivery again.
        type: the type of the ActionEvent, for example Webhook or Report.
        payload: its content; a Webhook has ``headers`` (names in lower case) and ``body``, and ``executors`` if
            executors admitted it: the names of those that matched it to this action.
        namespace: the namespace of the ActionEvent.
        content: the bytes of the body as received, if the event has them: signatures cover these.
        problem: why the bytes of the body are lost; empty if they are not.
    """

    id: str
    type: str
    payload: Mapping[str, Any]
    received_at: datetime
    sender: str | None = None
    namespace: str = ""
    content: bytes | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """Request that the webhook inbox received and has not accepted yet.

    Attributes:
        path: the path after ``/integration``; the executor's ``WEBHOOK_PATH``.
        headers: names in lower case; the values of a repeated header are joined by a comma.
        content: the bytes as received, which signatures cover.
        body: the content as JSON.
    """

    path: str
    headers: Mapping[str, str]
    content: bytes
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Identity of the action that a webhook request is about: the target's id of it, or its uid.

    Attributes:
        executors: executors among whose actions ``external_id`` is looked up; by default, the one that admits.

    Raises:
        ValueError: neither or both are set, or the one that is set is empty.
    """

    external_id: str | None = None
    uid: str | None = None
    executors: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.external_id) == bool(self.uid):
            raise ValueError("a Correlation requires exactly one of external_id and uid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """View of an action for one call: plain values, and the few services that an executor may use.

    Attributes:
        parameters: the user's parameters; a value from a Secret is a ``Secret``, which ``reveal`` replaces.
        config: the configuration of the provider; empty for an inline executor.
        idempotency_key: the same for every call of one attempt, in every process; pass it to targets that accept one.
        external_id: the target's id of this attempt, once a ``Pending`` outcome has set it.
        started_at: when the attempt started; a change of owner does not change it.
        initializing_since: when the action came into the phase Initializing; None in every other phase.
        deadline: when the engine cancels the attempt; None for never.
        fencing_token: grows with every change of owner; pass it to targets that accept one.
        deliveries: events of the action since the last call, in the order of receipt; empty in ``execute``.
        paused: whether the last outcome was ``Paused``.
        signalled: whether this process has not polled with ``signal`` yet; true again after a restart.
        chances_left: the number of attempts that may still follow if the platform ends this one.
        progress: the progress of this attempt as recorded, also by another process; None if there is none.
        schedule: how the provider wants started actions polled; None if it does not say.
    """

    uid: str
    name: str
    namespace: str
    attempt: int
    parameters: Mapping[str, Any]
    config: Mapping[str, Any]
    idempotency_key: str
    started_at: datetime
    reporter: Reporter
    secrets: SecretReader
    now: datetime
    external_id: str | None = None
    initializing_since: datetime | None = None
    signal: Signal | None = None
    deadline: datetime | None = None
    fencing_token: int = 0
    service_account: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    deliveries: tuple[Delivery, ...] = ()
    paused: bool = False
    signalled: bool = False
    progress: Progress | None = None
    schedule: Schedule | None = None
    chances_left: int = 0

    @property
    def id(self) -> str:
        """The uid, by the name that Port Ocean uses."""
        return self.uid

    def reveal(self) -> dict[str, Any]:
        """Return the parameters with the values of Secrets in plain, for the request to the target."""
        return {name: reveal(value) for name, value in self.parameters.items()}


class AbstractExecutor(ABC):
    """Executor of one kind of action.

    The class attributes are the contract; only ``ACTION_NAME`` and ``execute`` are required.

    Attributes:
        ACTION_NAME: the value of ``spec.executor``.
        PARAMETERS: the model of the parameters; the engine checks them before the first attempt.
        CONFIG: the model of a provider's ``config``; None if providers cannot configure the executor.
        SETTINGS: the model of the executor's own settings, from environment variables of the operator, which ``build``
            gets by ``toolbox.settings``. The operator does not start while one is invalid.
        IDEMPOTENT: whether another ``execute`` with the same ``run.idempotency_key`` has no second effect.
            Otherwise the engine writes a claim before the call, and never silently repeats an attempt whose process
            died.
        PARTITION_KEY: the parameter whose value is the partition of an action if neither the action nor its provider
            names one. One action of a partition runs at a time. Every replica must have the same value.
        INLINE: whether a call needs nothing of its action's object, so that a flow may call the executor for many
            items without objects (`Inline` of a Map). ``traits`` must then report that it is idempotent and has no
            external effect.
        TAKES_REPORTS: whether ActionEvents of type ``Update`` may change the phase and end the attempt. False for an
            executor whose result nobody but a person with the verb ``signal`` may decide.
        EXTERNAL_EFFECT: whether work continues outside that ``cancel`` must stop; costs two writes per action.
        ACCEPTS_SECRETS: whether parameters may come from Secrets. False for an executor that writes its parameters
            into objects or messages, where others can read them.
        QUOTES_TARGET: whether outcomes can contain what the target says, which may quote what it was sent. Values of
            fewer than 8 bytes are then refused, because they cannot be recognized.
    """

    ACTION_NAME: ClassVar[str]
    PARAMETERS: ClassVar[type[BaseModel] | None] = None
    CONFIG: ClassVar[type[BaseModel] | None] = None
    SETTINGS: ClassVar[type[Settings] | None] = None
    IDEMPOTENT: ClassVar[bool] = False
    EXTERNAL_EFFECT: ClassVar[bool] = False
    INLINE: ClassVar[bool] = False
    TAKES_REPORTS: ClassVar[bool] = True
    ACCEPTS_SECRETS: ClassVar[bool] = True
    QUOTES_TARGET: ClassVar[bool] = True
    PARTITION_KEY: ClassVar[str | None] = None
    WEBHOOK_PROCESSOR_CLASS: ClassVar[type | None] = None
    WEBHOOK_PATH: ClassVar[str] = ""

    @classmethod
    def build(cls, toolbox: Toolbox) -> Self:  # noqa: ARG003 - for overriders
        """Create the executor that the registry keeps; override it to use the toolbox."""
        return cls()

    @abstractmethod
    async def execute(self, run: Run) -> Outcome:
        """Start the action, and finish it if that is quick.

        The engine calls it once per attempt; if ``IDEMPOTENT``, a new owner calls it again for the same attempt.
        A cancelled call means that the attempt is aborted or has timed out. A call that has started work outside by
        then may still return ``Pending``, and ``cancel`` then receives its ``external_id``.

        Raises:
            ActionError: the attempt failed; the type decides whether a retry can help.
        """

    async def poll(self, run: Run) -> Outcome:
        """Return the present outcome of a ``Pending`` or ``Paused`` action; by default, call ``execute`` again.

        Raises:
            ActionExecutionError: the work has failed.
            Exception: any other error ends the attempt, too, and the engine calls ``cancel`` first, because the work
                may continue. To keep waiting, return ``Pending``.
        """
        return await self.execute(run)

    async def cancel(self, run: Run) -> None:
        """Stop the work that ``execute`` left running outside; repeated until it returns or its time is over."""

    async def recover(self, run: Run) -> str | None:
        """Return the target's id of what a lost ``execute`` of this attempt has started, for ``cancel`` to stop it.

        The engine calls it for an idempotent executor before ``cancel``, if another process may have called ``execute``
        and has recorded nothing; repeated as ``cancel`` is. None means that nothing runs. By default, an executor with
        an external effect executes again, which has no second effect, and any other has nothing that could run.

        Raises:
            ActionError: whether something was started is unknown; the status of the action then says so.
        """
        if not self.traits(run.parameters, run.config).external_effect:
            return None
        outcome = await self.execute(run)
        if isinstance(outcome, Succeeded):
            return None
        if isinstance(outcome, Pending | Paused) and outcome.external_id is not None:
            return outcome.external_id
        error = ActionExecutionError if isinstance(outcome, Failed) else TransientError
        raise error(outcome.message)

    async def release(self, run: Run) -> None:
        """Ask the target to forget what this attempt started, after the end of the action is durable; best effort.

        A crash in between loses the call, and errors are only logged, so the target must also forget by itself.
        """

    @property
    def cancels(self) -> bool:
        """Whether the executor overrides ``cancel`` or ``recover``: otherwise nothing that it starts can be stopped."""
        kind = type(self)
        return kind.cancel is not AbstractExecutor.cancel or kind.recover is not AbstractExecutor.recover

    @property
    def releases(self) -> bool:
        """Whether the executor overrides ``release``."""
        return type(self).release is not AbstractExecutor.release

    async def admit(self, request: WebhookRequest) -> tuple[Correlation, ...]:  # noqa: ARG002 - for overriders
        """Authenticate a webhook request, and return the actions that it is about; none means accept and ignore.

        The inbox process calls it for executors with a ``WEBHOOK_PATH`` before it responds to the sender. So it must
        be fast and change nothing. The engine then polls the actions with the request in ``run.deliveries``.

        Raises:
            WebhookRefusedError: the request is refused. By default, every request is.
        """
        raise WebhookRefusedError(403, f"executor {self.ACTION_NAME} accepts no webhooks")

    async def is_close_to_rate_limit(self, run: Run) -> bool:  # noqa: ARG002 - Port Ocean's signature
        """Whether starting now would exhaust the target's quota; asked before each attempt."""
        return False

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:  # noqa: ARG002 - Port Ocean's signature
        """Return the seconds until the quota is renewed; called only after ``is_close_to_rate_limit`` returned true."""
        return 0.0

    def rate_limit_key(self, run: Run) -> str:  # noqa: ARG002 - for overriders
        """Return the name of the quota that a limited run waits for; runs with the same name wait together.

        By default, all runs of a provider share one quota.
        """
        return ""

    @property
    def limits_itself(self) -> bool:
        """Whether the executor overrides ``is_close_to_rate_limit``."""
        return type(self).is_close_to_rate_limit is not AbstractExecutor.is_close_to_rate_limit

    async def _get_partition_key(self, run: Run) -> str | None:  # noqa: ARG002 - Port Ocean's signature
        """Return the partition of a run if neither the action, nor its provider, nor ``PARTITION_KEY`` sets one.

        The engine calls it once, before it queues the action, and only if it is overridden. All actions of the
        executor and namespace, or of the provider, then belong to one process, since no other process could know the
        result. Prefer ``PARTITION_KEY``, which spreads them. An error fails the action by its retry policy.
        """
        return None

    @property
    def partitions_itself(self) -> bool:
        """Whether only the executor can determine the partition of an action."""
        return type(self)._get_partition_key is not AbstractExecutor._get_partition_key  # noqa: SLF001 - Port Ocean's name

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:  # noqa: ARG002 - for overriders
        """Return what the engine must know about this action; by default, the class attributes."""
        return Traits(
            idempotent=self.IDEMPOTENT, external_effect=self.EXTERNAL_EFFECT, takes_reports=self.TAKES_REPORTS
        )

    async def close(self) -> None:
        """Release the resources of the executor; called once, after the last call."""
