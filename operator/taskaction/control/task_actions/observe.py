"""Observation of actions: collects all facts for a decision in one value; reads memory only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.api.enums import OverlapPolicy, Sharding, WhenFull
from taskaction.api.provider import ProviderDefaults
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskAction
from taskaction.control.events.matching import EventSubject
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import provider_key
from taskaction.control.objects.tree import OwnerTree
from taskaction.control.providers.providers import Offer, ProviderTable, is_allowed_in, limits_of
from taskaction.control.task_actions.overlaps import OverlapPlace, OverlapTable
from taskaction.control.task_actions.validation import ParameterInspector
from taskaction.core.constants import FINALIZER
from taskaction.core.names import digest
from taskaction.execution.manager import ExecutionManager
from taskaction.execution.runs import QueuedRun
from taskaction.lifecycle.idempotency import key_base
from taskaction.lifecycle.placement import source_of
from taskaction.lifecycle.policy import Policy, Settings, policy_for
from taskaction.lifecycle.state import Blocker, Observed, Owner, QueueFull
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.registry import Registry

_OVERLAPS = frozenset({OverlapPolicy.REPLACE, OverlapPolicy.DROP})
_UNKNOWN_TRAITS = Traits(idempotent=False, external_effect=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorBinding:
    """Executor of an action, and the provider that configures it."""

    executor: AbstractExecutor
    offer: Offer | None

    @property
    def config(self) -> dict[str, Any]:
        """The provider's configuration; empty for an inline executor."""
        return self.offer.provider.spec.config if self.offer is not None else {}


class ActionObserver:
    """Observer that converts a record and its context into an ``Observed``."""

    def __init__(
        self,
        *,
        tree: OwnerTree,
        overlaps: OverlapTable,
        providers: ProviderTable,
        registry: Registry,
        inspector: ParameterInspector,
        settings: Settings,
        manager: ExecutionManager,
        jitter: Callable[[], float],
    ) -> None:
        """Create an observer; ``jitter`` returns random numbers in [0, 1)."""
        self._tree = tree
        self._overlaps = overlaps
        self._providers = providers
        self._registry = registry
        self._inspector = inspector
        self._settings = settings
        self._manager = manager
        self._jitter = jitter

    def observe_action(self, record: ActionRecord, owner: Owner) -> Observed:
        """Return the facts about ``record`` for its ``owner``."""
        action = record.action
        bound = self.bind_executor(action)
        if isinstance(bound, ExecutorBinding):
            self._inspector.inspect(record, bound.executor, bound.offer)
            self._inspector.begin_evaluation(record, bound.executor, bound.offer)
            blocker, traits = record.parameters_blocker, record.traits or _UNKNOWN_TRAITS
            defaults = bound.offer.provider.spec.defaults if bound.offer is not None else None
            partition_key = _partition_key(action, bound.executor, bound.offer)
        else:
            blocker, traits, defaults = bound, _UNKNOWN_TRAITS, None
            partition_key = self.spec_partition_key(action)
        parameters_hash = self._hash_of(record)
        signal = action.spec.signal
        return Observed(
            spec=action.spec,
            status=record.status,
            generation=action.metadata.generation,
            created=action.metadata.creation_timestamp,
            policy=self._effective_policy(record, defaults),
            traits=traits,
            traits_known=traits is not _UNKNOWN_TRAITS,
            owner=owner,
            activity=record.activity,
            has_finalizer=FINALIZER in action.metadata.finalizers,
            abort=self._tree.abort_fact(record.uid) or self._overlaps.abort_fact(record),
            parent=record.parent,
            blocker=blocker,
            is_validating=record.is_validating,
            queue_full=self._queue_full(record) if self._manager.is_in_backlog(record.uid) else None,
            limited_until=record.limited_until,
            taken_at=record.taken_over_at,
            lost_call=record.lost_call,
            is_storing=record.is_storing,
            signalled=signal is not None and signal != record.polled_signal,
            parameters_hash=parameters_hash,
            key_base=key_base(record.namespace, action.spec),
            partition_key=record.status.partition_key or partition_key,
            jitter=self._jitter(),
        )

    def must_be_read(self, record: ActionRecord) -> bool:
        """Whether nothing can be decided before the parameters are read again, because their meaning changed."""
        if record.has_parameters:
            return False
        bound = self.bind_executor(record.action)
        return isinstance(bound, ExecutorBinding) and not self._inspector.inspect(record, bound.executor, bound.offer)

    def drop_large_parameters(self, record: ActionRecord) -> None:
        """Keep what decisions need of large parameters, and drop them from memory."""
        if not self._inspector.is_large(record):
            return
        bound = self.bind_executor(record.action)
        if isinstance(bound, ExecutorBinding):
            self._inspector.inspect(record, bound.executor, bound.offer)
        self._hash_of(record)
        record.drop_parameters(self.spec_partition_key(record.action))

    def _hash_of(self, record: ActionRecord) -> str:
        return record.parameters_hash or record.keep_parameters_hash(_hash_parameters(record.action.spec.parameters))

    def _effective_policy(self, record: ActionRecord, defaults: ProviderDefaults | None) -> Policy:
        """Return the effective policy; it is computed again only if the action or its provider changed."""
        spec, known = record.action.spec, record.policy
        if known is not None and known[0] is spec and known[1] is defaults:
            return known[2]
        return record.keep_policy(spec, defaults, policy_for(spec, defaults, self._settings))

    def bind_executor(self, action: TaskAction) -> ExecutorBinding | Blocker:
        """Return the executor of the action, or the reason why it has none."""
        key = provider_key(action)
        if key is None:
            return self._bind(action.spec.executor or "", None)
        offer = self._providers.get(key)
        name = f"{key[0]} {key[2]!r}"
        if offer is None:
            message = f"spec.providerRef: {self._providers.explain_absence(key)}"
            return Blocker(reason=Reason.PROVIDER_NOT_FOUND, message=message, final=False)
        if not is_allowed_in(offer.provider, action.metadata.namespace):
            message = f"spec.providerRef: {name} does not allow namespace {action.metadata.namespace!r}"
            return Blocker(reason=Reason.PROVIDER_NOT_ALLOWED, message=message, final=True)
        if not offer.ready:
            message = f"spec.providerRef: {name} is not ready: {offer.message}"
            return Blocker(reason=Reason.PROVIDER_NOT_READY, message=message, final=False)
        return self._bind(offer.provider.spec.executor, offer)

    def event_subject(self, record: ActionRecord) -> EventSubject:
        """Return the properties of the action that events can match."""
        action = record.action
        bound = self.bind_executor(action)
        return EventSubject(
            uid=record.uid,
            namespace=record.namespace,
            name=record.name,
            attempt=record.status.attempt or 0,
            provider=provider_key(action),
            executor=bound.executor.ACTION_NAME if isinstance(bound, ExecutorBinding) else action.spec.executor or "",
            external_id=record.status.external_id,
        )

    def sharding_of(self, action: TaskAction) -> Sharding:
        """Return the ``sharding`` of the action's provider."""
        _, offer = self._look_up(action)
        return (offer.provider.spec.sharding if offer is not None else None) or Sharding.PROVIDER

    def spec_partition_key(self, action: TaskAction) -> str | None:
        """Return the partition key in the spec: the action's own, the provider's, or the executor's parameter."""
        return _partition_key(action, *self._look_up(action))

    def partitions_itself(self, action: TaskAction) -> bool:
        """Whether only the executor can find the partition of the action."""
        executor, offer = self._look_up(action)
        return executor is not None and executor.partitions_itself and _partition_key(action, executor, offer) is None

    def shard_tie(self, action: TaskAction) -> str | None:
        """Return the value that assigns actions of one source to the same shard: their partition; None for no tie.

        A shard depends only on immutable facts, the same in every replica. A partition that an executor finds is no
        such fact, so all actions whose executor must be asked share a tie, and their owner keeps their order.
        """
        executor, offer = self._look_up(action)
        key = _partition_key(action, executor, offer)
        return "" if key is None and executor is not None and executor.partitions_itself else key

    def to_queued_run(self, record: ActionRecord) -> QueuedRun:
        """Return the action's entry for the queue."""
        action = record.action
        created = action.metadata.creation_timestamp.timestamp()
        source, partition = source_of(action), self.spec_partition_key(action) or record.status.partition_key
        return QueuedRun(
            id=record.uid,
            tenant=record.namespace,
            # A partition belongs to its source, and can span namespaces; all other actions take turns by namespace.
            namespace=record.namespace if partition is None else source.namespace,
            source=source.key,
            partition=partition,
            priority=action.spec.priority or 0,
            order=(0 if record.status.attempt else 1, created, record.first_version, record.name),
            under_way=record.status.phase.is_started,
        )

    def overlap_place(self, record: ActionRecord) -> OverlapPlace | None:
        """Return the action's place in a partition with an overlap policy; None if it has none.

        A suspended action that has not started blocks nobody (docs/architecture.md), so it has no place.
        """
        _, offer = self._look_up(record.action)
        policy = offer.provider.spec.overlap_policy if offer is not None else None
        held_back = record.action.spec.suspend and not record.status.attempt
        if offer is None or policy not in _OVERLAPS or held_back:
            return None
        place = self.to_queued_run(record)
        if place.partition is None:
            return None
        return OverlapPlace(
            partition=(place.source, place.partition),
            policy=policy,
            capacity=limits_of(offer.provider.spec).per_partition,
            order=(0, *place.order[1:]),
        )

    def _queue_full(self, record: ActionRecord) -> QueueFull:
        _, offer = self._look_up(record.action)
        limits = offer.provider.spec.limits if offer is not None else None
        if limits is None or limits.max_queued is None:
            return QueueFull(message="the queue of the operator is full", refused=False)
        refused = limits.when_full is WhenFull.REFUSE and record.may_be_refused
        return QueueFull(message=f"limits.maxQueued: {limits.max_queued} actions are queued already", refused=refused)

    def _look_up(self, action: TaskAction) -> tuple[AbstractExecutor | None, Offer | None]:
        """Return the executor and the provider of an action as far as they exist, ready or not."""
        key = provider_key(action)
        if key is None:
            return self._registry.get(action.spec.executor or ""), None
        offer = self._providers.get(key)
        return (None if offer is None else self._registry.get(offer.provider.spec.executor)), offer

    def _bind(self, name: str, offer: Offer | None) -> ExecutorBinding | Blocker:
        executor = self._registry.get(name)
        if executor is None:
            message = f"spec.executor: {self._registry.unknown_message(name)}"
            return Blocker(reason=Reason.UNKNOWN_EXECUTOR, message=message, final=True)
        return ExecutorBinding(executor=executor, offer=offer)


def _partition_key(action: TaskAction, executor: AbstractExecutor | None, offer: Offer | None) -> str | None:
    spec = action.spec
    if spec.partition_key is not None:
        return spec.partition_key
    path = offer.provider.spec.partition_key_path if offer is not None else None
    value = _value_at(spec.parameters, path) if path is not None else None
    if value is None or value == "":
        name = executor.PARTITION_KEY if executor is not None else None
        value = (spec.parameters.get(name) or None) if name is not None else None
    return None if value is None or value == "" else str(value)


def _hash_parameters(parameters: Mapping[str, Any]) -> str:
    try:
        return digest(orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        return digest(b"")  # nested too deeply for JSON, and refused for that


def _value_at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value
