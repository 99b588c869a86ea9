"""What the agent tells about itself in logs and metrics: constant messages, never a parameter and never a secret."""

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge

from taskaction.cluster.errors import ClusterError
from taskaction.cluster.rest import Request
from taskaction.integrations.port.agent.annotations import Marks
from taskaction.integrations.port.agent.buffer import Buffer
from taskaction.integrations.port.agent.client import PortError
from taskaction.integrations.port.agent.reports import Report
from taskaction.integrations.port.agent.runs import MalformedRun, PortRun, RunKind
from taskaction.runtime.build_info import describe_process


class AgentJournal:
    """Notes what happens, for people who run the agent."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        describe_process(self.registry, "port-agent")
        self._log = structlog.stdlib.get_logger("taskaction.integrations.port.agent")
        self._live = Gauge("taskaction_port_agent_runs_live", "Runs under way.", registry=self.registry)
        self._leads = Gauge(
            "taskaction_port_agent_leads", "1 where this agent claims and reports.", registry=self.registry
        )
        self._claimed = self._counter("runs_claimed", "Runs that claims have brought, by kind.", "kind")
        self._taken = self._counter("runs_taken", "Runs for which a TaskAction was created, by kind.", "kind")
        self._left = self._counter("runs_left", "Claimed runs that were left to be handed out again.", "reason")
        self._quarantined = self._counter("runs_quarantined", "Claimed runs that could not be read, by kind.", "kind")
        self._anothers = self._counter("runs_of_others", "Runs that somebody else had acknowledged.")
        self._recovered = self._counter("runs_recovered", "Runs whose acknowledgement was finished later.")
        self._reports = self._counter("reports", "Reports that Port has, by what they say.", "report")
        self._given_up = self._counter("reports_given_up", "Reports that Port refuses for good.", "report")
        self._vanished = self._counter(
            "actions_vanished", "TaskActions that were taken away before their end was seen."
        )
        self._failures = self._counter("failures", "Calls that failed and are tried again, by task.", "task")
        self._errors = self._counter("errors", "Errors that nobody had foreseen.")
        self._calls = self._counter(
            "port_requests", "Requests to Port, by what was asked, and code.", "request", "code"
        )
        self._api_calls = self._counter("api_requests", "Requests to the API server, by verb and code.", "verb", "code")

    def show(self, buffer: Buffer) -> None:
        """Show how many runs are under way."""
        self._live.set_function(lambda: len(buffer))

    def claimed(self, kind: RunKind, count: int) -> None:
        """A claim was answered."""
        self._claimed.labels(str(kind)).inc(count)
        if count:
            self._log.debug("runs claimed", kind=str(kind), count=count)

    def taken(self, name: str, run: PortRun | MalformedRun) -> None:
        """A run has a TaskAction."""
        self._taken.labels(str(run.kind)).inc()
        self._log.info("run taken", run=run.id, kind=str(run.kind), action=name)

    def left(self, run: PortRun | MalformedRun, reason: str) -> None:
        """A claimed run is left to be handed out again."""
        self._left.labels(reason).inc()
        self._log.debug("run left", run=run.id, kind=str(run.kind), reason=reason)

    def quarantined(self, run: MalformedRun) -> None:
        """A claimed run cannot be read."""
        self._quarantined.labels(str(run.kind)).inc()
        self._log.warning("run cannot be read", run=run.id, kind=str(run.kind), problem=run.problem)

    def name_taken(self, name: str, run_id: str) -> None:
        """A run's action cannot be created, since another object has its name."""
        self._left.labels("name taken").inc()
        self._log.error("another object has the name of a run's action: delete it", run=run_id, action=name)

    def anothers(self, name: str, marks: Marks) -> None:
        """Somebody else has the run."""
        self._anothers.inc()
        self._log.info("run is another's", run=marks.run_id, action=name)

    def recovered(self, name: str, marks: Marks) -> None:
        """A run is ours although whoever took it did not learn it."""
        self._recovered.inc()
        self._log.info("acknowledgement finished", run=marks.run_id, action=name)

    def reported(self, marks: Marks, report: Report) -> None:
        """Port has a report."""
        self._reports.labels(type(report).__name__).inc()
        self._log.debug("reported", run=marks.run_id, report=type(report).__name__)

    def given_up(self, marks: Marks, report: Report, error: PortError) -> None:
        """Port refuses a report for good."""
        self._given_up.labels(type(report).__name__).inc()
        self._log.warning("report refused", run=marks.run_id, report=type(report).__name__, error=str(error))

    def vanished(self, name: str, marks: Marks) -> None:
        """A TaskAction was taken away before its end was seen."""
        self._vanished.inc()
        self._log.warning("action has vanished", run=marks.run_id, action=name)

    def unreadable(self, name: str, problem: str) -> None:
        """A TaskAction bears marks that make no sense."""
        self._failures.labels("read action").inc()
        self._log.warning("action cannot be read", action=name, problem=problem)

    def leads(self, *, leads: bool, holder: str) -> None:
        """The agent that works has changed."""
        self._leads.set(leads)
        self._log.info("claims and reports" if leads else "stands by", holder=holder)

    def failed(self, task: str, error: Exception) -> None:
        """Something went wrong and will be tried again."""
        if isinstance(error, PortError | ClusterError):
            self._failures.labels(task).inc()
            self._log.warning("trying again", task=task, error=str(error))
            return
        self._errors.inc()
        self._log.error("unforeseen error", task=task, exc_info=error)

    def called_port(self, request: str, code: int) -> None:
        """Port has answered."""
        self._calls.labels(request, str(code)).inc()

    def called_api(self, request: Request) -> None:
        """The API server has answered."""
        self._api_calls.labels(request.verb, str(request.code)).inc()

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"taskaction_port_agent_{name}", text, labels, registry=self.registry)
