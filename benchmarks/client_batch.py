"""`python -m benchmarks.client_batch KUBECONFIG NAMESPACE PREFIX COUNT`: submit a batch as a program of a user would.

Prints the seconds from the first request to the last outcome.
"""

import asyncio
import sys
import time

from taskaction_client import Client, Request


async def main(kubeconfig: str, namespace: str, prefix: str, count: int) -> None:
    """Submit the batch with the settings that users have."""
    async with Client(kubeconfig=kubeconfig, namespace=namespace) as client:
        begun = time.perf_counter()
        requests = (Request(spec={"executor": "noop"}, name=f"{prefix}-{number}") for number in range(count))
        async for outcome in client.actions.submit_many(requests):
            if outcome.error is not None:
                raise outcome.error
        print(time.perf_counter() - begun)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:4], int(sys.argv[4])))
