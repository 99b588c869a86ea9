"""Cache of webhook Secrets, which are read with the rights of the provider's ServiceAccount.

It keeps a flood of forged requests from becoming a flood of API reads.
"""

from taskaction.api.provider import Provider
from taskaction.api.webhook import WebhookSecretRef
from taskaction.cluster.gateway import Cluster
from taskaction.control.task_actions.calls import DEFAULT_ACCOUNT
from taskaction.control.task_actions.sources import ParameterSources, ServiceAccountRef
from taskaction.core.clock import Clock
from taskaction.plugin.errors import ActionError, InvalidParametersError

KEPT_SECONDS = 30.0
FAILED_KEPT_SECONDS = 5.0
_Key = tuple[str, str, str, str]


class SecretCache:
    """Cache of Secret values; a value that did not match a request is read again once it is a few seconds old."""

    def __init__(self, cluster: Cluster, clock: Clock, closed: frozenset[str]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._closed = closed
        self._known: dict[_Key, tuple[float, str | ActionError]] = {}

    async def read(self, provider: Provider, ref: WebhookSecretRef, *, fresh: bool = False) -> str:
        """Return a Secret value; ``fresh`` requires one that is at most a few seconds old.

        Raises:
            ActionError: the Secret is missing, or the ServiceAccount may not read it.
            UnavailableError: the API server is unavailable.
        """
        account = _account(provider, ref)
        key = (account.namespace, account.name, ref.name, ref.key)
        now = self._clock.monotonic()
        read_at, known = self._known.get(key, (-KEPT_SECONDS, ""))
        young = FAILED_KEPT_SECONDS if fresh or isinstance(known, ActionError) else KEPT_SECONDS
        if now - read_at >= young or key not in self._known:
            known = await self._read(account, ref)
            self._known = {one: kept for one, kept in self._known.items() if now - kept[0] < KEPT_SECONDS}
            self._known[key] = (now, known)
        if isinstance(known, ActionError):
            raise known
        return known

    async def _read(self, account: ServiceAccountRef, ref: WebhookSecretRef) -> str | ActionError:
        sources = ParameterSources(self._cluster, account, self._closed, trusted=True)
        try:
            return (await sources.read_secret(ref.name, ref.key)).rstrip("\r\n")
        except ActionError as error:
            return error


def _account(provider: Provider, ref: WebhookSecretRef) -> ServiceAccountRef:
    defaults = provider.spec.defaults
    run_as = defaults.run_as if defaults is not None else None
    namespace = ref.namespace or provider.metadata.namespace
    if not namespace:
        raise InvalidParametersError(
            f"ClusterActionProvider {provider.metadata.name!r}: set the namespace of the webhook's Secret {ref.name!r}"
        )
    return ServiceAccountRef(
        namespace=namespace, name=run_as.service_account_name if run_as is not None else DEFAULT_ACCOUNT
    )
