"""`python -m benchmarks.client_batch KUBECONFIG NAMESPACE PREFIX COUNT`: submit a batch as a program of a user would.

Prints the seconds from the first request to the last outcome.
"""

import asyncio
import sys
import time

from taskaction_client import Client, Request, TaskActionSpec


async def main(kubeconfig: str, namespace: str, prefix: str, count: int) -> None:
    """Submit the batch with the settings that users have."""
    spec: TaskActionSpec = {"executor": "noop"}
    async with Client(kubeconfig=kubeconfig, namespace=namespace) as client:
        begun = time.perf_counter()
        requests = (Request(spec=spec, name=f"{prefix}-{number}") for number in range(count))
        async for outcome in client.actions.submit_many(requests):
            if outcome.error is not None:
                raise outcome.error
        print(time.perf_counter() - begun)


if __name__ == "__main__":
    _, kubeconfig, namespace, prefix, count = sys.argv
    asyncio.run(main(kubeconfig, namespace, prefix, int(count)))
