"""Intake of providers: reads those that the watch has not shown yet, and writes their status."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

from pydantic import ValidationError

from taskaction.api.enums import ProviderKind
from taskaction.api.provider import ActionProviderStatus, Provider
from taskaction.cluster.errors import ConflictError, InvalidError, NotFoundError
from taskaction.cluster.gateway import ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, Body, Cluster
from taskaction.control.objects.background import Background, FailureRecorder
from taskaction.control.objects.listing import list_uids
from taskaction.control.objects.objects import RetryingCall
from taskaction.control.objects.requests import ProviderKey, Requests
from taskaction.control.objects.status_bodies import status_body
from taskaction.control.providers.providers import (
    INPUT_SCHEMA,
    OUTPUT_SCHEMA,
    Offer,
    ProviderSchemas,
    ProviderTable,
    compile_cheap_schemas,
    is_same_specification,
    key_of,
    provider_status,
    read_provider,
)
from taskaction.control.sharding.tenures import ShardTenures
from taskaction.core.clock import Clock
from taskaction.lifecycle.placement import provider_source
from taskaction.plugin.evaluation import BudgetExceededError, Evaluator

RESOURCES = {
    ProviderKind.ACTION_PROVIDER: ACTION_PROVIDERS,
    ProviderKind.CLUSTER_ACTION_PROVIDER: CLUSTER_ACTION_PROVIDERS,
}

_ABSENT_KEPT = 10_000
"""Maximum number of remembered names without a provider: users can write any name; a forgotten one costs a request."""


class ProviderIntake:
    """Intake that keeps the table of providers in step with the API server."""

    def __init__(
        self,
        *,
        cluster: Cluster,
        clock: Clock,
        persistently: RetryingCall,
        background: Background,
        journal: FailureRecorder,
        providers: ProviderTable,
        evaluator: Evaluator,
        tenures: ShardTenures,
        requests: Requests,
        namespaces: Sequence[str] = (),
    ) -> None:
        """Create an intake; it requests that every provider that was created, changed or deleted is applied."""
        self._cluster = cluster
        self._clock = clock
        self._persistently = persistently
        self._background = background
        self._journal = journal
        self._providers = providers
        self._evaluator = evaluator
        self._tenures = tenures
        self._requests = requests
        self._namespaces = namespaces
        self._asked: set[ProviderKey] = set()
        self._evaluated: dict[ProviderKey, Provider] = {}
        self._absent: OrderedDict[ProviderKey, None] = OrderedDict()

    def on_notification(self, kind: ProviderKind, event: str | None, body: Body) -> None:
        """Process one notification about a provider."""
        metadata = body["metadata"]
        key = (kind, metadata.get("namespace", ""), metadata["name"])
        if event == "DELETED":
            self._on_deleted(key, metadata["uid"])
            return
        try:
            provider = read_provider(kind, body)
        except ValidationError as error:
            self._journal.on_task_failed(f"read {kind} {key[2]}", error)
            return
        self._absent.pop(key, None)
        if not self._providers.is_new(provider):
            self._providers.update_status(provider)
        elif (schemas := compile_cheap_schemas(provider.spec)) is not None:
            self._evaluated.pop(key, None)
            self._put(provider, schemas)
        elif not is_same_specification(self._evaluated.get(key), provider):
            self._evaluated[key] = provider
            self._background.start(self._evaluate(provider), name=f"evaluate provider {key[2]}")

    async def sweep(self, kind: ProviderKind) -> None:
        """Find providers whose deletion the watch missed."""
        known = {(offer.key, offer.provider.metadata.uid) for offer in self._providers.list_offers()}
        known |= {(key, provider.metadata.uid) for key, provider in self._evaluated.items()}
        present = await self._persistently(lambda: list_uids(self._cluster, RESOURCES[kind], self._namespaces))
        for key, uid in known:
            if key[0] is kind and uid not in present:
                self._on_deleted(key, uid)

    def _on_deleted(self, key: ProviderKey, uid: str) -> None:
        """Remove a deleted provider; a newer one of the same name stays, also while its schemas are evaluated."""
        evaluated = self._evaluated.get(key)
        if evaluated is not None and evaluated.metadata.uid == uid:
            del self._evaluated[key]
        self._providers.drop(key, uid)
        self._requests.providers.add(key, key[1])

    def _put(self, provider: Provider, schemas: ProviderSchemas) -> None:
        offer = self._providers.put(provider, schemas)
        self.publish(offer)
        self._requests.providers.add(offer.key, offer.key[1])

    async def _evaluate(self, provider: Provider) -> None:
        """Compile the schemas of a provider that are not cheap; a newer specification replaces it meanwhile."""
        key, spec = key_of(provider), provider.spec
        namespace = provider.metadata.namespace
        try:
            schemas = ProviderSchemas(
                inputs=await self._evaluator.compile_schema(namespace, spec.input_schema, INPUT_SCHEMA),
                outputs=await self._evaluator.compile_schema(namespace, spec.output_schema, OUTPUT_SCHEMA),
            )
        except (ValueError, BudgetExceededError) as error:
            schemas = ProviderSchemas(problem=str(error))
        if self._evaluated.get(key) is provider:
            del self._evaluated[key]
            self._put(provider, schemas)

    def look_up(self, key: ProviderKey) -> None:
        """Read a provider that an action names and that is not known; its notification may be on its way."""
        known = self._providers.get(key) is not None or key in self._asked or key in self._absent
        if not known and self._providers.is_kind_watched(key[0]):
            self._asked.add(key)
            self._background.start(self._find(key), name=f"find provider {key[2]}")

    def look_up_pending(self, key: ProviderKey) -> bool:
        """Read a provider that is not known; return whether the lookup is pending."""
        self.look_up(key)
        return self.is_lookup_pending(key)

    def is_lookup_pending(self, key: ProviderKey) -> bool:
        """Whether the provider is being read, or its schemas are being evaluated."""
        return key in self._asked or key in self._evaluated

    def publish(self, offer: Offer) -> None:
        """Write a provider's status if this process owns it and the status changed."""
        owned = self._tenures.owns_key(provider_source(*offer.key).key)
        if owned and self._current_status(offer) != offer.provider.status:
            self._background.start(
                self.write_status(offer.key, self._current_status), name=f"publish provider {offer.key[2]}"
            )

    def publish_all(self) -> None:
        """Write the status of every provider that this process owns."""
        for offer in self._providers.list_offers():
            self.publish(offer)

    async def _find(self, key: ProviderKey) -> None:
        kind, namespace, name = key
        try:
            body = await self._persistently(lambda: self._cluster.get(RESOURCES[kind], name, namespace))
        finally:
            self._asked.discard(key)
        if body is None:
            self._absent[key] = None
            while len(self._absent) > _ABSENT_KEPT:
                self._absent.popitem(last=False)
        else:
            self.on_notification(kind, None, body)
        # Also if a notification came first: the actions that wait for this lookup were not decided then.
        self._requests.providers.add(key, key[1])

    def _current_status(self, offer: Offer) -> ActionProviderStatus:
        return provider_status(offer, self._clock.now())

    async def write_status(self, key: ProviderKey, status_of: Callable[[Offer], ActionProviderStatus]) -> Offer | None:
        """Write the status that ``status_of`` returns for the provider, and retry on conflicts.

        Return the provider afterwards; None if it no longer exists or the API server refuses the status.
        """
        kind, namespace, name = key

        async def replaced() -> Body | None:
            offer = self._providers.get(key)
            return await self._replace_status(offer, status_of(offer)) if offer is not None else None

        while True:
            try:
                body = await self._persistently(replaced)
            except ConflictError:
                fresh = await self._persistently(lambda: self._cluster.get(RESOURCES[kind], name, namespace))
                if fresh is None:
                    return None
                self.on_notification(kind, None, fresh)
                continue
            except NotFoundError:
                return None
            except InvalidError as error:
                self._journal.on_task_failed(f"publish provider {name}", error)
                return None
            if body is not None:
                self.on_notification(kind, None, body)
            return self._providers.get(key)

    async def _replace_status(self, offer: Offer, status: ActionProviderStatus) -> Body:
        resource, metadata = RESOURCES[offer.key[0]], offer.provider.metadata
        body = status_body(resource, metadata, metadata.resource_version, status)
        return await self._cluster.replace_status(resource, body)
