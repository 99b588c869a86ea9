"""The plug-in contract: what an executor states about itself, is given, and gives back.

An executor acts on the outside world and answers with an outcome; it never writes a TaskAction.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol, Self

from pydantic import BaseModel

from taskaction.api.task_action import Link, Progress, Signal
from taskaction.lifecycle.outcomes import Outcome
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.errors import WebhookRefusedError
from taskaction.plugin.schedule import Schedule
from taskaction.plugin.toolbox import Toolbox


class Reporter(Protocol):
    """How an executor tells people how far it is, while it runs; calls are coalesced into few writes."""

    def progress(self, progress: Progress) -> None:
        """Show how far the action is."""

    def link(self, link: Link) -> None:
        """Show something worth opening."""


class SecretReader(Protocol):
    """Reads Secrets with the rights of the account that the action or its provider runs as."""

    async def read_secret(self, name: str, key: str, *, namespace: str | None = None) -> str:
        """Give one key's text.

        ``namespace`` is None for the namespace of the action, or of the provider for its own configuration.

        Raises:
            MissingSourceError: the Secret or key does not exist.
            AccessDeniedError: the account may not read it.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """Something that happened to an action outside its owner, as an ActionEvent recorded it.

    Attributes:
        id: the ActionEvent's uid; the same delivery may be handed over again after a crash.
        type: the ActionEvent's type, for example Webhook or Report.
        payload: its content; of a Webhook ``headers`` (names in lower case) and ``body``.
    """

    id: str
    type: str
    payload: Mapping[str, Any]
    received_at: datetime
    sender: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """A request that the inbox received, before it is accepted.

    Attributes:
        path: the path after ``/integration``; the executor's ``WEBHOOK_PATH``.
        headers: names in lower case; of a repeated one the values joined by a comma.
        content: the bytes as they came: what signatures are about.
        body: the content as JSON.
    """

    path: str
    headers: Mapping[str, str]
    content: bytes
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Which action a webhook request is about: what its target called the action, or the action's uid.

    Raises:
        ValueError: neither or both are given, or one that is empty.
    """

    external_id: str | None = None
    uid: str | None = None

    def __post_init__(self) -> None:
        if bool(self.external_id) == bool(self.uid):
            raise ValueError("a Correlation needs an external_id or a uid, and not both")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One call's view of an action: plain values, and the few things an executor may use.

    Attributes:
        parameters: the user's parameters, those from Secrets merged in. Never log them.
        private: texts among the parameters that are a Secret's; the engine takes them out of what the call gives back.
        config: the provider's configuration; empty for an inline executor.
        idempotency_key: the same for every call of one attempt, in every process; hand it to targets that take one.
        external_id: what the target called this attempt, once a ``Pending`` outcome said so.
        started_at: when the attempt started, also after a change of owner.
        deadline: when the attempt will be cancelled, if ever.
        fencing_token: grows with every change of owner; hand it to targets that take one.
        deliveries: what came in for the action since the last call, in the order of receipt; empty in ``execute``.
        paused: the last outcome was ``Paused``.
        signalled: ``signal`` is not the one that this process polled with before; true again after a restart.
        chances_left: how many attempts may still follow, should the platform end this one.
        schedule: how the provider wants started actions polled; None where it does not say.
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
    signal: Signal | None = None
    deadline: datetime | None = None
    fencing_token: int = 0
    service_account: str = "default"
    labels: Mapping[str, str] = field(default_factory=dict)
    deliveries: tuple[Delivery, ...] = ()
    paused: bool = False
    signalled: bool = False
    schedule: Schedule | None = None
    chances_left: int = 0
    private: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """The run's id, by the name the Ocean seed uses."""
        return self.uid


class AbstractExecutor(ABC):
    """Executes one kind of action.

    The class attributes are the contract; only ``ACTION_NAME`` and ``execute`` are required.

    Attributes:
        ACTION_NAME: what ``spec.executor`` says.
        PARAMETERS: the model that parameters must satisfy; checked before the first attempt.
        CONFIG: the model that a provider's ``config`` must satisfy; None where providers cannot configure it.
        IDEMPOTENT: true when calling ``execute`` again with the same ``run.idempotency_key`` has no second effect.
            Otherwise a claim is written before the call, and an attempt whose process died is never repeated silently.
        PARTITION_KEY: the parameter whose value is the partition of actions for which neither they nor their provider
            name one: of one partition, one action runs at a time. Every replica must have the same.
        INLINE: true when a call needs nothing of its action's object, so that a flow may call it for many items
            without one (`Inline` of a Map), where ``traits`` says that it is idempotent and leaves nothing outside.
        EXTERNAL_EFFECT: true when something goes on outside that ``cancel`` must stop; costs two writes per action.
    """

    ACTION_NAME: ClassVar[str]
    PARAMETERS: ClassVar[type[BaseModel] | None] = None
    CONFIG: ClassVar[type[BaseModel] | None] = None
    IDEMPOTENT: ClassVar[bool] = False
    EXTERNAL_EFFECT: ClassVar[bool] = False
    INLINE: ClassVar[bool] = False
    PARTITION_KEY: ClassVar[str | None] = None
    WEBHOOK_PROCESSOR_CLASS: ClassVar[type | None] = None
    WEBHOOK_PATH: ClassVar[str] = ""

    @classmethod
    def build(cls, toolbox: Toolbox) -> Self:  # noqa: ARG003 - for overriders
        """Make the one executor that the registry keeps; override to take what you need from the toolbox."""
        return cls()

    @abstractmethod
    async def execute(self, run: Run) -> Outcome:
        """Start the action, and finish it where that is quick.

        Called once per attempt, and again for the same attempt by a new owner when ``IDEMPOTENT``.
        Cancelling the call means that the attempt is aborted or out of time. A call that has begun something outside
        by then may still return ``Pending``: ``cancel`` is then told its ``external_id``.

        Raises:
            ActionError: the attempt failed; the type says whether a retry can help.
        """

    async def poll(self, run: Run) -> Outcome:
        """Say how an action that was ``Pending`` or ``Paused`` stands; by default it is started again."""
        return await self.execute(run)

    async def cancel(self, run: Run) -> None:
        """Stop what ``execute`` left going outside; called again until it returns or the bound has passed."""

    async def release(self, run: Run) -> None:
        """Let the target forget what this attempt started: called once the action's end is durable, best effort.

        A crash in between loses the call, and what it raises is logged only: the target must forget by itself, too.
        """

    @property
    def releases(self) -> bool:
        """True when the executor has something to release."""
        return type(self).release is not AbstractExecutor.release

    async def admit(self, request: WebhookRequest) -> tuple[Correlation, ...]:  # noqa: ARG002 - for overriders
        """Authenticate a webhook request, and say which actions it is about; none means accepted and ignored.

        Called in the inbox process, for executors with a ``WEBHOOK_PATH``, and before the sender gets an answer: so it
        decides fast, and changes nothing. The actions are polled with the request in ``run.deliveries``.

        Raises:
            WebhookRefusedError: the request is not accepted. By default none is.
        """
        raise WebhookRefusedError(403, f"executor {self.ACTION_NAME} accepts no webhooks")

    async def is_close_to_rate_limit(self, run: Run) -> bool:  # noqa: ARG002 - the seed's signature
        """Say whether starting now would exhaust the target's quota; asked before each attempt."""
        return False

    async def get_remaining_seconds_until_rate_limit(self, run: Run) -> float:  # noqa: ARG002 - the seed's signature
        """Give the seconds until the quota is renewed; asked only after the previous said true."""
        return 0.0

    def rate_limit_key(self, run: Run) -> str:  # noqa: ARG002 - for overriders
        """Name the quota that a limited run waits for; those with the same name wait, and are asked, together.

        One quota for all runs of a provider unless you say otherwise.
        """
        return ""

    @property
    def limits_itself(self) -> bool:
        """True when the executor answers the question about its target's quota itself."""
        return type(self).is_close_to_rate_limit is not AbstractExecutor.is_close_to_rate_limit

    async def _get_partition_key(self, run: Run) -> str | None:  # noqa: ARG002 - the seed's signature
        """Find the partition of a run for which neither the action, nor its provider, nor ``PARTITION_KEY`` gives one.

        Asked once, before the action is queued, and only where it is overridden; then all actions of the executor and
        namespace, or of the provider, live in one process, since no other could know what is found. Prefer
        ``PARTITION_KEY``, which spreads them. What it raises fails the action by its retry policy.
        """
        return None

    @property
    def partitions_itself(self) -> bool:
        """True when only the executor can say in which partition an action is."""
        return type(self)._get_partition_key is not AbstractExecutor._get_partition_key  # noqa: SLF001 - the seed's name

    def traits(self, parameters: Mapping[str, Any], config: Mapping[str, Any]) -> Traits:  # noqa: ARG002 - for overriders
        """Give what the engine must know about this very action; by default what the class says of all."""
        return Traits(idempotent=self.IDEMPOTENT, external_effect=self.EXTERNAL_EFFECT)

    async def close(self) -> None:
        """Release what the executor holds; called once, after the last run."""
