"""Ocean's webhook processors: the inbox runs them to find the run of a webhook, and its owner to apply it."""

import json
import uuid
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self

from taskaction.core.clock import Clock
from taskaction.integrations.port.ocean.errors import RetryableError
from taskaction.integrations.port.ocean.report_router import ReportSink, current_desk

if TYPE_CHECKING:
    from collections.abc import Iterator

EventPayload = dict[str, Any]
EventHeaders = dict[str, str]
ResourceConfig = Any
"""Second argument of ``handle_event`` in Ocean, for the catalog; here always None. For type annotations."""


class WebhookProcessorType(StrEnum):
    """Purpose of a processor; one that an executor names always serves its actions."""

    ACTION = "action"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True)
class WebhookEventRawResults:
    """Results of processors for Port's catalog; ignored, because there is no catalog here."""

    updated_raw_results: list[Any] = field(default_factory=list)
    deleted_raw_results: list[Any] = field(default_factory=list)


class WebhookRequestAdapter:
    """Request as processors use it: signatures are computed over its bytes."""

    def __init__(self, raw_body: bytes, headers: EventHeaders) -> None:
        self._raw_body = raw_body
        self.headers = headers

    async def body(self) -> bytes:
        """Return the bytes of the body."""
        return self._raw_body

    async def json(self) -> Any:
        """Return the parsed JSON body."""
        return json.loads(self._raw_body)


class WebhookEvent:
    """Webhook that was delivered."""

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
        """Parse a recorded webhook."""
        created = data.get("created_at")
        return cls(
            data["trace_id"],
            data["payload"],
            data["headers"],
            created_at=datetime.fromisoformat(created) if created is not None else None,
        )

    @classmethod
    def from_request(cls, headers: Mapping[str, str], body: Any, content: bytes | None = None) -> Self:
        """Return a webhook; without ``content`` its bytes are encoded from ``body``."""
        said = dict(headers)
        written = json.dumps(body).encode() if content is None else content
        return cls(str(uuid.uuid4()), body, said, WebhookRequestAdapter(written, said))

    def clone(self) -> "WebhookEvent":
        """Return a copy for another processor."""
        return WebhookEvent(
            self.trace_id, self.payload, self.headers, self._original_request, self.group_id, self.created_at
        )


class AbstractWebhookProcessor(ABC):
    """Processor of one kind of webhook, with Ocean's contract."""

    max_retries: int = 3
    initial_retry_delay_seconds: float = 1.0
    max_retry_delay_seconds: float = 30.0
    exponential_base_seconds: float = 2.0

    def __init__(self, event: WebhookEvent) -> None:
        self.event = event
        self.retry_count = 0

    @classmethod
    def get_processor_type(cls) -> WebhookProcessorType:
        """Return the purpose of the processor."""
        return WebhookProcessorType.ACTION

    async def should_process_event(self, event: WebhookEvent) -> bool:  # noqa: ARG002 - for overriders
        """Whether this processor handles the webhook."""
        return True

    async def get_matching_kinds(self, event: WebhookEvent) -> list[str]:  # noqa: ARG002 - for overriders
        """Return the kinds of the catalog; never called here."""
        return []

    @abstractmethod
    async def authenticate(self, payload: EventPayload, headers: EventHeaders) -> bool:
        """Whether the sender is authentic; False results in 401."""

    @abstractmethod
    async def validate_payload(self, payload: EventPayload) -> bool:
        """Whether the payload is valid; False results in 400."""

    @abstractmethod
    async def handle_event(self, payload: EventPayload, resource: Any) -> Any:
        """Find the run and report on it; ``resource`` is always None."""

    async def before_processing(self) -> None:
        """Run before ``handle_event``; does nothing by default."""

    async def after_processing(self) -> None:
        """Run after ``handle_event``; does nothing by default."""

    async def on_error(self, error: Exception) -> None:
        """Run between retries; does nothing by default."""

    async def cancel(self) -> None:
        """Run at cancellation; never called here."""

    def validate_webhook_setup(self) -> bool:
        """Whether the target is configured to deliver; never called here."""
        return True

    def get_live_event_log_identifiers(
        self,
        payload: EventPayload,  # noqa: ARG002 - for overriders
        headers: EventHeaders,  # noqa: ARG002 - as above
    ) -> dict[str, Any] | None:
        """Return what Ocean logs of a webhook; never called here."""
        return None

    def should_retry(self, error: Exception) -> bool:
        """Whether a retry can help."""
        return isinstance(error, RetryableError)

    def calculate_retry_delay(self) -> float:
        """Return the seconds until the next retry."""
        return min(
            self.initial_retry_delay_seconds * self.exponential_base_seconds**self.retry_count,
            self.max_retry_delay_seconds,
        )


Processor = type[AbstractWebhookProcessor]


async def handle_event_with_retries(kind: Processor, event: WebhookEvent, clock: Clock) -> bool:
    """Run a processor for the owner; its reports go to the current report sink.

    The inbox has authenticated and validated the webhook. Return False if the processor does not handle it; raise the
    error of ``handle_event`` after the retries that the processor allows.
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
def route_reports_to(desk: ReportSink) -> "Iterator[None]":
    """Route all reports in this context, and in tasks started in it, to ``desk``."""
    token = current_desk.set(desk)
    try:
        yield
    finally:
        current_desk.reset(token)
