"""Agents in this process: all their parts over an API server in memory, with a clock that the test moves."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from support.fake_cluster import FakeCluster
from support.port_server import CLIENT_ID, CLIENT_SECRET, INSTALLATION, PortServer
from taskaction.cluster.gateway import TASK_ACTIONS, Body
from taskaction.integrations.port.agent.agent import AgentComponents
from taskaction.integrations.port.agent.mapping import action_name
from taskaction.integrations.port.agent.recorder import AgentRecorder
from taskaction.integrations.port.agent.runs import PortRunKind
from taskaction.integrations.port.agent.settings import PortAgentConfig
from taskaction.testing.clock import FakeClock

NAMESPACE = "port"


def config(server: PortServer, **settings: Any) -> PortAgentConfig:
    """Give settings that suit the stand-in."""
    said = {
        "base_url": server.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "installation_id": INSTALLATION,
        "namespace": NAMESPACE,
        "request_timeout": "20s",
    }
    return PortAgentConfig.model_validate(said | settings)


@dataclass
class Agents:
    """Makes agents that share one API server in memory and one Port."""

    server: PortServer
    cluster: FakeCluster
    clock: FakeClock
    session: aiohttp.ClientSession

    def agent(self, **settings: Any) -> AgentComponents:
        """Give the parts of one more agent."""
        return AgentComponents(
            config(self.server, **settings), self.cluster, self.session, self.clock, random.random, AgentRecorder()
        )

    def body(self, run_id: str, kind: PortRunKind = PortRunKind.ACTION) -> Body | None:
        """Give the action of a run."""
        name = action_name(INSTALLATION, kind, run_id)
        return self.cluster.objects.get((TASK_ACTIONS.plural, NAMESPACE, name))

    def become(self, run_id: str, phase: str, kind: PortRunKind = PortRunKind.ACTION, **status: Any) -> None:
        """Do what the operator does: give an action a status."""
        body = self.body(run_id, kind)
        assert body is not None
        assert not body["spec"]["suspend"], "an operator would not run it"
        ended = {"finishedAt": "2026-01-01T00:01:00Z"} if phase in {"Succeeded", "Failed", "Aborted"} else {}
        self.cluster.store(TASK_ACTIONS, body | {"status": {"phase": phase, **ended, **status}})


@asynccontextmanager
async def agents(server: PortServer) -> AsyncIterator[Agents]:
    """Serve Port, and give what makes agents."""
    clock = FakeClock()
    server.now = clock.monotonic
    async with server, aiohttp.ClientSession(trust_env=False) as session:
        yield Agents(server, FakeCluster(clock), clock, session)
