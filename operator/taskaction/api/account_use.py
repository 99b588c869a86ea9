"""Built-in executors that work with the permissions of a ServiceAccount; the same as in ``crds/policies/rights.yaml``.

Admission asks whoever creates an inline action of them for `impersonate` on the account. It knows no plug-in, so an
inline action of one reads Secrets only if it names the account in ``spec.runAs``, for which admission always asks.
"""

from collections.abc import Mapping
from typing import Any

_ALWAYS = frozenset({"flow", "flyte", "job", "pod", "resource"})
_WITH_PARAMETER = {"globus": "tokens", "http": "auth", "wait": "object"}


def uses_account(executor: str, parameters: Mapping[str, Any]) -> bool:
    """Whether an inline action of the executor uses its account: always, or because it has a certain parameter."""
    return executor in _ALWAYS or (executor in _WITH_PARAMETER and _WITH_PARAMETER[executor] in parameters)
