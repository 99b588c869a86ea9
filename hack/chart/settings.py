"""Names of settings in the schema of the chart's values, from the models of settings."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taskaction.integrations.flyte.service.settings import ActionsConfig
from taskaction.integrations.port.agent.settings import PortAgentConfig
from taskaction.plugin.registry import Registry
from taskaction.plugin.settings import Settings, variables_of
from taskaction.runtime.config import OperatorConfig
from taskaction.services.console.settings import ConsoleConfig
from taskaction.services.history.settings import HistoryServeConfig
from taskaction.services.webhooks.settings import WebhooksConfig

SCHEMA = "values.schema.json"
_OWN_VALUES = {
    "TASKACTION_": (
        "NAMESPACE",
        "WATCH_NAMESPACES",
        "CLUSTER_PROVIDERS",
        "BIND",
        "IDENTITY",
        "CONTEXT",
        "HISTORY",
        "HISTORY_PASSWORD",
    ),
    "TASKACTION_WEBHOOKS_": ("URL", "KEY_FILE", "BIND", "PROBES_BIND"),
    "TASKACTION_PORT_AGENT_": (
        "CLIENT_ID",
        "CLIENT_SECRET",
        "BASE_URL",
        "INSTALLATION_ID",
        "NAMESPACE",
        "MAPPING",
        "BIND",
        "IDENTITY",
        "CONTEXT",
    ),
    "TASKACTION_ACTIONS_": (
        "BIND",
        "PROBES_BIND",
        "NAMESPACE",
        "NAMESPACES",
        "TASK_TYPES",
        "AUTHENTICATION",
        "AUDIENCES",
        "TLS_CERT_FILE",
        "TLS_KEY_FILE",
        "TLS_CLIENT_CA_FILE",
    ),
    "TASKACTION_HISTORY_SERVE_": ("BIND", "PROBES_BIND", "AUDIENCES"),
    "TASKACTION_CONSOLE_": ("BIND", "PROBES_BIND", "URL"),
}
"""Settings that the chart sets by values of their own, or that make no sense in a pod."""


def schema(chart: Path) -> str:
    """Return the schema of the values, in which each `settings` has the names of its component."""
    found: dict[str, Any] = json.loads((chart / SCHEMA).read_text(encoding="utf-8"))
    values = found["properties"]
    executors = list(Registry.find_settings().values())
    for place, prefix, models in (
        (values, "TASKACTION_", [OperatorConfig, *executors]),
        (values["webhooks"]["properties"], "TASKACTION_WEBHOOKS_", [WebhooksConfig]),
        (values["actions"]["properties"], "TASKACTION_ACTIONS_", [ActionsConfig]),
        (values["history"]["properties"]["serve"]["properties"], "TASKACTION_HISTORY_SERVE_", [HistoryServeConfig]),
        (values["console"]["properties"], "TASKACTION_CONSOLE_", [ConsoleConfig]),
        (values["portAgent"]["properties"], "TASKACTION_PORT_AGENT_", [PortAgentConfig]),
    ):
        place["settings"]["propertyNames"] = {"enum": sorted(set(_names(prefix, models)))}
    return json.dumps(found, indent=2) + "\n"


def _names(prefix: str, models: list[type[Settings]]) -> Iterator[str]:
    for model in models:
        for variable in variables_of(model):
            name = variable.removeprefix(prefix)
            if variable.startswith(prefix) and name not in _OWN_VALUES[prefix]:
                yield name
