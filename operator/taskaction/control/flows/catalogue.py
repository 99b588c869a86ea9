"""Has every ActionFlow judged once by the replica that answers for it; keeps no definition, and runs nothing."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from taskaction.api.action_flow import ActionFlow, ActionFlowStatus
from taskaction.cluster.errors import ConflictError, InvalidError, NotFoundError
from taskaction.cluster.gateway import ACTION_FLOWS, Body, Cluster
from taskaction.control.background import Background
from taskaction.control.flows.inputs import Inputs
from taskaction.control.flows.judging import flow_status, judged
from taskaction.control.journal import Journal
from taskaction.control.objects import Persistently
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of

FlowKey = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a flow: which object it is, and whether its status speaks of what it says now."""

    uid: str
    judged: bool


class FlowCatalogue:
    """Knows which flows there are, and writes into the status of each whether it can be run.

    A flow belongs to the shard of its uid. Two replicas that both believe to own it write the same verdict.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: Persistently,
        background: Background,
        journal: Journal,
        inputs: Inputs,
        owns: Callable[[int], bool],
        changed: Callable[[str, str], None],
        shards: int,
    ) -> None:
        """``changed`` is told namespace and name of every flow that came or changed."""
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._inputs = inputs
        self._owns = owns
        self._changed = changed
        self._shards = shards
        self._seen: dict[FlowKey, Seen] = {}

    def notice(self, event: str | None, body: Body) -> None:
        """Take in one notification about a flow."""
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        if event == "DELETED":
            known = self._seen.get(key)
            if known is not None and known.uid == body["metadata"]["uid"]:
                del self._seen[key]
            return
        try:
            flow = ActionFlow.from_body(body)
        except ValidationError as error:
            self._journal.failed(f"read ActionFlow {key[1]}", error)
            return
        self._take_in(key, flow)
        self._changed(*key)
        if not self._seen[key].judged and self._answers_for(flow.metadata.uid):
            self._background.start(self._judge(key, flow), name=f"judge ActionFlow {key[1]}")

    def taken_over(self, shard: int) -> None:
        """Judge what the former owner of a shard has left unjudged."""
        for key, seen in self._seen.items():
            if not seen.judged and shard_of(seen.uid, self._shards) == shard:
                self._background.start(self._look(key), name=f"judge ActionFlow {key[1]}")

    async def _look(self, key: FlowKey) -> None:
        flow = await self._fresh(key)
        if flow is not None:
            await self._judge(key, flow)

    async def _judge(self, key: FlowKey, flow: ActionFlow | None) -> None:
        """Write what is found, however often people are faster; a later change of theirs is told by the watch."""
        while flow is not None and not _is_judged(flow) and self._answers_for(flow.metadata.uid):
            verdict = await asyncio.to_thread(judged, flow, self._inputs)
            status = flow_status(flow, verdict, self._clock.now())
            try:
                flow = await self._written(flow, status)
            except ConflictError:
                flow = await self._fresh(key)
            except NotFoundError:
                self._seen.pop(key, None)
                return
            except InvalidError as error:
                self._journal.failed(f"write the status of ActionFlow {key[1]}", error)
                return

    async def _written(self, flow: ActionFlow, status: ActionFlowStatus) -> ActionFlow:
        metadata = flow.metadata
        body = {
            "apiVersion": ACTION_FLOWS.api_version,
            "kind": ACTION_FLOWS.kind,
            "metadata": {
                "name": metadata.name,
                "namespace": metadata.namespace,
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
            },
            "status": status.to_json(),
        }
        return ActionFlow.from_body(await self._persistently(lambda: self._cluster.replace_status(ACTION_FLOWS, body)))

    async def _fresh(self, key: FlowKey) -> ActionFlow | None:
        namespace, name = key
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOWS, name, namespace))
        if body is None:
            self._seen.pop(key, None)
            return None
        flow = ActionFlow.from_body(body)
        self._take_in(key, flow)
        return flow

    def _take_in(self, key: FlowKey, flow: ActionFlow) -> None:
        self._seen[key] = Seen(flow.metadata.uid, _is_judged(flow))

    def _answers_for(self, uid: str) -> bool:
        return self._owns(shard_of(uid, self._shards))


def _is_judged(flow: ActionFlow) -> bool:
    return flow.status.observed_generation == flow.metadata.generation
