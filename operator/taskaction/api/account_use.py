"""Built-in executors that need no ServiceAccount; the same as in ``rights.yaml`` and ``schedule-rights.yaml``.

Both are in ``crds/policies``. Admission asks whoever creates an inline action of any other executor, plug-ins included,
for `impersonate` on the account. So a plug-in that nobody thought of here gets no account for which nobody was asked.
"""

from collections.abc import Mapping
from typing import Any

_NEVER = frozenset({"approval", "fail", "noop", "sleep"})
_WITH_PARAMETER = {"globus": "tokens", "http": "auth", "wait": "object"}


def uses_account(executor: str, parameters: Mapping[str, Any]) -> bool:
    """Whether an inline action of the executor uses its account: not without a certain parameter, or never."""
    if executor in _WITH_PARAMETER:
        return _WITH_PARAMETER[executor] in parameters
    return bool(executor) and executor not in _NEVER
