"""Assignment of actions to shards: from immutable facts only, so that all replicas agree."""

from dataclasses import dataclass

from taskaction.api.enums import ProviderKind, Sharding
from taskaction.api.task_action import TaskAction
from taskaction.core.names import shard_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSource:
    """Source of an action's load: a provider, or an executor that a namespace uses without a provider."""

    namespace: str
    name: str

    @property
    def key(self) -> str:
        """Key of the source, for queues and shards."""
        return f"{self.namespace}/{self.name}"


def source_of(action: TaskAction) -> ActionSource:
    """Return the source of ``action``; a cluster provider is one source for all namespaces."""
    ref = action.spec.provider_ref
    namespace = action.metadata.namespace
    if ref is None:
        return executor_source(namespace, action.spec.executor or "")
    return provider_source(ref.kind, namespace, ref.name)


def executor_source(namespace: str, executor: str) -> ActionSource:
    """Return the source of an executor's actions without a provider."""
    return ActionSource(namespace=namespace, name=f"executor:{executor}")


def provider_source(kind: ProviderKind, namespace: str, name: str) -> ActionSource:
    """Return the source of a provider's actions."""
    shared = kind is ProviderKind.CLUSTER_ACTION_PROVIDER
    return ActionSource(namespace="" if shared else namespace, name=f"{kind}:{name}")


def shard_key(action: TaskAction, sharding: Sharding, partition: str | None) -> str:
    """Return the key that determines the shard.

    With a provider, the key is its identity, narrowed by its ``sharding``. Without one, it is the source with the
    partition key, or the uid if there is no partition key, since such actions are independent.
    """
    narrowed = Sharding.PARTITION if action.spec.provider_ref is None else sharding
    return key_in_source(source_of(action), action.metadata.uid, narrowed, partition)


def key_in_source(source: ActionSource, uid: str, sharding: Sharding, partition: str | None) -> str:
    """Return the key that determines the shard of an action of ``source``."""
    match sharding:
        case Sharding.PROVIDER:
            return source.key
        case Sharding.PARTITION:
            return f"{source.key}/{partition}" if partition is not None else uid
        case Sharding.ACTION:
            return uid


def shard_for(action: TaskAction, sharding: Sharding, partition: str | None, *, shards: int) -> int:
    """Return the number of the shard that owns ``action``, 0 to ``shards`` - 1."""
    return shard_of(shard_key(action, sharding, partition), shards)
