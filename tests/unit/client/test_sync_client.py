"""The synchronous client has the verbs of the asynchronous one, and leaves no thread behind."""

import asyncio
import inspect
import multiprocessing
import signal
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest
import yaml

from taskaction_client import Client, ConfigurationError, SyncClient
from taskaction_client.collection import Collection
from taskaction_client.sync_client import LoopThread, SyncCollection


def verbs(kind: type) -> dict[str, list[tuple[str, object]]]:
    found = {name: one for name, one in vars(kind).items() if isinstance(one, FunctionType) and name[0] != "_"}
    signatures = {name: inspect.signature(one).parameters.values() for name, one in found.items()}
    return {name: [(part.name, part.default) for part in parts] for name, parts in signatures.items()}


def test_both_clients_have_the_same_verbs_with_the_same_arguments() -> None:
    assert verbs(SyncCollection) == verbs(Collection)
    assert set(verbs(Collection)) >= {"run", "submit", "wait", "stream", "result", "abort", "signal", "submit_many"}
    assert inspect.signature(SyncClient.__init__) == inspect.signature(Client.__init__)


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    content = {
        "current-context": "a",
        "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "a", "context": {"cluster": "a", "namespace": "team"}}],
    }
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(content))
    return path


def test_a_client_that_is_not_open_says_how_to_open_it(kubeconfig: Path) -> None:
    client = SyncClient(kubeconfig=kubeconfig)
    assert client.actions.namespace == "team"
    assert client.actions.within("other").namespace == "other"
    with pytest.raises(ConfigurationError, match="with SyncClient"):
        client.actions.get("a")


def test_the_thread_ends_with_the_client(kubeconfig: Path) -> None:
    with SyncClient(kubeconfig=kubeconfig):
        assert "taskaction-client" in {one.name for one in threading.enumerate()}
    assert "taskaction-client" not in {one.name for one in threading.enumerate()}


def test_a_stream_that_is_left_early_is_closed() -> None:
    closed = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(1000):
                yield number
                await asyncio.sleep(0)
        finally:
            closed.set()

    thread = LoopThread()
    thread.start()
    for number in thread.iterate(numbers):
        if number == 3:
            break
    assert closed.wait(10)
    assert list(thread.iterate(numbers)) == list(range(1000))
    thread.stop()


def test_a_stream_that_outlives_its_client_ends_quietly() -> None:
    closed = threading.Event()

    async def numbers() -> AsyncIterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    thread = LoopThread()
    thread.start()
    stream = thread.iterate(numbers)
    assert next(stream) == 1
    thread.stop()
    assert closed.is_set()
    stream.close()


def test_an_interrupted_call_has_ended_before_what_follows() -> None:
    steps: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            for _ in range(50):
                await asyncio.sleep(0)
            steps.append("ended")

    thread = LoopThread()
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        list(thread.iterate(numbers))
    assert steps == ["ended"]

    async def answer() -> int:
        return 42

    assert thread.run(answer()) == 42
    thread.stop()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_is_told_to_open_a_client_of_its_own(kubeconfig: Path) -> None:
    with SyncClient(kubeconfig=kubeconfig) as client:
        context = multiprocessing.get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        child = context.Process(target=_use, args=(client, sender))
        child.start()
        assert receiver.poll(30)
        assert "in each process" in receiver.recv()
        child.join()


def _use(client: SyncClient, sender: Any) -> None:
    try:
        client.actions.get("a")
    except ConfigurationError as error:
        sender.send(str(error))
