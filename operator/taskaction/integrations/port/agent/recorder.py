"""Logs and metrics of the agent: constant messages, never a parameter and never a secret."""

from typing import get_args

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.rest import FinishedRequest
from taskaction.integrations.port.agent.annotations import RunAnnotations
from taskaction.integrations.port.agent.client import PortError
from taskaction.integrations.port.agent.reports import Report
from taskaction.integrations.port.agent.runs import MalformedRun, PortRun, PortRunKind
from taskaction.runtime.process_metrics import ProcessMetrics
from taskaction.runtime.recorder import ProcessRecorder


class AgentMetrics(ProcessMetrics):
    """Metrics of the agent."""

    def __init__(self) -> None:
        super().__init__("port-agent")
        self.live = self.gauge("port_agent_runs_live", "Number of unfinished runs.")
        self.queued = self.gauge("port_agent_runs_queued", "Number of unfinished runs whose actions have not started.")
        self.queued_limit = self.gauge(
            "port_agent_runs_queued_limit", "Number of queued runs at which the agent claims no more."
        )
        self.started = self.gauge(
            "port_agent_runs_started", "Number of runs whose actions have started, and whose end is not reported yet."
        )
        self.started_limit = self.gauge(
            "port_agent_runs_started_limit", "Number of started runs at which the agent claims no more."
        )
        self.leads = self.gauge("port_agent_leads", "1 while this agent is the leader, which claims and reports.")
        self.claimed = self.counter("port_agent_runs_claimed", "Number of runs that claims returned, by kind.", "kind")
        self.taken = self.counter(
            "port_agent_runs_taken", "Number of runs for which a TaskAction was created, by kind.", "kind"
        )
        self.left = self.counter(
            "port_agent_runs_left", "Number of claimed runs left for Port to hand out again, by reason.", "reason"
        )
        self.quarantined = self.counter(
            "port_agent_runs_quarantined", "Number of claimed runs that are malformed, by kind.", "kind"
        )
        self.of_others = self.counter(
            "port_agent_runs_of_others", "Number of runs that another agent has acknowledged."
        )
        self.recovered = self.counter(
            "port_agent_runs_recovered", "Number of runs whose acknowledgement was recovered."
        )
        self.reports = self.counter("port_agent_reports", "Number of reports that Port accepted, by type.", "report")
        self.given_up = self.counter(
            "port_agent_reports_given_up", "Number of reports that Port refused permanently, by type.", "report"
        )
        for report in get_args(Report):
            self.given_up.labels(report.NAME)  # an alert sees no increase in a series that begins with 1
        self.vanished = self.counter(
            "port_agent_actions_vanished", "Number of TaskActions that were deleted before the agent saw their end."
        )
        self.failures = self.counter("port_agent_failures", "Number of failed calls that are retried, by task.", "task")
        self.port_requests = self.counter(
            "port_agent_port_requests", "Number of requests to Port, by endpoint and status code.", "request", "code"
        )
        self.own_errors = self.counter(
            "port_agent_errors", "Number of unexpected errors, also in taskaction_errors_total by type."
        )
        self.own_api_requests = self.counter(
            "port_agent_api_requests",
            "Number of requests to the API server by verb and status code, also in taskaction_api_request_seconds.",
            "verb",
            "code",
        )


class AgentRecorder(ProcessRecorder[AgentMetrics]):
    """Recorder of logs and metrics for the people who run the agent."""

    def __init__(self) -> None:
        super().__init__(AgentMetrics(), "taskaction.integrations.port.agent")

    def on_runs_claimed(self, kind: PortRunKind, count: int) -> None:
        """Record the result of a claim."""
        self.metrics.claimed.labels(str(kind)).inc(count)
        if count:
            self._log.debug("runs claimed", kind=str(kind), count=count)

    def on_run_taken(self, name: str, run: PortRun | MalformedRun) -> None:
        """Record that a run has a TaskAction."""
        self.metrics.taken.labels(str(run.kind)).inc()
        self._log.info("run taken", run=run.id, kind=str(run.kind), action=name)

    def on_run_left(self, run: PortRun | MalformedRun, reason: str) -> None:
        """Record that a claimed run is left for Port to hand out again."""
        self.metrics.left.labels(reason).inc()
        self._log.debug("run left", run=run.id, kind=str(run.kind), reason=reason)

    def on_run_quarantined(self, run: MalformedRun) -> None:
        """Record that a claimed run is malformed."""
        self.metrics.quarantined.labels(str(run.kind)).inc()
        self._log.warning("run cannot be read", run=run.id, kind=str(run.kind), problem=run.problem)

    def on_name_conflict(self, name: str, run_id: str) -> None:
        """Record that a run's action cannot be created because another object has its name."""
        self.metrics.left.labels("name taken").inc()
        self._log.error("another object has the name of a run's action: delete it", run=run_id, action=name)

    def on_run_owned_elsewhere(self, name: str, marks: RunAnnotations) -> None:
        """Record that another agent has the run."""
        self.metrics.of_others.inc()
        self._log.info("run belongs to another agent", run=marks.run_id, action=name)

    def on_run_recovered(self, name: str, marks: RunAnnotations) -> None:
        """Record that a run is ours after its acknowledgement was sent again."""
        self.metrics.recovered.inc()
        self._log.info("acknowledgement recovered", run=marks.run_id, action=name)

    def on_report_accepted(self, marks: RunAnnotations, report: Report) -> None:
        """Record that Port accepted a report."""
        self.metrics.reports.labels(report.NAME).inc()
        self._log.debug("report accepted", run=marks.run_id, report=report.NAME)

    def on_report_refused(self, marks: RunAnnotations, report: Report, error: PortError) -> None:
        """Record that Port refused a report permanently."""
        self.metrics.given_up.labels(report.NAME).inc()
        self._log.warning("report refused", run=marks.run_id, report=report.NAME, error=str(error))

    def on_action_vanished(self, name: str, marks: RunAnnotations) -> None:
        """Record that a TaskAction was deleted before the agent saw its end."""
        self.metrics.vanished.inc()
        self._log.warning("action was deleted before its end was reported", run=marks.run_id, action=name)

    def on_action_unreadable(self, name: str, problem: str) -> None:
        """Record that the labels or annotations of a TaskAction are invalid."""
        self.metrics.failures.labels("read action").inc()
        self._log.warning("action cannot be read", action=name, problem=problem)

    def on_leader_changed(self, *, leads: bool, holder: str) -> None:
        """Record that the leader has changed."""
        self.metrics.leads.set(leads)
        self._log.info("became leader" if leads else "standby: another agent is leader", holder=holder)

    def on_task_failed(self, task: str, error: BaseException) -> None:
        """Record that a task failed; a failed call is retried."""
        if isinstance(error, PortError | ClusterError):
            self.metrics.failures.labels(task).inc()
            self._log.warning("call failed, retrying", task=task, error=str(error))
            return
        self.metrics.own_errors.inc()
        super().on_task_failed(task, error)

    def on_port_request(self, request: str, code: int) -> None:
        """Record a request to Port."""
        self.metrics.port_requests.labels(request, str(code)).inc()

    def on_api_request(self, request: FinishedRequest) -> None:
        """Record a request to the API server."""
        self.metrics.own_api_requests.labels(request.verb, str(request.code)).inc()
        super().on_api_request(request)
