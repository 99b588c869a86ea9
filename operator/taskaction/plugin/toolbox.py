"""What executors may use, chosen where the process is put together; a value without behaviour."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from taskaction.cluster.gateway import Body, Cluster, Resource
from taskaction.core.clock import Clock
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.callbacks import Callbacks


class Followed(Protocol):
    """What the operator's own watch has seen of the objects that attempts created; not all of it, and not for ever."""

    def take_change(self, resource: Resource, uid: str, name: str) -> Body | None:
        """Give the object of this name of the action ``uid``, where it has changed since this was last asked.

        None says nothing: ask the API server.
        """

    def list_observed(self, resource: Resource, uid: str) -> list[Body]:
        """Give the objects of the action ``uid`` that were seen, each as it was last, less its ``spec``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """The means of executors.

    Attributes:
        cluster: used only with ``as_user``: an executor acts with the rights of the action's account.
        addresses: which addresses may be connected to on behalf of users.
        luck: uniform in [0, 1), for jitter.
        followed: objects that attempts created: a change of one has its action polled at once.
        closed_namespaces: namespaces whose accounts are never used: kube-system and the operator's own.
        flyte: the settings of the executor of that name.
        callbacks: makes one-time addresses for targets; None where the settings for them are missing.
    """

    clock: Clock
    cluster: Cluster
    addresses: AddressPolicy
    jitter: Callable[[], float]
    followed: Followed
    closed_namespaces: frozenset[str]
    callbacks: Callbacks | None = None
    flyte: FlyteSettings = field(default_factory=FlyteSettings)
