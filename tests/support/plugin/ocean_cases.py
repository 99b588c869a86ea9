"""Ocean-style executors for the cases of true results: each does what its parameters say."""

from typing import Any

from taskaction.integrations.port.ocean import AbstractExecutor, ActionRun, ocean


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
