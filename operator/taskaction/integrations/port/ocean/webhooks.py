"""Ocean's webhook processors, run twice: at the inbox to tell whom a delivery is about, then for the owner."""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

import structlog

from taskaction.core.clock import Clock
from taskaction.integrations.port.ocean.errors import RetryableError
from taskaction.integrations.port.ocean.models import ActionRun, IntegrationActionInvocationPayload
from taskaction.integrations.port.ocean.report_router import AnyRun, Desk, current_desk
from taskaction.integrations.port.ocean.reports import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

EventPayload = dict[str, Any]
EventHeaders = dict[str, str]
ResourceConfig = Any
"""What ``handle_event`` is given in Ocean for the catalog; here always None. For annotations."""


class WebhookProcessorType(StrEnum):
    """What a processor is for; one that an executor names is for its actions, whatever it says."""

    ACTION = "action"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class WebhookEventRawResults:
    """What processors give back for Port's catalog, which there is none of here: nobody reads it."""

    updated_raw_results: list[Any] = field(default_factory=list)
    deleted_raw_results: list[Any] = field(default_factory=list)


class WebhookRequestAdapter:
    """The request as far as processors look at it: signatures are computed over its bytes."""

    def __init__(self, raw_body: bytes, headers: EventHeaders) -> None:
        self._raw_body = raw_body
        self.headers = headers

    async def body(self) -> bytes:
        """Give the bytes."""
        return self._raw_body

    async def json(self) -> Any:
        """Give the JSON."""
        return json.loads(self._raw_body)


class WebhookEvent:
    """One delivery."""

    def __init__(
        self,
        trace_id: str,
        payload: EventPayload,
        headers: EventHeaders,
        original_request: WebhookRequestAdapter | None = None,
        group_id: str | None = None,
        created_at: datetime | None = None,
    ) -> None:
        self.trace_id = trace_id
        self.payload = payload
        self.headers = headers
        self.group_id = group_id
        self.created_at = created_at or datetime.now(UTC)
        self._original_request = original_request

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read a delivery that was recorded."""
        created = data.get("created_at")
        return cls(
            data["trace_id"],
            data["payload"],
            data["headers"],
            created_at=datetime.fromisoformat(created) if created is not None else None,
        )

    @classmethod
    def received(cls, headers: Mapping[str, str], body: Any, content: bytes | None = None) -> Self:
        """Give a delivery; without ``content`` its bytes are written anew."""
        said = dict(headers)
        written = json.dumps(body).encode() if content is None else content
        return cls(str(uuid.uuid4()), body, said, WebhookRequestAdapter(written, said))

    def clone(self) -> "WebhookEvent":
        """Give the same delivery for another processor."""
        return WebhookEvent(
            self.trace_id, self.payload, self.headers, self._original_request, self.group_id, self.created_at
        )


class AbstractWebhookProcessor(ABC):
    """Handles the deliveries of one kind, by Ocean's contract."""

    max_retries: int = 3
    initial_retry_delay_seconds: float = 1.0
    max_retry_delay_seconds: float = 30.0
    exponential_base_seconds: float = 2.0

    def __init__(self, event: WebhookEvent) -> None:
        self.event = event
        self.retry_count = 0

    @classmethod
    def get_processor_type(cls) -> WebhookProcessorType:
        """Say what it is for."""
        return WebhookProcessorType.ACTION

    async def should_process_event(self, event: WebhookEvent) -> bool:  # noqa: ARG002 - for overriders
        """Say whether the delivery is of its kind."""
        return True

    async def get_matching_kinds(self, event: WebhookEvent) -> list[str]:  # noqa: ARG002 - for overriders
        """Give the catalog's kinds, which are not asked for here."""
        return []

    @abstractmethod
    async def authenticate(self, payload: EventPayload, headers: EventHeaders) -> bool:
        """Say whether the sender is who it must be; False is answered with 401."""

    @abstractmethod
    async def validate_payload(self, payload: EventPayload) -> bool:
        """Say whether the payload can be handled; False is answered with 400."""

    @abstractmethod
    async def handle_event(self, payload: EventPayload, resource: Any) -> Any:
        """Find the run and report on it; ``resource`` is always None."""

    async def before_processing(self) -> None:
        """Do something first."""

    async def after_processing(self) -> None:
        """Do something last."""

    async def on_error(self, error: Exception) -> None:
        """Do something between tries."""

    async def cancel(self) -> None:
        """Do something when it is cancelled; never called here."""

    def validate_webhook_setup(self) -> bool:
        """Say whether the target is set up to deliver; nobody asks here."""
        return True

    def get_live_event_log_identifiers(
        self,
        payload: EventPayload,  # noqa: ARG002 - for overriders
        headers: EventHeaders,  # noqa: ARG002 - as above
    ) -> dict[str, Any] | None:
        """Give what Ocean would log of a delivery; nobody asks here."""
        return None

    def should_retry(self, error: Exception) -> bool:
        """Say whether another try can help."""
        return isinstance(error, RetryableError)

    def calculate_retry_delay(self) -> float:
        """Give the seconds until the next try."""
        return min(
            self.initial_retry_delay_seconds * self.exponential_base_seconds**self.retry_count,
            self.max_retry_delay_seconds,
        )


Processor = type[AbstractWebhookProcessor]


class AuthenticationFailedError(Exception):
    """The processor does not believe the sender."""


class PayloadRefusedError(Exception):
    """The processor cannot handle the payload."""


class Correlating:
    """Stands for Port at the inbox: notes which run is meant; what is reported is held back, since nobody owns it here.

    Attributes:
        external_ids: by which runs were looked for.
        run_ids: on which runs was reported by their own id.
    """

    def __init__(self, namespace: str = "") -> None:
        self._namespace = namespace
        self.external_ids: list[str] = []
        self.run_ids: list[str] = []

    @property
    def config(self) -> Mapping[str, Any]:
        """Nothing: which provider it is about is not known yet."""
        return {}

    async def report(self, run_id: str, report: Report) -> None:  # noqa: ARG002 - held back
        """Take note of whom it is about."""
        found = run_id.removeprefix(_UNKNOWN)
        if found == run_id and run_id not in self.run_ids:
            self.run_ids.append(run_id)

    async def find(self, external_id: str) -> AnyRun | None:
        """Give a run that stands for the one that is meant."""
        if external_id not in self.external_ids:
            self.external_ids.append(external_id)
        payload = IntegrationActionInvocationPayload(installationId=self._namespace)
        return ActionRun[IntegrationActionInvocationPayload](id=_UNKNOWN + external_id, payload=payload)


_UNKNOWN = "external:"


async def correlated(kind: Processor, event: WebhookEvent) -> Correlating | None:
    """Run a processor at the inbox; None where the delivery is not of its kind.

    Raises:
        AuthenticationFailedError: the sender is not who it must be.
        PayloadRefusedError: the payload cannot be handled.
    """
    processor = kind(event.clone())
    if not await processor.should_process_event(event):
        return None
    if not await processor.authenticate(event.payload, event.headers):
        raise AuthenticationFailedError(f"{kind.__name__} does not accept the sender")
    if not await processor.validate_payload(event.payload):
        raise PayloadRefusedError(f"{kind.__name__} does not accept the payload")
    found = Correlating()
    with sitting_at(found):
        try:
            await processor.handle_event(event.payload, None)
        except Exception as error:
            if not (found.external_ids or found.run_ids):
                raise
            # Whom it is about is known, and that is all that is asked here: the owner handles it for real.
            structlog.stdlib.get_logger("taskaction.ocean").debug("a rehearsed webhook failed", error=str(error))
    return found


async def handled(kind: Processor, event: WebhookEvent, clock: Clock) -> bool:
    """Run a processor for the owner; what it reports goes to the current desk.

    It was authenticated and validated when it was received. Gives False where the delivery is not of its kind; raises
    what ``handle_event`` raises, after as many tries as the processor allows.
    """
    processor = kind(event.clone())
    if not await processor.should_process_event(event):
        return False
    await processor.before_processing()
    while True:
        try:
            await processor.handle_event(event.payload, None)
            break
        except Exception as error:
            if processor.retry_count >= processor.max_retries or not processor.should_retry(error):
                raise
            await processor.on_error(error)
            await clock.sleep(processor.calculate_retry_delay())
            processor.retry_count += 1
    await processor.after_processing()
    return True


@contextmanager
def sitting_at(desk: Desk) -> "Iterator[None]":
    """Have everything that is reported meanwhile, here and in tasks started here, go to ``desk``."""
    token = current_desk.set(desk)
    try:
        yield
    finally:
        current_desk.reset(token)
