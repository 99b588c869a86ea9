"""What is worth waking somebody for: the alerts, from which the chart's PrometheusRule is made; each has a runbook.

Expressions go by the labels `namespace`, `pod` and `component`, which the chart's ServiceMonitor sees to.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

REPLICA = "namespace, component, pod"


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert.

    Attributes:
        expr: fires while it gives something; thresholds are part of it.
        minutes: for how long it must have done so.
        severity: critical where actions do not run any more, else warning.
        summary: one sentence; may name labels as Prometheus' templates do.
    """

    name: str
    expr: str
    minutes: int
    severity: Literal["critical", "warning"]
    summary: str

    def rule(self) -> dict[str, Any]:
        """Return it as a rule of Prometheus."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": f"{self.minutes}m",
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary},
        }


def share(metric: str, bad: str, by: str, among: str = "") -> str:
    """Return which part of what a counter counts is bad, by its rate over five minutes."""
    all_of_them = f"{{{among}}}" if among else ""
    chosen = ",".join(filter(None, (among, bad)))
    return f"sum by ({by}) (rate({metric}{{{chosen}}}[5m])) / sum by ({by}) (rate({metric}{all_of_them}[5m]))"


ALERTS = (
    Alert(
        name="TaskActionOperatorAbsent",
        expr="absent(taskaction_shards_held)",
        minutes=5,
        severity="critical",
        summary="No operator of TaskActions is seen: no action starts, and none that runs is followed.",
    ),
    Alert(
        name="TaskActionShardsUnowned",
        expr="sum by (namespace) (taskaction_shards_held) < max by (namespace) (taskaction_shards)",
        minutes=2,
        severity="critical",
        summary="Only {{ $value }} shards have an owner: the actions of the others stand still.",
    ),
    Alert(
        name="TaskActionWatchSilent",
        expr="max by (namespace, pod) (taskaction_watch_age_seconds) > 90",
        minutes=1,
        severity="warning",
        summary="{{ $labels.pod }} has heard nothing of the API server for {{ $value | humanizeDuration }}.",
    ),
    Alert(
        name="TaskActionErrors",
        expr=f"sum by ({REPLICA}) (increase(taskaction_errors_total[10m])) > 0",
        minutes=0,
        severity="warning",
        summary="{{ $labels.pod }} met errors that nobody had foreseen.",
    ),
    Alert(
        name="TaskActionWorkersBusy",
        expr="sum by (namespace) (taskaction_workers_busy) >= sum by (namespace) (taskaction_workers)"
        " and sum by (namespace) (taskaction_queue_depth) > 0",
        minutes=15,
        severity="warning",
        summary="All workers are taken while actions wait.",
    ),
    Alert(
        name="TaskActionQueueSlow",
        expr="histogram_quantile(0.95,"
        ' sum by (namespace, le) (rate(taskaction_queue_wait_seconds_bucket{turn="start"}[10m]))) > 60',
        minutes=10,
        severity="warning",
        summary="One action of twenty waits for longer than {{ $value | humanizeDuration }} before it starts.",
    ),
    Alert(
        name="TaskActionLoopLag",
        expr="max by (namespace, pod) (max_over_time(taskaction_loop_lag_seconds[5m])) > 1",
        minutes=5,
        severity="warning",
        summary="The event loop of {{ $labels.pod }} is late by {{ $value | humanizeDuration }}.",
    ),
    Alert(
        name="TaskActionApiFailing",
        expr=share("taskaction_api_request_seconds_count", 'code=~"0|429|5.."', "namespace, component") + " > 0.05",
        minutes=10,
        severity="warning",
        summary="The API server fails {{ $value | humanizePercentage }} of the requests of {{ $labels.component }}.",
    ),
    Alert(
        name="TaskActionCancelsAbandoned",
        expr="sum by (namespace) (increase(taskaction_cancels_abandoned_total[15m])) > 0",
        minutes=0,
        severity="warning",
        summary="Executors have not confirmed cancels: what they started may go on outside.",
    ),
    Alert(
        name="TaskActionStatusOvertaken",
        expr="sum by (namespace) (increase(taskaction_status_overtaken_total[15m])) > 5",
        minutes=0,
        severity="warning",
        summary="Replicas overtake each other: they take Leases from one another, or somebody else writes statuses.",
    ),
    Alert(
        name="TaskActionFailing",
        expr=share("taskaction_actions_finished_total", 'phase=~"Failed|TimedOut"', "namespace") + " > 0.5",
        minutes=15,
        severity="warning",
        summary="{{ $value | humanizePercentage }} of the actions fail.",
    ),
    Alert(
        name="TaskActionEventsWaiting",
        expr="max by (namespace) (taskaction_action_events_waiting) > 1000",
        minutes=15,
        severity="warning",
        summary="{{ $value }} ActionEvents wait for their actions.",
    ),
    Alert(
        name="TaskActionInboxFull",
        expr="max by (namespace) (taskaction_webhooks_waiting) / max by (namespace) (taskaction_webhooks_limit) > 0.8",
        minutes=5,
        severity="critical",
        summary="The inbox is {{ $value | humanizePercentage }} full: soon it tells senders to come back.",
    ),
    Alert(
        name="TaskActionInboxFailing",
        expr=share("taskaction_webhook_seconds_count", 'code=~"5.."', "namespace") + " > 0.05",
        minutes=5,
        severity="critical",
        summary="The inbox fails {{ $value | humanizePercentage }} of the webhooks.",
    ),
    Alert(
        name="TaskActionServiceFailing",
        expr=share(
            "taskaction_actions_call_seconds_count",
            'code=~"internal|unknown|unavailable|deadline_exceeded"',
            "namespace",
            among='method!="WatchForUpdates"',
        )
        + " > 0.05",
        minutes=5,
        severity="critical",
        summary="The Actions service fails {{ $value | humanizePercentage }} of the calls.",
    ),
    Alert(
        name="TaskActionServiceCrowded",
        expr="max by (namespace, pod) (taskaction_actions_watches / taskaction_actions_watches_limit) > 0.9",
        minutes=5,
        severity="warning",
        summary="{{ $labels.pod }} serves {{ $value | humanizePercentage }} of the watches that it may.",
    ),
    Alert(
        name="TaskActionPortAgentIdle",
        expr="sum by (namespace) (taskaction_port_agent_leads) == 0",
        minutes=2,
        severity="critical",
        summary="No Port agent works: runs are not claimed, and Port is told of none.",
    ),
    Alert(
        name="TaskActionPortFailing",
        expr="sum by (namespace, task) (rate(taskaction_port_agent_failures_total[5m])) > 0.1",
        minutes=10,
        severity="warning",
        summary="The Port agent cannot {{ $labels.task }}, and tries again.",
    ),
    Alert(
        name="TaskActionPortReportsRefused",
        expr="sum by (namespace) (increase(taskaction_port_agent_reports_given_up_total[15m])) > 0",
        minutes=0,
        severity="warning",
        summary="Port refuses reports for good: it shows these runs otherwise than they went.",
    ),
)
"""Every alert; its runbook is docs/runbooks/<name>.md."""


def groups() -> dict[str, Any]:
    """Return all of them as a PrometheusRule's spec has them."""
    return {"groups": [{"name": "taskaction", "rules": [alert.rule() for alert in ALERTS]}]}


def expressions() -> Iterator[str]:
    """Return what Prometheus evaluates."""
    return (alert.expr for alert in ALERTS)
