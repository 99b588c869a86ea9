"""Correlation of a webhook with runs, in the inbox: which ids its processor looks for. No run has its owner here.

A processor is stopped where it first looks for a run, so that what it does with a run happens once, in the replica
that owns the run. Whether a run with that id exists is not known here. So the processor is called again, and each id
that it has looked for is answered with None, until it looks for no further one.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import structlog

from taskaction.integrations.port.ocean.report_router import AnyRun
from taskaction.integrations.port.ocean.reports import OceanReport
from taskaction.integrations.port.ocean.webhooks import (
    AbstractWebhookProcessor,
    Processor,
    WebhookEvent,
    route_reports_to,
)

IDS_LIMIT = 8
"""Maximum number of runs that one webhook can be about."""


class AuthenticationFailedError(Exception):
    """The processor does not accept the sender."""


class PayloadRefusedError(Exception):
    """The processor does not accept the payload."""


class _ProcessorStoppedError(BaseException):
    """The processor has looked for a run, or reported on one; no ``except Exception`` of a processor catches it."""


class CorrelationRecorder:
    """Report sink of the inbox: it records which run is meant, and stops the processor there.

    Attributes:
        external_ids: external ids that the processor looked up.
        run_ids: ids of the runs on which the processor reported.
    """

    def __init__(self) -> None:
        self.external_ids: list[str] = []
        self.run_ids: list[str] = []
        self._is_stopped = False

    @property
    def config(self) -> Mapping[str, Any]:
        """Empty configuration: the provider is not known yet."""
        return {}

    @property
    def has_found(self) -> bool:
        """Whether a run is known."""
        return bool(self.external_ids or self.run_ids)

    def resume(self) -> bool:
        """Whether to call the processor again: it was stopped where it looked for a run."""
        again = self._is_stopped and not self.run_ids and len(self.external_ids) < IDS_LIMIT
        self._is_stopped = False
        return again

    async def report(self, run_id: str, report: OceanReport) -> None:  # noqa: ARG002 - left to the owner
        """Record the id of the run, and stop the processor."""
        self.run_ids.append(run_id)
        self._stop()

    async def find(self, external_id: str) -> AnyRun | None:
        """Record the id and stop the processor; return None if it was recorded before."""
        if self._is_stopped:
            self._stop()  # the processor caught everything, and continued
        if external_id in self.external_ids:
            return None
        self.external_ids.append(external_id)
        self._stop()

    def _stop(self) -> NoReturn:
        self._is_stopped = True
        raise _ProcessorStoppedError


async def correlate_event(kind: Processor, event: WebhookEvent) -> CorrelationRecorder | None:
    """Run a processor in the inbox; return None if it does not handle the webhook.

    Raises:
        AuthenticationFailedError: the sender is not authentic.
        PayloadRefusedError: the payload is invalid.
    """
    processor = kind(event.clone())
    if not await processor.should_process_event(event):
        return None
    if not await processor.authenticate(event.payload, event.headers):
        raise AuthenticationFailedError(f"{kind.__name__} does not accept the sender")
    if not await processor.validate_payload(event.payload):
        raise PayloadRefusedError(f"{kind.__name__} does not accept the payload")
    found = CorrelationRecorder()
    with route_reports_to(found):
        await _find_runs(processor, event, found)
    return found


async def _find_runs(processor: AbstractWebhookProcessor, event: WebhookEvent, found: CorrelationRecorder) -> None:
    while True:
        try:
            await processor.handle_event(event.payload, None)
        except _ProcessorStoppedError:
            pass
        except Exception as error:
            if not found.has_found:
                raise
            # A run is known, which is all that the inbox needs: its owner handles the webhook.
            structlog.stdlib.get_logger("taskaction.ocean").debug("webhook failed in the inbox", error=str(error))
            return
        if not found.resume():
            return
