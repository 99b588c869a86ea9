"""A program for the published Flyte SDK, run as a process by the SDK's own runtime; imports nothing of this project.

Its tasks have the types `noop`, `fail` and `sleep`, which the Actions service maps to executors of those names.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import flyte
import flyte.errors
import flyte.io
import flyte.storage
from flyte._context import internal_ctx
from flyte.extend import TaskTemplate
from flyte.io.extend import DataFrameEncoder, DataFrameTransformerEngine
from flyte.models import NativeInterface, SerializationContext
from flyteidl2.core.literals_pb2 import StructuredDataset, StructuredDatasetMetadata
from flyteidl2.core.types_pb2 import StructuredDatasetType

IMAGE = "example.com/none:1"  # no task of this program is run in a container

env = flyte.TaskEnvironment(name="story", image=IMAGE)


class Mapped(TaskTemplate):
    """A task whose type chooses the executor and whose configuration is that executor's parameters."""

    parameters: Mapping[str, object] = MappingProxyType({})

    def custom_config(self, _: SerializationContext) -> dict[str, object]:
        """Give what becomes the template's `custom`."""
        return dict(self.parameters)


def mapped(
    kind: str, name: str, retries: int = 0, timeout: flyte.Timeout | None = None, **parameters: object
) -> Mapped:
    """Give a child that is carried out by the executor `kind`."""
    task = Mapped(
        name=name,
        interface=NativeInterface({}, {}),
        task_type=kind,
        image=IMAGE,
        retries=retries,
        timeout=timeout,
        parent_env_name=env.name,
    )
    task.parameters = parameters
    return task


@env.task
async def child(number: int) -> None:
    """Runs nowhere: its template is mapped to `noop`."""


def note(word: str) -> None:
    """Leave a line where the test finds it."""
    with Path(os.environ["STEPS"]).open("a", encoding="utf-8") as steps:
        steps.write(f"{word}\n")


@flyte.trace
async def step(word: str) -> str:
    """Leaves a line for each time that it is really done."""
    await asyncio.to_thread(note, word)
    return word.upper()


@flyte.trace
async def broken_step(word: str) -> str:
    """Fail."""
    raise ValueError(f"{word} is broken")


@env.task
async def outcomes() -> list[str]:
    """Meet every way in which a child can end, and say what the program was told of each."""
    told = []
    await child(1)
    told.append("succeeded")
    try:
        await mapped("fail", "failing", message="it broke", code="Broken").aio()
    except flyte.errors.RuntimeUserError as error:
        told.append(f"failed: {error.code}: {error}")
    await mapped("fail", "retried", retries=2, times=1).aio()
    told.append("retried")
    try:
        await mapped("sleep", "late", timeout=flyte.Timeout(max_runtime=timedelta(seconds=1)), duration="1h").aio()
    except flyte.errors.TaskTimeoutError:
        told.append("timed out")
    running = asyncio.create_task(mapped("sleep", "cancelled", duration="1h").aio())
    await asyncio.sleep(1)  # the SDK tells nobody that it has made a child
    running.cancel()
    try:
        await running
    except (asyncio.CancelledError, RuntimeError):  # the latter is all that the Rust controller knows of cancelling
        told.append("cancelled")
    return told


@env.task
async def traces() -> list[str]:
    """Do steps that are recorded, one of which fails."""
    told = [await step("one"), await step("two")]
    try:
        await broken_step("three")
    except ValueError as error:
        told.append(str(error))
    return told


@env.task
async def conditions() -> list[str]:
    """Ask for a boolean and for a text."""
    sure = await flyte.new_condition.aio("sure", prompt="Sure?", data_type=bool)
    word = await flyte.new_condition.aio("word", prompt="Which word?", data_type=str)
    return [str(await sure.wait.aio()), await word.wait.aio()]


@env.task
async def files() -> list[str]:
    """Create a file and a folder with a file, and say where they are."""
    file, folder = flyte.io.File.new_remote("one.txt"), flyte.io.Dir.new_remote("two")
    made = {file.path: b"1", f"{folder.path}/two.txt": b"2"}
    for path, content in made.items():
        await flyte.storage.put_stream(content, to_path=path)
    return list(made)


class Table:
    """A data frame: pandas and pyarrow would add 270 MB to the environment."""

    def __init__(self, text: str) -> None:
        self.text = text


class TableEncoder(DataFrameEncoder):
    """Writes tables to where the SDK's own encoders of pandas and pyarrow write theirs."""

    def __init__(self) -> None:
        super().__init__(Table, None, "csv")

    async def encode(
        self, dataframe: flyte.io.DataFrame, structured_dataset_type: StructuredDatasetType
    ) -> StructuredDataset:
        """Write a table."""
        uri = dataframe.uri or internal_ctx().raw_data.get_random_remote_path()
        await flyte.storage.put_stream(dataframe.val.text.encode(), to_path=flyte.storage.join(uri, "data.csv"))
        metadata = StructuredDatasetMetadata(structured_dataset_type=structured_dataset_type)
        return StructuredDataset(uri=uri, metadata=metadata)


DataFrameTransformerEngine.register(TableEncoder(), default_format_for_type=True)


@env.task
async def frame() -> flyte.io.DataFrame:
    """Return a data frame, which the SDK stores."""
    return flyte.io.DataFrame.wrap_df(Table("a\n1\n"))


@env.task
async def late_condition() -> list[str]:
    """Ask for what nobody answers."""
    sure = await flyte.new_condition.aio("late", prompt="Sure?", data_type=bool, timeout=1)
    try:
        await sure.wait.aio()
    except flyte.errors.ConditionTimedoutError:
        return ["not answered in time"]
    return ["answered"]


@env.task
async def waiting() -> list[str]:
    """Wait for children that outlive the service that they were made through."""
    await asyncio.gather(*(mapped("sleep", f"sleeps{number}", duration="4s").aio() for number in range(3)))
    return ["woken"]


@env.task
async def fanout(count: int) -> float:
    """Start many children at once, and give the seconds until all have ended."""
    begun = time.perf_counter()
    await asyncio.gather(*(child(number) for number in range(count)))
    return time.perf_counter() - begun
