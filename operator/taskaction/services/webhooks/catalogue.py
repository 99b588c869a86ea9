"""Providers with a webhook, listed every few seconds, so that no request needs an API read; validates none of them."""

from collections.abc import Callable, Sequence

from pydantic import ValidationError

from taskaction.api.provider import ActionProvider, ClusterActionProvider, Provider
from taskaction.cluster.errors import ClusterError
from taskaction.cluster.gateway import ACTION_PROVIDERS, CLUSTER_ACTION_PROVIDERS, Cluster, Resource
from taskaction.core.clock import Clock

REFRESH_SECONDS = 5.0
STALE_SECONDS = 60.0


class Catalogue:
    """Cache of providers by namespace ('' for cluster providers) and name."""

    def __init__(self, cluster: Cluster, clock: Clock, namespaces: Sequence[str], *, of_cluster: bool = True) -> None:
        """Create an empty catalogue; with ``of_cluster`` it lists ClusterActionProviders as well."""
        self._cluster = cluster
        self._clock = clock
        self._places: list[tuple[Resource, type[Provider], str]] = [
            (ACTION_PROVIDERS, ActionProvider, place) for place in namespaces or ("",)
        ]
        if of_cluster:
            self._places.append((CLUSTER_ACTION_PROVIDERS, ClusterActionProvider, ""))
        self._providers: dict[tuple[str, str], Provider] = {}
        self._listed_at: float | None = None

    def get(self, namespace: str, name: str) -> Provider | None:
        """Return the provider with this name if it has a webhook."""
        return self._providers.get((namespace, name))

    @property
    def is_stale(self) -> bool:
        """Whether the last successful list is too old to rely on."""
        return self._listed_at is None or self._clock.monotonic() - self._listed_at > STALE_SECONDS

    async def run(self, failed: Callable[[str, BaseException], None]) -> None:
        """List every few seconds until cancelled."""
        while True:
            try:
                await self.refresh()
            except ClusterError as error:
                failed("list providers", error)
            await self._clock.sleep(REFRESH_SECONDS)

    async def refresh(self) -> None:
        """List the providers once."""
        started = self._clock.monotonic()
        found: dict[tuple[str, str], Provider] = {}
        for resource, model, place in self._places:
            async for body in self._cluster.list(resource, place):
                _add_provider(found, model, body)
        self._providers, self._listed_at = found, started


def _add_provider(found: dict[tuple[str, str], Provider], model: type[Provider], body: dict[str, object]) -> None:
    spec = body.get("spec")
    if not isinstance(spec, dict) or "webhook" not in spec:
        return
    try:
        provider = model.from_body(body)
    except ValidationError:
        return  # only an object of another version of the CRD can be invalid
    found[provider.metadata.namespace, provider.metadata.name] = provider
