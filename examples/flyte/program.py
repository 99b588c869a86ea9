"""A program of Flyte: its parent starts children, each in a pod of its own, and adds up what they give back."""

import asyncio

import flyte

env = flyte.TaskEnvironment(
    name="sums",
    image="localhost/flyte:1",
    pod_template="flyte",
    resources=flyte.Resources(cpu="100m", memory="250Mi"),
)


@env.task
async def square(number: int) -> int:
    """Runs in a pod of its own."""
    return number * number


@env.task
async def refuse(number: int) -> int:
    """Fails in a pod of its own."""
    raise ValueError(f"{number} is of no use")


@env.task
async def main(count: int) -> str:
    """Starts the others, waits for them, and says what came of them."""
    squares = await asyncio.gather(*(square(number) for number in range(1, count + 1)))
    try:
        await refuse(count)
    except flyte.errors.RuntimeUserError as error:
        return f"{sum(squares)}, and {error.code}: {error}"
    return f"{sum(squares)}"
