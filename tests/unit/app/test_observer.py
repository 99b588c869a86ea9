"""The operator's recorder takes what its callers pass, to whom other tests give another one."""

from support.events import event_body
from support.fake_cluster import FakeCluster
from taskaction.api.action_event import ActionEvent
from taskaction.app.observer import OperatorRecorder
from taskaction.app.operator_metrics import OperatorMetrics
from taskaction.control.events.matching import WaitingEvent
from taskaction.control.events.unmatched import UnmatchedEvents
from taskaction.control.objects.events import EventPoster
from taskaction.testing.clock import FakeClock


def test_an_event_that_matches_no_action_is_logged_and_counted() -> None:
    clock = FakeClock()
    recorder = OperatorRecorder(OperatorMetrics(), clock)
    unmatched = UnmatchedEvents(clock, lambda _: None, EventPoster(FakeCluster(), clock, int), recorder)
    unmatched.report(WaitingEvent.from_event(ActionEvent.from_body(event_body("e", correlationKey="7"))))
    assert recorder.metrics.events_unmatched.labels("namespace")._value.get() == 1
