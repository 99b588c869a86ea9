"""The first day of a plug-in's author, and health checks that people copy; no cluster is needed."""

import re
from collections.abc import AsyncIterator
from ipaddress import ip_network
from typing import Any

import pytest
import yaml
from lupa import lua51

from local.manifests import ROOT
from support.broken_executors import CountsLater, PartitionsAtOnce
from taskaction.plugin import AbstractExecutor, AddressDeniedError, AddressPolicy, open_http_session
from taskaction.testing.conformance import ExecutorConformance
from taskaction.testing.targets import HttpServer


@pytest.fixture
async def server() -> AsyncIterator[HttpServer]:
    """A target on this machine."""
    async with HttpServer() as found:
        yield found


WRONG = {
    PartitionsAtOnce: ("test_its_partition_is_a_text_or_none", "define the method with `async def`"),
    CountsLater: ("test_its_quota_key_is_a_text", "define it with `def`, not `async def`"),
}


@pytest.mark.parametrize(("kind", "check", "said"), [(kind, *told) for kind, told in WRONG.items()])
async def test_u10_conformance_calls_each_method_as_the_engine_does(
    kind: type[AbstractExecutor], check: str, said: str
) -> None:
    class Judge(ExecutorConformance):
        def executor(self) -> AbstractExecutor:
            return kind()

        def parameters(self) -> dict[str, Any]:
            return {"size": 1}

    with pytest.raises(AssertionError, match=re.escape(said)):
        await getattr(Judge(), check)()


def test_u10_the_page_has_the_signature_of_every_method() -> None:
    page = (ROOT / "docs" / "writing-an-executor.md").read_text()
    methods = {
        name for name, value in vars(AbstractExecutor).items() if callable(value) or isinstance(value, classmethod)
    }
    public = {name for name in methods if not name.startswith("__")}
    assert {name for name in public if f"| `{name}(" not in page} == set()


async def test_u10_the_http_client_of_plugins_keeps_to_the_address_rules(server: HttpServer) -> None:
    allowed = AddressPolicy((ip_network("127.0.0.0/8"),))
    async with open_http_session(allowed) as session, session.get(server.url) as response:
        assert response.status < 500
    async with open_http_session(AddressPolicy()) as session:
        for host in ("127.0.0.1", "localhost", "[::1]"):
            with pytest.raises(AddressDeniedError):
                await session.get(f"http://{host}:{server.url.rpartition(':')[2]}")
    assert len(server.seen) == 1


# -- U17 ---------------------------------------------------------------------------------------------------------------

PAGE = (ROOT / "docs" / "gitops.md").read_text()
CHECKS = next(
    yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "customizations" in block
)


def health(kind: str, status: dict[str, Any] | None) -> str:
    """Return what Argo CD would show of an object of a kind."""
    lua = lua51.LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = to_lua(lua, {"status": status} if status is not None else {})
    found = lua.execute(CHECKS[f"resource.customizations.health.taskaction.dev_{kind}"])
    return str(found["status"])


def to_lua(lua: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({name: to_lua(lua, part) for name, part in value.items()})
    return lua.table_from([to_lua(lua, part) for part in value]) if isinstance(value, list) else value


def condition(kind: str, status: str) -> dict[str, Any]:
    return {"conditions": [{"type": "Other", "status": "True"}, {"type": kind, "status": status, "message": "m"}]}


PHASES = {"Succeeded": "Healthy", "Failed": "Degraded", "Paused": "Suspended", "Running": "Progressing"}
HEALTH = [
    *((kind, {"phase": phase}, word) for kind in ("TaskAction", "ActionFlowRun") for phase, word in PHASES.items()),
    *((kind, condition("Ready", "True"), "Healthy") for kind in ("ActionProvider", "ClusterActionProvider")),
    *((kind, condition("Ready", "False"), "Degraded") for kind in ("ActionProvider", "ClusterActionProvider")),
    ("ActionFlow", condition("Valid", "True"), "Healthy"),
    ("ActionFlow", condition("Valid", "False"), "Degraded"),
    *((kind, None, "Progressing") for kind in ("TaskAction", "ActionFlowRun", "ActionFlow", "ActionProvider")),
]


@pytest.mark.parametrize(("kind", "status", "word"), HEALTH)
def test_u17_argo_cd_knows_the_health_of_each_kind(kind: str, status: dict[str, Any] | None, word: str) -> None:
    assert health(kind, status) == word
