"""Dependencies of executors, chosen by the process that builds them; values without behavior."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from taskaction.cluster.gateway import Body, Cluster, Resource
from taskaction.core.clock import Clock
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.callbacks import Callbacks
from taskaction.plugin.evaluation import CallEvaluator, Evaluator
from taskaction.plugin.settings import SettingsReader
from taskaction.plugin.storage import ProjectStorage


class Followed(Protocol):
    """Cache of the objects that attempts created, from the operator's own watch; neither complete nor lasting."""

    def take_change(self, resource: Resource, uid: str, name: str) -> Body | None:
        """Return the object of this name of the action ``uid`` if it has changed since the last call.

        None means nothing: ask the API server. A pod that was deleted after its end is returned as it was.
        """

    def list_observed(self, resource: Resource, uid: str) -> list[Body]:
        """Return the known objects of the action ``uid``, each in its last version.

        They include pods that had ended before they were deleted. Of the ``spec``, only the sidecars are kept.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Toolbox:
    """Dependencies that an executor may keep.

    Attributes:
        cluster: used only with ``as_user``: an executor acts with the rights of the action's account.
        addresses: the policy for addresses that users may have the operator connect to.
        jitter: source of numbers that are uniform in [0, 1).
        followed: objects that attempts created; a change of one causes an immediate poll of its action.
        closed_namespaces: namespaces whose accounts are never used: kube-system and the operator's own.
        settings: reader of the executor's own settings: ``toolbox.settings(MySettings)``.
        evaluator: checks values by the JSON Schemas of users.
        callbacks: maker of one-time addresses for targets; None if the settings for them are missing.
        storage: the project's storage; ``StoredOutputs(toolbox.storage)`` reads what did not fit into an object.
    """

    clock: Clock
    cluster: Cluster
    addresses: AddressPolicy
    jitter: Callable[[], float]
    followed: Followed
    closed_namespaces: frozenset[str]
    callbacks: Callbacks | None = None
    settings: SettingsReader = field(default_factory=SettingsReader)
    evaluator: CallEvaluator = field(default_factory=lambda: CallEvaluator(Evaluator()))
    storage: ProjectStorage = field(default_factory=lambda: ProjectStorage(None))

    @property
    def luck(self) -> Callable[[], float]:
        """``jitter`` by its former name, for one release."""
        warnings.warn("Toolbox.luck is deprecated; use Toolbox.jitter", DeprecationWarning, stacklevel=2)
        return self.jitter
