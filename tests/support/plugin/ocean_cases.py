"""Ocean-style executors for the cases of true results: each does what its parameters say."""

import asyncio
import hmac
from pathlib import Path
from typing import Any

from taskaction.integrations.port.ocean import (
    AbstractExecutor,
    AbstractWebhookProcessor,
    ActionRun,
    EventHeaders,
    EventPayload,
    WebhookEvent,
    WorkflowNodeRun,
    ocean,
)

SECRET = b"signed with this"


class ProbeExecutor(AbstractExecutor):
    """Looks for a run, reads the configuration, or starts a run that continues outside, and reports what it found."""

    ACTION_NAME = "ocean_probe"

    async def execute(self, run: ActionRun) -> None:
        wanted = run.execution_properties
        if (started := wanted.get("started")) is not None:
            await ocean.port_client.update_run_started(run, **started)
            return
        found: dict[str, Any] = {}
        if (external_id := wanted.get("find")) is not None:
            other = await ocean.port_client.find_run_by_external_id(external_id)
            found["found"] = None if other is None else {"id": other.id, "status": str(other.status)}
        if (names := wanted.get("config")) is not None:
            found["config"] = {name: ocean.integration_config.get(name) for name in names}
        await ocean.port_client.report_run_completed(run, True, "looked", output=found)


class BrokenLimitExecutor(AbstractExecutor):
    """Never learns whether its target's limit is reached."""

    ACTION_NAME = "ocean_unlimited"

    async def is_close_to_rate_limit(self) -> bool:
        raise KeyError("rate_limit")

    async def execute(self, run: ActionRun) -> None:
        await ocean.port_client.report_run_completed(run, True, "done")


def record_effect(file: str, run_id: str) -> None:
    """Have an effect that the test counts."""
    with Path(file).open("a", encoding="utf-8") as effects:
        effects.write(f"{run_id}\n")


class CaseProcessor(AbstractWebhookProcessor):
    """Checks the signature of the bytes, looks for the payload's ids in turn, and has an effect on the run it finds."""

    async def should_process_event(self, event: WebhookEvent) -> bool:
        body = await event._original_request.body()
        return hmac.compare_digest(hmac.digest(SECRET, body, "sha256").hex(), event.headers.get("x-signature", ""))

    async def authenticate(self, payload: EventPayload, headers: EventHeaders) -> bool:
        return True

    async def validate_payload(self, payload: EventPayload) -> bool:
        return "ids" in payload

    async def handle_event(self, payload: EventPayload, resource: Any) -> None:
        for external_id in payload["ids"]:
            run = await ocean.port_client.find_run_by_external_id(external_id)
            if run is not None and ocean.port_client.is_run_in_progress(run):
                record_effect(payload["effects"], run.id)
                await ocean.port_client.report_run_completed(run, True, f"by {external_id}")
                return


class CaseExecutor(AbstractExecutor):
    """Has the integration's processor; other executors of it start the runs that the webhooks are about."""

    ACTION_NAME = "ocean_case"
    WEBHOOK_PROCESSOR_CLASS = CaseProcessor
    WEBHOOK_PATH = "/webhook/cases"

    async def execute(self, run: ActionRun) -> None:
        await ocean.port_client.report_run_completed(run, True, "done")


class StoryExecutor(AbstractExecutor):
    """Says everything of a run that an executor can say, and ends it when a file exists."""

    ACTION_NAME = "ocean_story"

    async def execute(self, run: ActionRun) -> None:
        client = ocean.port_client
        await client.update_run_started(run, "https://t/7", "x-7", extra_output={"jobId": 7}, status_label="Building")
        await client.post_run_log(run, "half done", level="WARNING")
        if isinstance(run, WorkflowNodeRun):
            run.output["agentId"] = "a-1"
        until = Path(run.execution_properties["until"])
        while not await asyncio.to_thread(until.exists):  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.1)
        await client.post_run_log(run, "nearly done")
        await client.report_run_completed(run, True, "done", status_label="Shipped")
