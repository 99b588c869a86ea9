"""The chart's alerts and dashboard, and the expressions in them."""

import json
from typing import Any

import yaml

from chart.helm import CHART

ALERTS: dict[str, Any] = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
DASHBOARD: dict[str, Any] = json.loads((CHART / "files" / "dashboard.json").read_text())
RULES: list[dict[str, Any]] = [rule for group in ALERTS["groups"] for rule in group["rules"]]


def expressions() -> list[str]:
    """Every expression as Prometheus gets it; Grafana replaces the variables of its panels first."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel.get("targets", [])]
    replaced = [expr.replace("$__rate_interval", "5m").replace("$namespace", ".*") for expr in panels]
    return [*(rule["expr"] for rule in RULES), *replaced]
