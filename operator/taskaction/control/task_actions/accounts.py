"""ServiceAccounts whose permissions an action uses, one function for each use; pure, no I/O.

Admission asks whoever writes an object for `impersonate` on the account that the object brings in
(``crds/policies/rights.yaml`` for actions, ``crds/policies/provider-rights.yaml`` for providers). So no function here
may return an account for which nobody was asked.
"""

from taskaction.api.account_use import uses_account
from taskaction.api.provider import ClusterActionProvider, Provider
from taskaction.api.retries_and_timeouts import RunAs
from taskaction.api.task_action import TaskAction
from taskaction.control.task_actions.sources import ServiceAccountRef

DEFAULT_ACCOUNT = "default"


def account_of_parameters(action: TaskAction) -> ServiceAccountRef:
    """Return the account that reads ``spec.parametersFrom``.

    The author of the action chooses what is read, and gets it into the parameters. So only the action decides, and
    never the defaults of its provider, whose account may read more than the author may.
    """
    return ServiceAccountRef(namespace=action.metadata.namespace, name=_name(action.spec.run_as))


def account_of_work(action: TaskAction, provider: Provider | None) -> ServiceAccountRef:
    """Return the account with whose permissions the executor works: the action's, otherwise the provider's."""
    run_as = action.spec.run_as or _default_run_as(provider)
    return ServiceAccountRef(namespace=action.metadata.namespace, name=_name(run_as))


def account_of_secrets(action: TaskAction, provider: Provider | None) -> ServiceAccountRef:
    """Return the account that reads the executor's Secrets: the provider's own, or for inline use the action's."""
    if provider is None:
        return account_of_parameters(action)
    shared = isinstance(provider, ClusterActionProvider)
    return account_of_provider(provider, action.metadata.namespace if shared else provider.metadata.namespace)


def may_read_secrets(action: TaskAction, provider: Provider | None) -> bool:
    """Whether admission asked for the account that reads the executor's Secrets, of the action or of the provider."""
    spec = action.spec
    asked = spec.run_as is not None or bool(spec.parameters_from)
    return provider is not None or asked or uses_account(spec.executor or "", spec.parameters)


def account_of_provider(provider: Provider, namespace: str) -> ServiceAccountRef:
    """Return the provider's account in ``namespace``."""
    return ServiceAccountRef(namespace=namespace, name=_name(_default_run_as(provider)))


def _default_run_as(provider: Provider | None) -> RunAs | None:
    defaults = provider.spec.defaults if provider is not None else None
    return defaults.run_as if defaults is not None else None


def _name(run_as: RunAs | None) -> str:
    return run_as.service_account_name if run_as is not None else DEFAULT_ACCOUNT
