"""Ocean-style executors, written as integrations of Port Ocean are; found by the entry points beside this file."""

import asyncio
import hmac
from typing import Any

from taskaction.integrations.port.ocean import (
    AbstractExecutor,
    AbstractWebhookProcessor,
    ActionRun,
    EventHeaders,
    EventPayload,
    RunStatus,
    WebhookEvent,
    WebhookEventRawResults,
    ocean,
)

SECRET = b"signed with this"


class ReportExecutor(AbstractExecutor):
    """Reports what the parameter `patches` says; with `later` the last one comes from a task that outlives the call."""

    ACTION_NAME = "ocean_report"

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()

    async def execute(self, run: ActionRun) -> None:
        patches = list(run.execution_properties.get("patches", []))
        last = patches.pop() if run.execution_properties.get("later") else None
        for patch in patches:
            await ocean.port_client.patch_run(run.id, patch)
        if last is not None:
            self.tasks.add(asyncio.create_task(self.report_later(run, last)))

    async def report_later(self, run: ActionRun, patch: dict[str, Any]) -> None:
        await asyncio.sleep(0.3)
        await ocean.port_client.post_run_log(run, "from a task")
        await ocean.port_client.patch_run(run, patch)


class TriggerProcessor(AbstractWebhookProcessor):
    """Ends a run when its job at the target has ended."""

    async def should_process_event(self, event: WebhookEvent) -> bool:
        return event.headers.get("x-kind") == "job"

    async def authenticate(self, payload: EventPayload, headers: EventHeaders) -> bool:
        body = await self.event._original_request.body()
        return hmac.compare_digest(hmac.new(SECRET, body, "sha256").hexdigest(), headers.get("x-signature", ""))

    async def validate_payload(self, payload: EventPayload) -> bool:
        return isinstance(payload, dict) and "job" in payload

    async def handle_event(self, payload: EventPayload, resource: Any) -> WebhookEventRawResults:
        run = await ocean.port_client.find_run_by_external_id(f"job-{payload['job']}")
        if run is not None and ocean.port_client.is_run_in_progress(run) and "ok" in payload:
            await ocean.port_client.report_run_completed(run, payload["ok"], payload.get("text"))
        return WebhookEventRawResults(updated_raw_results=[], deleted_raw_results=[])


class TriggerExecutor(AbstractExecutor):
    """Starts a job at the target; a webhook tells of its end."""

    ACTION_NAME = "ocean_trigger"
    WEBHOOK_PROCESSOR_CLASS = TriggerProcessor
    WEBHOOK_PATH = "/webhook/ocean"

    async def execute(self, run: ActionRun) -> None:
        job = run.execution_properties["job"]
        await asyncio.sleep(run.execution_properties.get("seconds", 0))
        await ocean.port_client.update_run_started(run, f"https://target/jobs/{job}", f"job-{job}")


class PartitionExecutor(AbstractExecutor):
    """Finds its partition by itself, and remembers how many runs of a key there were at a time."""

    ACTION_NAME = "ocean_partition"

    def __init__(self) -> None:
        self.busy: set[str] = set()

    async def _get_partition_key(self, run: ActionRun) -> str | None:
        return run.execution_properties["key"]

    async def execute(self, run: ActionRun) -> None:
        key = run.execution_properties["key"]
        if key in self.busy:
            raise RuntimeError(f"two runs of {key!r} at a time")
        self.busy.add(key)
        try:
            await asyncio.sleep(0.05)
        finally:
            self.busy.discard(key)
        await ocean.port_client.patch_run(run.id, {"status": RunStatus.SUCCESS})


class LimitedExecutor(AbstractExecutor):
    """Cannot say at first whether its target's limit is reached."""

    ACTION_NAME = "ocean_limited"
    failures = 2

    async def is_close_to_rate_limit(self) -> bool:
        self.failures -= 1
        if self.failures >= 0:
            raise ConnectionError("no route to the target")
        return False

    async def get_remaining_seconds_until_rate_limit(self) -> float:
        return 0.0

    async def execute(self, run: ActionRun) -> None:
        await ocean.port_client.report_run_completed(run, True, "done")
