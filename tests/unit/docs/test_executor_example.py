"""The executor that the documents print runs as it stands there: copied by readers, so it must work."""

import asyncio
import re
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import pytest
from pydantic import Field

from support.runs import toolbox
from taskaction.lifecycle.outcomes import Pending, Succeeded
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.plugin.errors import AddressDeniedError
from taskaction.plugin.json_schema import model_problem
from taskaction.plugin.settings import Settings, SettingsReader

PAGE = Path(__file__).parents[3] / "docs" / "writing-an-executor.md"
NAME = "taskaction_port"


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    """The first block of Python of the page, as a module."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    module = ModuleType(NAME)
    sys.modules[NAME] = module  # pydantic looks names up there
    exec(compile(found[1], f"{NAME}.py", "exec", dont_inherit=True), vars(module))
    yield module
    del sys.modules[NAME]


def executor(example: ModuleType, *allowed: str) -> AbstractExecutor:
    addresses = AddressPolicy(tuple(ip_network(text) for text in allowed))
    return example.PortExecutor.build(toolbox(addresses=addresses))


def run(port: int, host: str = "127.0.0.1") -> Run:
    now = datetime.now(UTC)
    nobody: Any = None
    return Run(
        uid="1",
        name="until-port-answers",
        namespace="default",
        attempt=1,
        parameters={"host": host, "port": port},
        config={},
        idempotency_key="1-1",
        started_at=now,
        reporter=nobody,
        secrets=nobody,
        now=now,
    )


@pytest.fixture
async def server() -> AsyncIterator[asyncio.Server]:
    opened = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    async with opened:
        yield opened


def port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


async def test_the_example_succeeds_once_the_port_answers(example: ModuleType, server: asyncio.Server) -> None:
    outcome = await executor(example, "127.0.0.0/8").execute(run(port_of(server)))
    assert outcome == Succeeded(output={"address": "127.0.0.1"})


async def test_the_example_goes_on_waiting_while_nothing_answers(example: ModuleType, server: asyncio.Server) -> None:
    port = port_of(server)
    server.close()
    await server.wait_closed()
    outcome = await executor(example, "127.0.0.0/8").execute(run(port))
    assert outcome == Pending(poll_after=2, message=f"127.0.0.1:{port} does not answer yet")


async def test_the_example_connects_only_where_users_may(example: ModuleType, server: asyncio.Server) -> None:
    with pytest.raises(AddressDeniedError):
        await executor(example).execute(run(port_of(server)))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        pytest.param({"host": "db"}, "port", id="a missing parameter"),
        pytest.param({"host": "db", "port": 0}, "port", id="a port that cannot be"),
        pytest.param({"host": "db", "port": 80, "tls": True}, "tls", id="a parameter that does not exist"),
    ],
)
def test_the_example_refuses_wrong_parameters_by_name(example: ModuleType, parameters: Any, named: str) -> None:
    problem = model_problem(executor(example).PARAMETERS, parameters, "spec.parameters")
    assert f"spec.parameters.{named}" in str(problem)


def test_the_settings_of_the_page_are_read_by_their_variable() -> None:
    found = re.search(r"```python\n(class PortSettings.*?)\n\n\n", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    names = {"Settings": Settings, "Annotated": Annotated, "Field": Field, "__name__": NAME}
    exec(compile(found[1], f"{NAME}.py", "exec", dont_inherit=True), names)
    settings: Any = SettingsReader({"TASKACTION_PORT_EXECUTOR_TIMEOUT": "2"})(names["PortSettings"])
    assert settings.timeout == pytest.approx(2)
