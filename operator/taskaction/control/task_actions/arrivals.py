"""New actions in a list that follows a gap of the watch: admitted together, in the order of their creation."""

from collections.abc import Callable

from taskaction.api.task_action import TaskAction
from taskaction.control.objects.background import Background
from taskaction.control.objects.owned import is_newer, version_number
from taskaction.core.clock import Clock

_SETTLE_SECONDS = 0.2


class ListedArrivals:
    """Actions that a list has shown and that are not admitted yet.

    A list has the order of names, while a watch has the order of creation. So the first action of a partition may be
    listed last.
    """

    def __init__(self, clock: Clock, background: Background, admit: Callable[[TaskAction], None]) -> None:
        """Create an empty collection; ``admit`` is called when the list is over."""
        self._clock = clock
        self._background = background
        self._admit = admit
        self._actions: dict[str, TaskAction] = {}
        self._listed = 0

    def __bool__(self) -> bool:
        """Whether an action waits."""
        return bool(self._actions)

    def add_listed(self, action: TaskAction) -> None:
        """Add an action that a list shows; others of that list follow at once."""
        if not self._actions:
            self._background.start(self._admit_all(), name="admit listed actions")
        self._listed += 1
        self.add(action)

    def add(self, action: TaskAction) -> None:
        """Add a newer action, which must not start before those of the list, or a newer version of one."""
        known = self._actions.get(action.metadata.uid)
        if known is None or is_newer(known.metadata.resource_version, action.metadata.resource_version):
            self._actions[action.metadata.uid] = action

    def drop(self, uid: str) -> None:
        """Remove an action that was deleted or has finished."""
        self._actions.pop(uid, None)

    async def _admit_all(self) -> None:
        before = -1
        while before != self._listed:  # a busy cluster always has new actions, so only those of the list count
            before = self._listed
            await self._clock.sleep(_SETTLE_SECONDS)
        actions, self._actions = list(self._actions.values()), {}
        for action in sorted(actions, key=creation_order):
            self._admit(action)


def creation_order(action: TaskAction) -> tuple[float, int]:
    """Return what sorts actions by their creation, to the second, and then by their first version."""
    metadata = action.metadata
    return (metadata.creation_timestamp.timestamp(), version_number(metadata.resource_version))
