"""Interface through which others follow the actions of this process."""

from typing import Protocol

from taskaction.control.objects.records import ActionRecord


class ActionListener(Protocol):
    """Listener to changes of actions; must not raise, and must not wait."""

    def on_action_changed(self, record: ActionRecord) -> None:
        """Follow an action whose status was stored, or that finished or was deleted."""
