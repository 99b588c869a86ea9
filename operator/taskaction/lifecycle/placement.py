"""Which shard owns an action: from immutable facts only, so that every replica gives the same answer (design, 5)."""

from dataclasses import dataclass

from taskaction.api.enums import ProviderKind, Sharding
from taskaction.api.task_action import TaskAction
from taskaction.core.names import shard_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where an action's load comes from: a provider, or an executor used inline in a namespace."""

    namespace: str
    name: str

    @property
    def key(self) -> str:
        """The source as one word, for queues and shards."""
        return f"{self.namespace}/{self.name}"


def source_of(action: TaskAction) -> Source:
    """Give the source of ``action``; a cluster provider is one source for all namespaces."""
    ref = action.spec.provider_ref
    namespace = action.metadata.namespace
    if ref is None:
        return executor_source(namespace, action.spec.executor or "")
    return provider_source(ref.kind, namespace, ref.name)


def executor_source(namespace: str, executor: str) -> Source:
    """Give the source that all actions of an executor are of that name no provider."""
    return Source(namespace=namespace, name=f"executor:{executor}")


def provider_source(kind: ProviderKind, namespace: str, name: str) -> Source:
    """Give the source that all actions of a provider are of."""
    shared = kind is ProviderKind.CLUSTER_ACTION_PROVIDER
    return Source(namespace="" if shared else namespace, name=f"{kind}:{name}")


def shard_key(action: TaskAction, sharding: Sharding, partition: str | None) -> str:
    """Give the text that decides the shard.

    With a provider its identity, narrowed by its ``sharding``; without one the source with the partition key, else
    the uid, since nothing ties such actions together.
    """
    source = source_of(action)
    uid = action.metadata.uid
    if action.spec.provider_ref is None:
        return f"{source.key}/{partition}" if partition is not None else uid
    match sharding:
        case Sharding.PROVIDER:
            return source.key
        case Sharding.PARTITION:
            return f"{source.key}/{partition}" if partition is not None else uid
        case Sharding.ACTION:
            return uid


def shard_for(action: TaskAction, sharding: Sharding, partition: str | None, *, shards: int) -> int:
    """Give the number of the shard that owns ``action``, 0 to ``shards`` - 1."""
    return shard_of(shard_key(action, sharding, partition), shards)
