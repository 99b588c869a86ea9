"""Gathers everything a decision may depend on into one value; reads only what this process knows, writes nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from taskaction.api.enums import OverlapPolicy, ProviderKind, Sharding, WhenFull
from taskaction.api.provider import ProviderDefaults
from taskaction.api.reasons import Reason
from taskaction.api.task_action import TaskAction
from taskaction.control.events.matching import Subject
from taskaction.control.objects.records import Record
from taskaction.control.objects.tree import Tree
from taskaction.control.providers.providers import Offer, ProviderKey, Providers, allowed_in, limits_of
from taskaction.control.task_actions.overlaps import Overlap, Overlaps
from taskaction.core.constants import FINALIZER
from taskaction.core.names import digest
from taskaction.execution.runs import QueuedRun
from taskaction.lifecycle.placement import source_of
from taskaction.lifecycle.policy import Policy, Settings, policy_for
from taskaction.lifecycle.state import Blocker, Crowded, Observed, Owner
from taskaction.lifecycle.traits import Traits
from taskaction.plugin.base import AbstractExecutor
from taskaction.plugin.json_schema import model_problem, nesting_problem
from taskaction.plugin.registry import Registry

_OVERLAPS = frozenset({OverlapPolicy.REPLACE, OverlapPolicy.DROP})
_UNKNOWN_TRAITS = Traits(idempotent=False, external_effect=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What an action is executed by: an executor, and the provider that configured it."""

    executor: AbstractExecutor
    offer: Offer | None

    @property
    def judge(self) -> object:
        """What parameters are checked by: when it changes, they are checked anew."""
        return self.offer.provider.spec if self.offer is not None else self.executor

    @property
    def config(self) -> dict[str, Any]:
        """The provider's configuration; empty for an inline executor."""
        return self.offer.provider.spec.config if self.offer is not None else {}


class Gatherer:
    """Turns a record and its surroundings into an ``Observed``."""

    def __init__(
        self,
        *,
        tree: Tree,
        overlaps: Overlaps,
        providers: Providers,
        registry: Registry,
        settings: Settings,
        luck: Callable[[], float],
    ) -> None:
        self._tree = tree
        self._overlaps = overlaps
        self._providers = providers
        self._registry = registry
        self._settings = settings
        self._luck = luck

    def observed(self, record: Record, owner: Owner) -> Observed:
        """Give the facts of ``record`` for its ``owner``."""
        action = record.action
        bound = self.binding(action)
        parameters = action.spec.parameters
        if isinstance(bound, Binding):
            blocker = self._parameters_blocker(record, bound)
            traits = bound.executor.traits(parameters, bound.config)
            defaults = bound.offer.provider.spec.defaults if bound.offer is not None else None
        else:
            blocker, traits, defaults = bound, _UNKNOWN_TRAITS, None
        if record.parameters_hash is None:
            record.parameters_hash = _fingerprint(parameters)
        signal = action.spec.signal
        return Observed(
            spec=action.spec,
            status=record.status,
            generation=action.metadata.generation,
            created=action.metadata.creation_timestamp,
            policy=self._policy(record, defaults),
            traits=traits,
            owner=owner,
            activity=record.activity,
            held=FINALIZER in action.metadata.finalizers,
            abort=self._tree.abort_fact(record.uid) or self._overlaps.fact(record),
            parent=record.parent,
            blocker=blocker,
            crowded=self._crowded(record) if record.crowded else None,
            limited_until=record.limited_until,
            taken_at=record.taken_at,
            signalled=signal is not None and signal != record.polled_signal,
            parameters_hash=record.parameters_hash,
            luck=self._luck(),
        )

    def _policy(self, record: Record, defaults: ProviderDefaults | None) -> Policy:
        """Give the policy, worked out anew only where the action or its provider has changed."""
        said = record.action.spec, defaults
        if record.policy is None or record.policy[0] is not said[0] or record.policy[1] is not said[1]:
            record.policy = (*said, policy_for(*said, self._settings))
        return record.policy[2]

    def binding(self, action: TaskAction) -> Binding | Blocker:
        """Give what executes the action, or why nothing can."""
        key = provider_key(action)
        if key is None:
            return self._bound(action.spec.executor or "", None)
        offer = self._providers.get(key)
        name = f"{key[0]} {key[2]!r}"
        if offer is None:
            message = f"spec.providerRef: {self._providers.absence(key)}"
            return Blocker(reason=Reason.PROVIDER_NOT_FOUND, message=message, final=False)
        if not allowed_in(offer.provider, action.metadata.namespace):
            message = f"spec.providerRef: {name} is not offered to namespace {action.metadata.namespace!r}"
            return Blocker(reason=Reason.PROVIDER_NOT_ALLOWED, message=message, final=True)
        if not offer.ready:
            message = f"spec.providerRef: {name} is not ready: {offer.message}"
            return Blocker(reason=Reason.PROVIDER_NOT_READY, message=message, final=False)
        return self._bound(offer.provider.spec.executor, offer)

    def subject(self, record: Record) -> Subject:
        """Give the action as events may mean it."""
        action = record.action
        bound = self.binding(action)
        return Subject(
            uid=record.uid,
            namespace=record.namespace,
            name=record.name,
            attempt=record.status.attempt or 0,
            provider=provider_key(action),
            executor=bound.executor.ACTION_NAME if isinstance(bound, Binding) else action.spec.executor or "",
            external_id=record.status.external_id,
        )

    def sharding(self, action: TaskAction) -> Sharding:
        """Give how finely the action's provider is spread."""
        offer = self._offer(action)
        return (offer.provider.spec.sharding if offer is not None else None) or Sharding.PROVIDER

    def partition(self, action: TaskAction) -> str | None:
        """Give the partition key as the spec tells it: the action's own, the provider's, the executor's parameter."""
        if action.spec.partition_key is not None:
            return action.spec.partition_key
        offer = self._offer(action)
        path = offer.provider.spec.partition_key_path if offer is not None else None
        value = _at_path(action.spec.parameters, path) if path is not None else None
        if value is None or value == "":
            executor = self._executor(action)
            name = executor.PARTITION_KEY if executor is not None else None
            value = (action.spec.parameters.get(name) or None) if name is not None else None
        return None if value is None or value == "" else str(value)

    def partitions_itself(self, action: TaskAction) -> bool:
        """Say whether only the executor can tell the action's partition."""
        executor = self._executor(action)
        return executor is not None and executor.partitions_itself and self.partition(action) is None

    def tie(self, action: TaskAction) -> str | None:
        """Give what ties the action to others of its source when shards are chosen: its partition, None for nothing.

        A shard follows from immutable facts only, the same in every replica. What an executor finds by itself is no
        such fact, so all actions whose partition must be asked for are tied together, and their owner keeps the order.
        """
        return "" if self.partitions_itself(action) else self.partition(action)

    def queued(self, record: Record) -> QueuedRun:
        """Give the action's place in the queue."""
        action = record.action
        created = action.metadata.creation_timestamp.timestamp()
        source, partition = source_of(action), self.partition(action) or record.status.partition_key
        return QueuedRun(
            id=record.uid,
            # A partition is its source's, and a cluster provider's spans namespaces; the rest takes turns by namespace.
            namespace=record.namespace if partition is None else source.namespace,
            source=source.key,
            partition=partition,
            priority=action.spec.priority or 0,
            order=(0 if record.status.attempt else 1, created, record.first_version, record.name),
            under_way=record.status.phase.started,
        )

    def overlap(self, record: Record) -> Overlap | None:
        """Give the action's place where its provider lets the actions of a partition not wait for each other.

        A suspended action that has not started keeps nobody from anything (design, section 5), so it has no place.
        """
        place, offer = self.queued(record), self._offer(record.action)
        policy = offer.provider.spec.overlap_policy if offer is not None else None
        held_back = record.action.spec.suspend and not record.status.attempt
        if offer is None or place.partition is None or policy not in _OVERLAPS or held_back:
            return None
        return Overlap(
            partition=(place.source, place.partition),
            policy=policy,
            capacity=limits_of(offer.provider.spec).per_partition,
            order=(0, *place.order[1:]),
        )

    def _crowded(self, record: Record) -> Crowded:
        offer = self._offer(record.action)
        limits = offer.provider.spec.limits if offer is not None else None
        if limits is None or limits.max_queued is None:
            return Crowded(message="the operator's queue is full", refused=False)
        refused = limits.when_full is WhenFull.REFUSE and record.fresh
        return Crowded(message=f"limits.maxQueued: {limits.max_queued} actions wait already", refused=refused)

    def _offer(self, action: TaskAction) -> Offer | None:
        key = provider_key(action)
        return self._providers.get(key) if key is not None else None

    def _executor(self, action: TaskAction) -> AbstractExecutor | None:
        key = provider_key(action)
        if key is None:
            return self._registry.get(action.spec.executor or "")
        offer = self._providers.get(key)
        return self._registry.get(offer.provider.spec.executor) if offer is not None else None

    def _bound(self, name: str, offer: Offer | None) -> Binding | Blocker:
        executor = self._registry.get(name)
        if executor is None:
            message = f"spec.executor: {self._registry.unknown_message(name)}"
            return Blocker(reason=Reason.UNKNOWN_EXECUTOR, message=message, final=True)
        return Binding(executor=executor, offer=offer)

    def _parameters_blocker(self, record: Record, binding: Binding) -> Blocker | None:
        """Check the parameters before anything is queued; those with parts from Secrets are checked at call time."""
        if record.action.spec.parameters_from:
            return None
        if record.checked_with is not binding.judge:
            record.checked_with = binding.judge
            record.problem = parameters_problem(binding, record.action.spec.parameters)
        if record.problem is None:
            return None
        return Blocker(reason=Reason.INVALID_PARAMETERS, message=record.problem, final=True)


def _fingerprint(parameters: Mapping[str, Any]) -> str:
    try:
        return digest(orjson.dumps(parameters, option=orjson.OPT_SORT_KEYS))
    except TypeError:
        return digest(b"")  # nested too deeply to be written, and refused for that


def parameters_problem(binding: Binding, parameters: Mapping[str, Any]) -> str | None:
    """Give what is wrong with the parameters, naming the field, or None.

    A provider's users are bound by its ``inputSchema``; the executor's own model describes inline use.
    """
    if (problem := nesting_problem(parameters, "spec.parameters")) is not None:
        return problem
    if binding.offer is not None:
        return binding.offer.inputs.problem(parameters) if binding.offer.inputs is not None else None
    model = binding.executor.PARAMETERS
    return model_problem(model, parameters, "spec.parameters") if model is not None else None


def provider_key(action: TaskAction) -> ProviderKey | None:
    """Give how the providers' table names the action's provider, None for an inline executor."""
    ref = action.spec.provider_ref
    if ref is None:
        return None
    return (ref.kind, "" if ref.kind is ProviderKind.CLUSTER_ACTION_PROVIDER else action.metadata.namespace, ref.name)


def _at_path(value: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(value, Mapping) or name not in value:
            return None
        value = value[name]
    return value
