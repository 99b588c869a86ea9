"""Has every ActionFlow judged by the replica that answers for it, also when a provider that it names has changed.

Keeps no definition, and runs nothing. Nobody is asked from time to time: what has changed says so.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import ValidationError

from taskaction.api.action_flow import ActionFlow, ActionFlowStatus
from taskaction.cluster.errors import ConflictError, InvalidError, NotFoundError
from taskaction.cluster.gateway import ACTION_FLOWS, Body, Cluster
from taskaction.control.flow_runs.inputs import Inputs, providers_named
from taskaction.control.flow_runs.validation import flow_status, judged
from taskaction.control.objects.background import Background
from taskaction.control.objects.objects import Persistently
from taskaction.control.providers.providers import ProviderKey
from taskaction.control.task_actions.journal import Journal
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of

FlowKey = tuple[str, str]
"""Namespace and name."""

SETTLE_SECONDS = 1.0
"""How long changes of providers are collected before flows are judged by them: they come in numbers."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a flow: which object it is, whether its status speaks of what it says now, whom it names."""

    uid: str
    generation: int
    judged: bool
    providers: frozenset[ProviderKey]


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
        sought: Callable[[ProviderKey], bool],
        owns: Callable[[int], bool],
        changed: Callable[[str, str], None],
        shards: int,
    ) -> None:
        """``changed`` is told namespace and name of every flow that came or changed.

        ``sought`` says of a provider whether it is being looked up; then ``provider_changed`` tells the end of that.
        """
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._inputs = inputs
        self._sought = sought
        self._owns = owns
        self._changed = changed
        self._shards = shards
        self._seen: dict[FlowKey, Seen] = {}
        self._doubted: dict[FlowKey, None] = {}
        self._judges = False

    def notice(self, event: str | None, body: Body) -> None:
        """Take in one notification about a flow."""
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        known = self._seen.get(key)
        if event == "DELETED":
            if known is not None and known.uid == body["metadata"]["uid"]:
                self._forget(key)
            return
        try:
            flow = ActionFlow.from_body(body)
        except ValidationError as error:
            self._journal.failed(f"read ActionFlow {key[1]}", error)
            return
        seen = self._take_in(key, flow)
        self._changed(*key)
        if not seen.judged and self._answers_for(seen.uid):
            self._background.start(self._judge(key, flow), name=f"judge ActionFlow {key[1]}")
        if known is None and seen.providers:
            self._doubt([key])  # nobody here knows by which providers it was judged

    def provider_changed(self, provider: ProviderKey) -> None:
        """Have those flows judged again that name a provider: it came, changed, or went."""
        self._doubt([key for key, seen in self._seen.items() if provider in seen.providers])

    def taken_over(self, shard: int) -> None:
        """Judge what the former owner of a shard has left unjudged."""
        mine = [key for key, seen in self._seen.items() if shard_of(seen.uid, self._shards) == shard]
        self._doubt([key for key in mine if not self._seen[key].judged or key in self._doubted])

    def _doubt(self, keys: list[FlowKey]) -> None:
        self._doubted |= dict.fromkeys(keys)
        if keys and not self._judges:
            self._judges = True
            self._background.start(self._judge_doubted(), name="judge ActionFlows again")

    async def _judge_doubted(self) -> None:
        """Judge one flow after the other, until none of this process's is left that can be judged now."""
        try:
            await self._clock.sleep(SETTLE_SECONDS)
            while (key := next(filter(self._can_be_judged, self._doubted), None)) is not None:
                del self._doubted[key]
                await self._judge(key, await self._fresh(key))
        finally:
            self._judges = False

    def _can_be_judged(self, key: FlowKey) -> bool:
        seen = self._seen[key]
        sought = [self._sought(provider) for provider in seen.providers]  # all of them, so that they come together
        return self._answers_for(seen.uid) and not any(sought)

    async def _judge(self, key: FlowKey, flow: ActionFlow | None) -> None:
        """Write what is found and not written yet, however often people are faster."""
        while flow is not None and self._answers_for(flow.metadata.uid):
            verdict = await asyncio.to_thread(judged, flow, self._inputs)
            status = flow_status(flow, verdict, self._clock.now())
            if status == flow.status:
                return
            try:
                self._take_in(key, await self._written(flow, status))
            except ConflictError:
                flow = await self._fresh(key)
            except NotFoundError:
                self._forget(key)
                return
            except InvalidError as error:
                self._journal.failed(f"write the status of ActionFlow {key[1]}", error)
                return
            else:
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
            self._forget(key)
            return None
        flow = ActionFlow.from_body(body)
        self._take_in(key, flow)
        return flow

    def _take_in(self, key: FlowKey, flow: ActionFlow) -> Seen:
        known, metadata = self._seen.get(key), flow.metadata
        if known is not None and (known.uid, known.generation) == (metadata.uid, metadata.generation):
            providers = known.providers
        else:
            providers = providers_named(flow.spec.definition, metadata.namespace)
        self._seen[key] = Seen(metadata.uid, metadata.generation, _is_judged(flow), providers)
        return self._seen[key]

    def _forget(self, key: FlowKey) -> None:
        self._seen.pop(key, None)
        self._doubted.pop(key, None)

    def _answers_for(self, uid: str) -> bool:
        return self._owns(shard_of(uid, self._shards))


def _is_judged(flow: ActionFlow) -> bool:
    return flow.status.observed_generation == flow.metadata.generation
