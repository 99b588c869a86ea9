"""What executors may use, chosen where the process is put together; a value without behaviour."""

from collections.abc import Callable
from dataclasses import dataclass

from taskaction.cluster.gateway import Cluster
from taskaction.core.clock import Clock
from taskaction.executors.addresses import AddressPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The means of executors.

    Attributes:
        cluster: used only with ``as_user``: an executor acts with the rights of the action's account.
        addresses: which addresses may be connected to on behalf of users.
        luck: uniform in [0, 1), for jitter.
    """

    clock: Clock
    cluster: Cluster
    addresses: AddressPolicy
    luck: Callable[[], float]
