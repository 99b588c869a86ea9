"""What becomes of the actions of a run, as events for its next turn."""

from taskaction.api.enums import ParentKind
from taskaction.control.flow_runs.records import RunRecord
from taskaction.control.flow_runs.tables import RunTable
from taskaction.control.flow_runs.translation import StoredEnd, deleted_action, to_action_end, to_action_paused
from taskaction.control.objects.owned import link_to, parent_link
from taskaction.control.objects.records import ActionRecord
from taskaction.control.objects.requests import Requests
from taskaction.core.constants import VISIT_ANNOTATION
from taskaction.flows.effects import ActionEnded, ActionPaused


class ChildEvents:
    """Listener that passes the recorded state of each action to its run."""

    def __init__(self, table: RunTable, requests: Requests) -> None:
        self._table = table
        self._requests = requests

    def on_action_changed(self, record: ActionRecord) -> None:
        """Pass the recorded state of an action to its run, and request a turn of the run."""
        link = parent_link(record.action)
        if link is None or link.kind is not ParentKind.ACTION_FLOW_RUN:
            return
        run, visit = self._table.get(link.uid), record.action.metadata.annotations.get(VISIT_ANNOTATION)
        if run is None or link != link_to(run.run):
            return
        if visit is None or visit not in run.starts:
            self._requests.reconcile(run)  # an aborted run may wait for this action
            return
        if run.adopted.get(visit) != record.uid:
            return  # whoever creates or finds the run's own action reads its state afterwards
        event = _to_event(run, visit, record)
        if event is not None:
            run.add_events((event,))
            self._requests.reconcile(run)


def _to_event(run: RunRecord, visit: str, record: ActionRecord) -> ActionEnded | StoredEnd | ActionPaused | None:
    """Return what the run does not know yet; None for nothing."""
    action = record.action.model_copy(update={"status": record.stored})
    if record.is_gone:
        return deleted_action(visit, action)
    if record.is_finished:
        return to_action_end(visit, action)
    if not record.stored.phase.is_started:
        return None
    paused = to_action_paused(visit, action)
    frames = run.state.root.walk() if run.state is not None else ()
    known = next((frame.paused for frame in frames if frame.acting == visit), None)
    return paused if known != paused.details else None
