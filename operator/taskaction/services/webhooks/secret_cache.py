"""Cache of webhook Secrets, which are read with the rights of the provider's ServiceAccount.

It keeps a flood of forged requests from becoming a flood of API reads.
"""

from taskaction.api.provider import ClusterActionProvider, Provider
from taskaction.api.webhook import WebhookSecretRef
from taskaction.cluster.gateway import Cluster
from taskaction.control.task_actions.accounts import account_of_provider
from taskaction.control.task_actions.sources import ParameterSources
from taskaction.core.clock import Clock
from taskaction.plugin.errors import ActionError, InvalidParametersError
from taskaction.plugin.secrets import Secret

KEPT_SECONDS = 30.0
FAILED_KEPT_SECONDS = 5.0
_Key = tuple[str, str, str, str]


class SecretCache:
    """Cache of Secret values; a value that did not match a request is read again once it is a few seconds old."""

    def __init__(self, cluster: Cluster, clock: Clock, closed: frozenset[str]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._closed = closed
        self._known: dict[_Key, tuple[float, Secret | ActionError]] = {}

    async def read(self, provider: Provider, ref: WebhookSecretRef, *, fresh: bool = False) -> Secret:
        """Return a Secret value; ``fresh`` requires one that is at most a few seconds old.

        Raises:
            ActionError: the Secret is missing, or the ServiceAccount may not read it.
            UnavailableError: the API server is unavailable.
        """
        reader = self._reader(provider, ref)
        key = (reader.account.user, ref.namespace or "", ref.name, ref.key)
        now = self._clock.monotonic()
        read_at, known = self._known.get(key, (-KEPT_SECONDS, Secret("")))
        young = FAILED_KEPT_SECONDS if fresh or isinstance(known, ActionError) else KEPT_SECONDS
        if now - read_at >= young or key not in self._known:
            known = await _read(reader, ref)
            self._known = {one: kept for one, kept in self._known.items() if now - kept[0] < KEPT_SECONDS}
            self._known[key] = (now, known)
        if isinstance(known, ActionError):
            raise known
        return known

    def _reader(self, provider: Provider, ref: WebhookSecretRef) -> ParameterSources:
        """Return the reader for the provider's Secrets; only a ClusterActionProvider chooses the namespace."""
        shared = isinstance(provider, ClusterActionProvider)
        namespace = (ref.namespace or "") if shared else provider.metadata.namespace
        if not namespace:
            raise InvalidParametersError(
                f"ClusterActionProvider {provider.metadata.name!r}: set the namespace of the"
                f" webhook's Secret {ref.name!r}"
            )
        return ParameterSources(self._cluster, account_of_provider(provider, namespace), self._closed, shared)


async def _read(reader: ParameterSources, ref: WebhookSecretRef) -> Secret | ActionError:
    """Return the value, or the error why the webhook is not ready; with an empty value anybody could sign."""
    try:
        secret = await reader.read_secret(ref.name, ref.key, namespace=ref.namespace)
    except ActionError as error:
        return error
    value = str(secret.reveal()).rstrip("\r\n")
    if not value.strip():
        return InvalidParametersError(
            f"Secret {ref.name!r}: key {ref.key!r} is empty, so anybody could send webhooks: set a value"
        )
    return Secret(value)
