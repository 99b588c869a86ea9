"""The Port Ocean documentation's example of an executor; only its import lines have changed."""

import asyncio
from typing import Any

from taskaction.integrations.port.ocean import AbstractExecutor, ActionRun, ExecutionManager, RunStatus, hosted, ocean


class ApiClient:
    """Stands for the client of the service that the integration is for."""

    async def update_resource(self, identifier: str, /, **params: Any) -> dict[str, Any]:
        """Update a resource."""
        await asyncio.sleep(0.5)
        return {"id": identifier, **params}


class MyIntegrationActionExecutor(AbstractExecutor):
    """Updates resources, one update of a resource at a time."""

    ACTION_NAME = "my_action"  # `spec.executor` says my-action
    PARTITION_KEY = "resource_id"  # Optional: for sequential execution
    WEBHOOK_PROCESSOR_CLASS = None  # Optional: for async updates
    WEBHOOK_PATH = "/webhook/my_action"  # Optional

    def __init__(self, api_client: ApiClient) -> None:
        self.api_client = api_client

    async def is_close_to_rate_limit(self) -> bool:
        # Implement rate limit check logic
        return False

    async def get_remaining_seconds_until_rate_limit(self) -> float:
        # Implement rate limit wait time logic
        return 0.0

    async def execute(self, run: ActionRun) -> None:
        # Extract parameters
        params = run.payload.integrationActionExecutionProperties
        resource_id = params.get("resource_id")

        if not resource_id:
            raise ValueError("resource_id is required")

        # Perform the action
        result = await self.api_client.update_resource(resource_id, **params)

        # Update run status
        await ocean.port_client.patch_run(
            run.id,
            {
                "status": RunStatus.SUCCESS,
                "summary": f"Successfully updated resource {resource_id}",
                "output": result,
            },
        )


plugin = hosted(MyIntegrationActionExecutor(ApiClient()))
"""What the entry point in plugin/ names: so the operator itself runs the executor."""


async def main() -> None:
    """Run a replica of the operator in this program, as Ocean runs its manager in the integration."""
    execution_manager = ExecutionManager(workers_count=4)
    execution_manager.register_executor(MyIntegrationActionExecutor(ApiClient()))
    await execution_manager.start_processing_action_runs()
    await execution_manager.wait_until_stopped()


if __name__ == "__main__":
    asyncio.run(main())
