"""Catalogue of ActionFlows: validates each in the replica that owns it, also after a change of its providers.

It keeps no definition, and runs nothing. Nothing is polled: notifications report every change.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from taskaction.api.action_flow import ActionFlow, ActionFlowStatus
from taskaction.api.reasons import Reason
from taskaction.cluster.errors import ConflictError, InvalidError, NotFoundError
from taskaction.cluster.gateway import ACTION_FLOWS, Body, Cluster
from taskaction.control.flow_runs.inputs import InputRegistry, collect_inputs, find_provider_references
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.flow_runs.validation import ValidationResult, flow_status, is_cheap_flow, validate_flow
from taskaction.control.objects.background import Background
from taskaction.control.objects.listing import list_uids
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.requests import ProviderKey, Requests
from taskaction.control.objects.status_bodies import status_body
from taskaction.control.providers.offers import ProviderIntake
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.control.task_actions.journal import ActionRecorder
from taskaction.core.clock import Clock
from taskaction.core.names import shard_of
from taskaction.flows.errors import Problem
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator

FlowKey = tuple[str, str]
"""Namespace and name."""

SETTLE_SECONDS = 1.0
"""Seconds for which changes of providers are collected before flows are validated: they come in groups."""


@dataclass(frozen=True, slots=True)
class CataloguedFlow:
    """Catalogue entry of a flow: its object, whether its status is up to date, and its providers."""

    uid: str
    generation: int
    is_validated: bool
    providers: frozenset[ProviderKey]


class FlowCatalogue:
    """Index of all flows, which writes into the status of each whether it is valid.

    A flow belongs to the shard of its uid. Two replicas that both believe to own it write the same result.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: RetryingCall,
        background: Background,
        journal: ActionRecorder,
        inputs: InputRegistry,
        evaluator: Evaluator,
        offers: ProviderIntake,
        tenures: ShardTenures,
        runs: RunTable,
        requests: Requests,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create a catalogue; it requests turns of the runs that wait for a flow.

        ``on_provider_changed`` must be called at the end of each lookup of a provider.
        """
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._inputs = inputs
        self._evaluator = evaluator
        self._offers = offers
        self._tenures = tenures
        self._runs = runs
        self._requests = requests
        self._namespaces = namespaces
        self._seen: dict[FlowKey, CataloguedFlow] = {}
        self._doubted: dict[FlowKey, None] = {}
        self._judges = False

    def on_notification(self, event: str | None, body: Body) -> None:
        """Process one notification about a flow."""
        key = (body["metadata"]["namespace"], body["metadata"]["name"])
        known = self._seen.get(key)
        if event == "DELETED":
            if known is not None and known.uid == body["metadata"]["uid"]:
                self._forget(key)
            return
        try:
            flow = ActionFlow.from_body(body)
        except ValidationError as error:
            self._journal.on_task_failed(f"read ActionFlow {key[1]}", error)
            return
        seen = self._index_flow(key, flow)
        self._request_waiting_runs(*key)
        if not seen.is_validated and self._owns_flow(seen.uid):
            self._background.start(self._validate(key, flow), name=f"judge ActionFlow {key[1]}")
        if known is None and seen.providers:
            self._request_validation([key])  # unknown for which providers it was validated

    async def sweep(self) -> None:
        """Forget flows whose deletion the watch missed."""
        known = {key: seen.uid for key, seen in self._seen.items()}
        present = await self._persistently(lambda: list_uids(self._cluster, ACTION_FLOWS, self._namespaces))
        for key, uid in known.items():
            if uid not in present and key in self._seen and self._seen[key].uid == uid:
                self._forget(key)

    def on_provider_changed(self, provider: ProviderKey) -> None:
        """Validate again the flows that refer to a provider that was created, changed or deleted."""
        self._request_validation([key for key, seen in self._seen.items() if provider in seen.providers])

    def on_shard_acquired(self, shard: int) -> None:
        """Validate what the former owner of a shard has not validated."""
        mine = [key for key, seen in self._seen.items() if shard_of(seen.uid, self._tenures.shards) == shard]
        self._request_validation([key for key in mine if not self._seen[key].is_validated or key in self._doubted])

    def _request_validation(self, keys: list[FlowKey]) -> None:
        self._doubted |= dict.fromkeys(keys)
        if keys and not self._judges:
            self._judges = True
            self._background.start(self._validate_requested(), name="judge ActionFlows again")

    async def _validate_requested(self) -> None:
        """Validate one flow after the other, until none is left that this process can validate now."""
        try:
            await self._clock.sleep(SETTLE_SECONDS)
            while (key := next(filter(self._can_validate, self._doubted), None)) is not None:
                del self._doubted[key]
                await self._validate(key, await self._read_flow(key))
        finally:
            self._judges = False

    def _can_validate(self, key: FlowKey) -> bool:
        seen = self._seen[key]
        # No short circuit: start all lookups together.
        sought = [self._offers.look_up_pending(provider) for provider in seen.providers]
        return self._owns_flow(seen.uid) and not any(sought)

    async def _validate(self, key: FlowKey, flow: ActionFlow | None) -> None:
        """Write the result of the validation if it is new, and retry on conflicts."""
        while flow is not None and self._owns_flow(flow.metadata.uid):
            verdict = await self._evaluate(flow)
            status = flow_status(flow, verdict, self._clock.now())
            if status == flow.status:
                return
            try:
                self._index_flow(key, await self._replace_status(flow, status))
            except ConflictError:
                flow = await self._read_flow(key)
            except NotFoundError:
                self._forget(key)
                return
            except InvalidError as error:
                self._journal.on_task_failed(f"write the status of ActionFlow {key[1]}", error)
                return
            else:
                return

    async def _evaluate(self, flow: ActionFlow) -> ValidationResult:
        """Validate a flow, in a worker process unless it is cheap."""
        namespace = flow.metadata.namespace
        inputs = collect_inputs(flow.spec.definition, namespace, self._inputs)
        if is_cheap_flow(flow, inputs):
            return validate_flow(flow, inputs)
        try:
            return await self._evaluator.run(namespace, "spec.definition", validate_flow, flow, inputs)
        except BudgetExceededError as error:
            return ValidationResult(Reason.BUDGET_EXCEEDED, (Problem("$", str(error)),))

    async def _replace_status(self, flow: ActionFlow, status: ActionFlowStatus) -> ActionFlow:
        metadata = flow.metadata
        body = status_body(ACTION_FLOWS, metadata, metadata.resource_version, status)
        return ActionFlow.from_body(await self._persistently(lambda: self._cluster.replace_status(ACTION_FLOWS, body)))

    async def _read_flow(self, key: FlowKey) -> ActionFlow | None:
        namespace, name = key
        body = await self._persistently(lambda: self._cluster.get(ACTION_FLOWS, name, namespace))
        if body is None:
            self._forget(key)
            return None
        flow = ActionFlow.from_body(body)
        self._index_flow(key, flow)
        return flow

    def _index_flow(self, key: FlowKey, flow: ActionFlow) -> CataloguedFlow:
        known, metadata = self._seen.get(key), flow.metadata
        if known is not None and (known.uid, known.generation) == (metadata.uid, metadata.generation):
            providers = known.providers
        else:
            providers = find_provider_references(flow.spec.definition, metadata.namespace)
        self._seen[key] = CataloguedFlow(metadata.uid, metadata.generation, _is_validated(flow), providers)
        return self._seen[key]

    def _forget(self, key: FlowKey) -> None:
        self._seen.pop(key, None)
        self._doubted.pop(key, None)

    def _request_waiting_runs(self, namespace: str, name: str) -> None:
        for record in self._runs:
            ref = record.run.spec.flow_ref
            waits = record.status.reason == Reason.FLOW_NOT_FOUND
            if waits and ref is not None and (record.namespace, ref.name) == (namespace, name):
                self._requests.reconcile(record)

    def _owns_flow(self, uid: str) -> bool:
        return self._tenures.owns_key(uid)


def _is_validated(flow: ActionFlow) -> bool:
    return flow.status.observed_generation == flow.metadata.generation
