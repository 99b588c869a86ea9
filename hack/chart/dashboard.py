"""The Grafana dashboard, as rows of panels: what each shows and by which expressions; Grafana's JSON is made of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

WIDTH, HEIGHT, COLUMNS = 8, 8, 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
HERE = 'namespace=~"$namespace"'


@dataclass(frozen=True)
class Panel:
    """One graph.

    Attributes:
        series: legend and expression of each; `HERE` is put where an expression says `$here`.
        unit: Grafana's name of it.
        text: what to read out of it.
    """

    title: str
    series: tuple[tuple[str, str], ...]
    unit: str = "short"
    text: str = ""

    @property
    def expressions(self) -> list[str]:
        """Return what is asked of Prometheus."""
        return [expr.replace("$here", HERE) for _, expr in self.series]


@dataclass(frozen=True)
class Row:
    """Panels that belong together."""

    title: str
    panels: tuple[Panel, ...]


def rates(metric: str, by: str, *only: str) -> str:
    """Return how often something happens a second, in all cases or in some only."""
    return f"sum by ({by}) (rate({metric}{{{','.join(('$here', *only))}}}[$__rate_interval]))"


def per_action(metric: str, *only: str) -> str:
    """Return how often something happens for each action that ends."""
    return f"{rates(metric, '', *only)} / {rates('taskaction_actions_finished_total', '')}"


def of_pods(expr: str) -> str:
    """Return what each process of the project reports under a name that other projects' processes use as well."""
    return f"{expr} * on (namespace, pod) group_left (component) taskaction_build_info{{$here}}"


def quantiles(metric: str, *wanted: float, by: str = "") -> tuple[tuple[str, str], ...]:
    """Return how long something takes, for parts of all cases."""
    groups = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    return tuple(
        (
            f"{legend}p{share * 100:g}",
            f"histogram_quantile({share}, sum by ({groups}) (rate({metric}_bucket{{$here}}[$__rate_interval])))",
        )
        for share in wanted
    )


OPERATORS = 'component=~"operator|"'
WRITES = 'verb=~"create|patch|update|delete"'
ROWS = (
    Row(
        "Actions",
        (
            Panel("Finished", (("{{phase}} {{reason}}", rates("taskaction_actions_finished_total", "phase, reason")),),
                  "ops", "How actions end, a second."),
            Panel("Begun", (("seen", rates("taskaction_actions_seen_total", "")),
                            ("attempts by {{executor}}", rates("taskaction_attempts_total", "executor"))),
                  "ops", "More attempts than actions are retries."),
            Panel("From creation to end", quantiles("taskaction_action_seconds", 0.5, 0.95, 0.99), "s"),
            Panel("Not ended", (("live", "sum(taskaction_actions_live{$here})"),
                                ("waiting for a worker", "sum(taskaction_queue_depth{$here})"),
                                ("outside of a full queue", "sum(taskaction_queue_outside{$here})"),
                                ("waiting for a quota", "sum(taskaction_actions_parked{$here})"))),
            Panel("Wait for a worker", quantiles("taskaction_queue_wait_seconds", 0.5, 0.95, by="turn"), "s"),
            Panel("Workers", (("taken", "sum(taskaction_workers_busy{$here})"),
                              ("there are", "sum(taskaction_workers{$here})"))),
        ),
    ),
    Row(
        "Targets",
        (
            Panel("Calls of executors", (("{{executor}} {{outcome}}",
                  rates("taskaction_executor_call_seconds_count", "executor, outcome")),), "ops"),
            Panel("Duration of calls", quantiles("taskaction_executor_call_seconds", 0.95, by="executor"), "s"),
            Panel("Limits of targets", (("waits that ended", rates("taskaction_quota_wait_seconds_count", "")),
                                        ("rate of a provider used up", rates("taskaction_rates_exhausted_total", ""))),
                  "ops"),
            Panel("Wait for a quota", quantiles("taskaction_quota_wait_seconds", 0.5, 0.95), "s"),
            Panel("ActionEvents", (("waiting", "max(taskaction_action_events_waiting{$here})"),)),
            Panel("Cancels that were not confirmed", (("abandoned", rates("taskaction_cancels_abandoned_total", "")),),
                  "ops"),
        ),
    ),
    Row(
        "API server",
        (
            Panel("Requests", (("{{component}} {{verb}} {{resource}}",
                                rates("taskaction_api_request_seconds_count", "component, verb, resource")),), "ops"),
            Panel("Writes for each action",
                  (("writes", per_action("taskaction_api_request_seconds_count", WRITES, OPERATORS)),
                   ("of the status", per_action("taskaction_status_writes_total"))),
                  text="One status write for a short idempotent action, two for any other."),
            Panel("Duration of requests", quantiles("taskaction_api_request_seconds", 0.95, by="verb"), "s"),
            Panel("Requests that failed", (("{{component}} {{code}}",
                  rates("taskaction_api_request_seconds_count", "component, code", 'code=~"0|4..|5.."')),), "ops"),
            Panel("Status writes given up", (("overtaken", rates("taskaction_status_overtaken_total", "")),), "ops"),
            Panel("Age of the watch", (("{{pod}}", "taskaction_watch_age_seconds{$here}"),), "s",
                  "Bookmarks come about once a minute."),
        ),
    ),
    Row(
        "Replicas",
        (
            Panel("Shards", (("{{pod}}", "taskaction_shards_held{$here}"),
                             ("there are", "max(taskaction_shards{$here})")),
                  text="The sum over all replicas is the number that there are."),
            Panel("Lag of the event loop", (("{{pod}}", "taskaction_loop_lag_seconds{$here}"),), "s"),
            Panel("Notifications that wait", (("{{pod}}", "taskaction_notices_waiting{$here}"),)),
            Panel("CPU", (("{{component}} {{pod}}",
                           of_pods("rate(process_cpu_seconds_total{$here}[$__rate_interval])")),)),
            Panel("Memory", (("{{component}} {{pod}}", of_pods("process_resident_memory_bytes{$here}")),), "bytes"),
            Panel("Errors", (("{{component}} {{pod}}", rates("taskaction_errors_total", "component, pod")),), "ops",
                  "Nobody had foreseen these: the log has them."),
        ),
    ),
    Row(
        "Beside the operator",
        (
            Panel("Webhooks", (("{{endpoint}} {{result}} {{code}}",
                                rates("taskaction_webhook_seconds_count", "endpoint, result, code")),), "ops"),
            Panel("Webhooks that wait", (("waiting", "max(taskaction_webhooks_waiting{$here})"),
                                         ("may wait", "max(taskaction_webhooks_limit{$here})"))),
            Panel("Duration of webhooks", quantiles("taskaction_webhook_seconds", 0.5, 0.95), "s"),
            Panel("Calls of the Actions service", (("{{method}} {{code}}",
                  rates("taskaction_actions_call_seconds_count", "method, code")),), "ops"),
            Panel("Watches of the Actions service", (("{{pod}}", "taskaction_actions_watches{$here}"),
                                                     ("known actions, {{pod}}", "taskaction_actions_known{$here}"))),
            Panel("Runs of Port", (("under way", "sum(taskaction_port_agent_runs_live{$here})"),
                                   ("working agents", "sum(taskaction_port_agent_leads{$here})"))),
            Panel("Port: claimed, taken and reported", (
                ("claimed", rates("taskaction_port_agent_runs_claimed_total", "")),
                ("taken", rates("taskaction_port_agent_runs_taken_total", "")),
                ("reported: {{report}}", rates("taskaction_port_agent_reports_total", "report"))), "ops"),
            Panel("Requests to Port", (("{{request}} {{code}}",
                  rates("taskaction_port_agent_port_requests_total", "request, code")),), "ops"),
            Panel("Port: failures", (("{{task}}", rates("taskaction_port_agent_failures_total", "task")),
                                     ("reports refused", rates("taskaction_port_agent_reports_given_up_total", ""))),
                  "ops"),
        ),
    ),
)  # fmt: skip


def dashboard() -> dict[str, Any]:
    """Return it as Grafana imports it."""
    return {
        "title": "TaskAction operator",
        "uid": "taskaction-operator",
        "tags": ["taskaction", "kubernetes"],
        "schemaVersion": 39,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _variables()},
        "annotations": {"list": []},
        "panels": list(_panels()),
    }


def expressions() -> Iterator[str]:
    """Return what is asked of Prometheus."""
    return (expr for row in ROWS for panel in row.panels for expr in panel.expressions)


def _variables() -> list[dict[str, Any]]:
    namespaces = "label_values(taskaction_build_info, namespace)"
    return [
        {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"},
        {
            "name": "namespace",
            "label": "Namespace",
            "type": "query",
            "datasource": SOURCE,
            "query": {"query": namespaces, "refId": "namespaces"},
            "definition": namespaces,
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "current": {"text": ["All"], "value": ["$__all"]},
        },
    ]


def _panels() -> Iterator[dict[str, Any]]:
    ids, top = count(1), 0
    for row in ROWS:
        yield {"id": next(ids), "type": "row", "title": row.title, "collapsed": False, "panels": [],
               "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": 1}}  # fmt: skip
        top += 1
        for number, panel in enumerate(row.panels):
            across, down = number % (COLUMNS // WIDTH), number // (COLUMNS // WIDTH)
            yield _panel(next(ids), panel, {"x": across * WIDTH, "y": top + down * HEIGHT, "w": WIDTH, "h": HEIGHT})
        top += -(-len(row.panels) // (COLUMNS // WIDTH)) * HEIGHT


def _panel(number: int, panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    targets = [
        {"refId": chr(ord("A") + at), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
        for at, ((legend, _), expr) in enumerate(zip(panel.series, panel.expressions, strict=True))
    ]
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}},
        "targets": targets,
    }
