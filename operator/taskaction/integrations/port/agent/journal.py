"""Logs and metrics of the agent: constant messages, never a parameter and never a secret."""

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.rest import FinishedRequest
from taskaction.integrations.port.agent.annotations import RunAnnotations
from taskaction.integrations.port.agent.buffer import RunBuffer
from taskaction.integrations.port.agent.client import PortError
from taskaction.integrations.port.agent.reports import Report
from taskaction.integrations.port.agent.runs import MalformedRun, PortRun, PortRunKind
from taskaction.runtime.build_info import describe_process


class AgentJournal:
    """Recorder of logs and metrics for the people who run the agent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        describe_process(self.registry, "port-agent")
        self._log = structlog.stdlib.get_logger("taskaction.integrations.port.agent")
        self._live = Gauge("taskaction_port_agent_runs_live", "Number of unfinished runs.", registry=self.registry)
        self._leads = Gauge(
            "taskaction_port_agent_leads",
            "1 while this agent is the leader, which claims and reports.",
            registry=self.registry,
        )
        self._claimed = self._counter("runs_claimed", "Number of runs that claims returned, by kind.", "kind")
        self._taken = self._counter("runs_taken", "Number of runs for which a TaskAction was created, by kind.", "kind")
        self._left = self._counter(
            "runs_left", "Number of claimed runs left for Port to hand out again, by reason.", "reason"
        )
        self._quarantined = self._counter(
            "runs_quarantined", "Number of claimed runs that are malformed, by kind.", "kind"
        )
        self._anothers = self._counter("runs_of_others", "Number of runs that another agent had acknowledged.")
        self._recovered = self._counter("runs_recovered", "Number of runs whose acknowledgement was recovered.")
        self._reports = self._counter("reports", "Number of reports that Port accepted, by type.", "report")
        self._given_up = self._counter(
            "reports_given_up", "Number of reports that Port refused permanently, by type.", "report"
        )
        self._vanished = self._counter(
            "actions_vanished", "Number of TaskActions that were deleted before the agent saw their end."
        )
        self._failures = self._counter("failures", "Number of failed calls that are retried, by task.", "task")
        self._errors = self._counter("errors", "Number of unexpected errors.")
        self._calls = self._counter(
            "port_requests", "Number of requests to Port, by endpoint and status code.", "request", "code"
        )
        self._api_calls = self._counter(
            "api_requests", "Number of requests to the API server, by verb and status code.", "verb", "code"
        )

    def show_buffer(self, buffer: RunBuffer) -> None:
        """Report the number of unfinished runs as a gauge."""
        self._live.set_function(lambda: len(buffer))

    def on_runs_claimed(self, kind: PortRunKind, count: int) -> None:
        """Record the result of a claim."""
        self._claimed.labels(str(kind)).inc(count)
        if count:
            self._log.debug("runs claimed", kind=str(kind), count=count)

    def on_run_taken(self, name: str, run: PortRun | MalformedRun) -> None:
        """Record that a run has a TaskAction."""
        self._taken.labels(str(run.kind)).inc()
        self._log.info("run taken", run=run.id, kind=str(run.kind), action=name)

    def on_run_left(self, run: PortRun | MalformedRun, reason: str) -> None:
        """Record that a claimed run is left for Port to hand out again."""
        self._left.labels(reason).inc()
        self._log.debug("run left", run=run.id, kind=str(run.kind), reason=reason)

    def on_run_quarantined(self, run: MalformedRun) -> None:
        """Record that a claimed run is malformed."""
        self._quarantined.labels(str(run.kind)).inc()
        self._log.warning("run cannot be read", run=run.id, kind=str(run.kind), problem=run.problem)

    def on_name_conflict(self, name: str, run_id: str) -> None:
        """Record that a run's action cannot be created because another object has its name."""
        self._left.labels("name taken").inc()
        self._log.error("another object has the name of a run's action: delete it", run=run_id, action=name)

    def on_run_owned_elsewhere(self, name: str, marks: RunAnnotations) -> None:
        """Record that another agent has the run."""
        self._anothers.inc()
        self._log.info("run belongs to another agent", run=marks.run_id, action=name)

    def on_run_recovered(self, name: str, marks: RunAnnotations) -> None:
        """Record that a run is ours after its acknowledgement was sent again."""
        self._recovered.inc()
        self._log.info("acknowledgement recovered", run=marks.run_id, action=name)

    def on_report_accepted(self, marks: RunAnnotations, report: Report) -> None:
        """Record that Port accepted a report."""
        self._reports.labels(report.NAME).inc()
        self._log.debug("report accepted", run=marks.run_id, report=report.NAME)

    def on_report_refused(self, marks: RunAnnotations, report: Report, error: PortError) -> None:
        """Record that Port refused a report permanently."""
        self._given_up.labels(report.NAME).inc()
        self._log.warning("report refused", run=marks.run_id, report=report.NAME, error=str(error))

    def on_action_vanished(self, name: str, marks: RunAnnotations) -> None:
        """Record that a TaskAction was deleted before the agent saw its end."""
        self._vanished.inc()
        self._log.warning("action was deleted before its end was reported", run=marks.run_id, action=name)

    def on_action_unreadable(self, name: str, problem: str) -> None:
        """Record that the labels or annotations of a TaskAction are invalid."""
        self._failures.labels("read action").inc()
        self._log.warning("action cannot be read", action=name, problem=problem)

    def on_leader_changed(self, *, leads: bool, holder: str) -> None:
        """Record that the leader has changed."""
        self._leads.set(leads)
        self._log.info("became leader" if leads else "standby: another agent is leader", holder=holder)

    def on_error(self, task: str, error: Exception) -> None:
        """Record an error that the agent retries."""
        if isinstance(error, PortError | ClusterError):
            self._failures.labels(task).inc()
            self._log.warning("call failed, retrying", task=task, error=str(error))
            return
        self._errors.inc()
        self._log.error("unexpected error", task=task, exc_info=error)

    def on_port_request(self, request: str, code: int) -> None:
        """Record a request to Port."""
        self._calls.labels(request, str(code)).inc()

    def on_api_request(self, request: FinishedRequest) -> None:
        """Record a request to the API server."""
        self._api_calls.labels(request.verb, str(request.code)).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"taskaction_port_agent_{name}", text, labels, registry=self.registry)
