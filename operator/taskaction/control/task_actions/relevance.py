"""Relevance of actions to this replica, by their raw objects; kopf's thread asks for each event of the watch.

A replica needs the actions of its own shards and of its own schedules. Of all others it needs those that it may have to
relate to something of its own: parents and children, and actions with an external ID, by which ActionEvents find them.
"""

from collections.abc import Mapping
from typing import Any

from taskaction.api.enums import ProviderKind, Sharding
from taskaction.cluster.gateway import ACTION_SCHEDULES, Body
from taskaction.control.objects.requests import ProviderKey
from taskaction.control.objects.scheduled import owning_schedules
from taskaction.control.objects.tables import ActionTable
from taskaction.control.objects.tree import OwnerTree, ParentLink
from taskaction.control.providers.providers import ProviderTable
from taskaction.control.sharding.scope import WatchScope
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.names import shard_of
from taskaction.lifecycle.placement import executor_source, key_in_source, provider_source
from taskaction.plugin.registry import Registry


class ActionRelevance:
    """Judge of which actions this replica can do without.

    It only reads tables, and one entry of each, so that a thread may ask while the event loop changes them. Whenever it
    is not sure, the action is needed.
    """

    def __init__(
        self,
        *,
        scope: WatchScope,
        tenures: ShardTenures,
        table: ActionTable,
        tree: OwnerTree,
        providers: ProviderTable,
        registry: Registry,
    ) -> None:
        """Create a judge; it finds everything needed while ``scope`` is not reduced."""
        self._scope = scope
        self._tenures = tenures
        self._table = table
        self._tree = tree
        self._providers = providers
        self._registry = registry
        self._shardings: dict[ProviderKey, Sharding] = {}

    @property
    def is_limited(self) -> bool:
        """Whether any action may be found unneeded."""
        return self._scope.is_reduced

    def is_parent(self, link: ParentLink) -> bool:
        """Whether a known object names this one as its parent."""
        return self._tree.is_named(link)

    def on_provider_changed(self, key: ProviderKey) -> bool:
        """Record the ``sharding`` of a provider; return whether its actions may have moved to other shards.

        ``sharding`` is immutable, but a provider can be deleted, and another one of the same name created.
        """
        offer, before = self._providers.get(key), self._shardings.get(key)
        if offer is None:
            self._shardings.pop(key, None)
            return before is not None
        now = self._shardings[key] = offer.provider.spec.sharding or Sharding.PROVIDER
        return before is not None and before is not now

    def is_unneeded(self, body: Body) -> bool:
        """Whether an action, as the API server sends it, is of no use to this replica."""
        if not self._scope.is_reduced:
            return False
        try:
            return not (
                _concerns_others(body)
                or self._is_related(body["metadata"])
                or self._is_of_own_schedule(body["metadata"])
                or self._may_be_own(body)
            )
        except Exception:  # noqa: BLE001 - of an object that cannot be read, or a plug-in that raises, the intake reports
            return False

    def _is_related(self, metadata: Mapping[str, Any]) -> bool:
        """Whether the action is known, or the parent of a known object."""
        link = ParentLink(uid=metadata["uid"], name=metadata["name"], namespace=metadata["namespace"])
        return self._table.get(link.uid) is not None or self.is_parent(link)

    def _is_of_own_schedule(self, metadata: Mapping[str, Any]) -> bool:
        """Whether a schedule of this replica made the action: a time may wait for its end."""
        shards = self._tenures.shards
        return any(self._tenures.holds(shard_of(uid, shards)) for uid in owning_schedules(metadata))

    def _may_be_own(self, body: Body) -> bool:
        """Whether this replica holds the action's shard, or cannot tell."""
        metadata, spec = body["metadata"], body["spec"]
        namespace, partition, ref = metadata["namespace"], spec.get("partitionKey"), spec.get("providerRef")
        if ref is None:
            source, sharding = executor_source(namespace, spec["executor"]), Sharding.PARTITION
            if partition is None and not self._is_independent(spec["executor"]):
                return True
        else:
            kind = ProviderKind(ref.get("kind", ProviderKind.ACTION_PROVIDER))
            source = provider_source(kind, namespace, ref["name"])
            known = self._shardings.get((kind, source.namespace, ref["name"]))
            if known is None or (known is Sharding.PARTITION and partition is None):
                return True
            sharding = known
        key = key_in_source(source, metadata["uid"], sharding, partition)
        return self._tenures.holds(shard_of(key, self._tenures.shards))

    def _is_independent(self, executor: str) -> bool:
        """Whether an executor's actions are in no partition unless their spec names one."""
        found = self._registry.get(executor)
        return found is not None and found.PARTITION_KEY is None and not found.partitions_itself


def _concerns_others(body: Body) -> bool:
    """Whether an action may be related to any other one."""
    owners = body["metadata"].get("ownerReferences") or ()
    linked = any(owner["kind"] != ACTION_SCHEDULES.kind for owner in owners) or body["spec"].get("parentRef")
    return bool(linked) or (body.get("status") or {}).get("externalId") is not None
