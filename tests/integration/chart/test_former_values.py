"""Every value of the chart of the release before this one is still accepted, and still has an effect."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
import yaml

from chart.helm import CHART, Helm, HelmError
from taskaction.integrations.flyte.executor.settings import FlyteSettings
from taskaction.integrations.flyte.service.settings import ActionsConfig
from taskaction.integrations.port.agent.settings import PortAgentConfig
from taskaction.plugin.settings import CheckedSettings, Settings, SettingsReader
from taskaction.runtime.config import OperatorConfig
from taskaction.services.webhooks.settings import WebhooksConfig

FORMER = """
operator: {enabled: true}
replicaCount: 3
image: {repository: registry.example.org/taskaction, tag: v0, digest: "", pullPolicy: Always}
imagePullSecrets: [{name: pull}]
nameOverride: former
fullnameOverride: former-release
crds: {enabled: false, keep: true}
admissionPolicies: {enabled: false}
watchNamespaces: [team, flyte-tasks, shop]
namespacedOnly: false
accounts: {everywhere: false, namespaces: [team]}
userRoles: {enabled: true, aggregate: true}
serviceAccount: {create: true, name: former-account, annotations: {role: former}}
settings:
  WORKERS_COUNT: "9"
  DEAF_AFTER: 3m
  WATCH_SILENCE: 1m20s
  FLYTE_POD_TEMPLATE: base
extraEnv: [{name: TASKACTION_SHARDS, value: "4"}]
resources: {requests: {cpu: 101m, memory: 129Mi}, limits: {memory: 513Mi}}
terminationGracePeriodSeconds: 41
podAnnotations: {note: former}
podLabels: {team: former}
nodeSelector: {disk: ssd}
tolerations: [{key: former, operator: Exists}]
affinity: {podAntiAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}
priorityClassName: system-cluster-critical
extraVolumes: [{name: ca, configMap: {name: ca}}]
extraVolumeMounts: [{name: ca, mountPath: /etc/ca}]
topologySpread: {topologyKeys: [example.org/rack], whenUnsatisfiable: DoNotSchedule}
podDisruptionBudget: {enabled: true, maxUnavailable: 2}
networkPolicy:
  enabled: true
  metricsFrom: [{namespaceSelector: {matchLabels: {a: metrics}}}]
  webhooksFrom: [{namespaceSelector: {matchLabels: {a: webhooks}}}]
  actionsFrom: [{namespaceSelector: {matchLabels: {a: actions}}}]
  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8}}]}]
flowControl: {enabled: true, concurrencyShares: 31, matchingPrecedence: 901}
metrics:
  service: {enabled: true, annotations: {note: metrics}}
  serviceMonitor: {enabled: true, interval: 31s, labels: {prometheus: former}}
  alerts: {enabled: true, labels: {prometheus: alerts}, disabled: [TaskActionErrors], runbooks: https://docs.example.org}
  dashboard: {enabled: true, labels: {grafana_dashboard: "2"}, annotations: {folder: former}}
release: {enabled: true, timeout: 61s}
portAgent:
  enabled: true
  replicaCount: 2
  installationId: cluster-a
  namespace: team
  credentialsSecret: port
  baseUrl: https://api.us.getport.io
  mapping: {deploy: {provider: ci}}
  settings: {POLL_CHECK_INTERVAL_SECONDS: "2"}
  extraEnv: [{name: TASKACTION_PORT_AGENT_RUN_KINDS, value: action}]
  resources: {requests: {cpu: 51m, memory: 97Mi}, limits: {memory: 257Mi}}
  terminationGracePeriodSeconds: 42
webhooks:
  enabled: true
  replicaCount: 4
  url: https://hooks.example.org
  keySecret: webhook-key
  service: {type: NodePort, port: 81, annotations: {note: webhooks}}
  settings: {MAX_PENDING: "4000", REQUESTS: "32", PATIENCE: 14s, DRAIN: 6s}
  extraEnv: [{name: TASKACTION_LOG_LEVEL, value: debug}]
  resources: {requests: {cpu: 52m, memory: 98Mi}, limits: {memory: 385Mi}}
  terminationGracePeriodSeconds: 31
actions:
  enabled: true
  replicaCount: 5
  namespace: flyte-tasks
  namespaces: {shop/production: shop}
  taskTypes: {spark: resource}
  audiences: [flyte]
  tls: {secret: certificate, clientCertificates: true}
  service: {type: LoadBalancer, port: 443, annotations: {note: actions}}
  settings: {REQUESTS: "128", WATCHES: "77", RATE: "2.5", TRACES: "99", REQUEST_BYTES: "1048576", DRAIN: 6s}
  extraEnv: [{name: TASKACTION_LOG_FORMAT, value: console}]
  resources: {requests: {cpu: 53m, memory: 129Mi}, limits: {memory: 511Mi}}
  terminationGracePeriodSeconds: 32
"""
VALUES = yaml.safe_load(FORMER)
OTHERS = {
    "image.digest": f"sha256:{'0' * 64}",
    "namespacedOnly": True,
    "accounts.everywhere": True,
}
"""Other values than the default, for values that are the default above."""
ONLY_WITH = {"crds.keep": {"crds.enabled": True}, "metrics.service.enabled": {"metrics.serviceMonitor.enabled": False}}
"""What a value needs to have an effect; without CRDs, helm takes a quarter of the time."""

SERVED = [
    f"--api-versions=admissionregistration.k8s.io/v1/{kind}AdmissionPolicy{part}"
    for kind in ("Validating", "Mutating")
    for part in ("", "Binding")
]
"""Kinds that the chart looks for in the cluster."""


def leaves(values: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and f"{place}{name}" not in MAPS:
            yield from leaves(value, f"{place}{name}.")
        else:
            yield f"{place}{name}", value


MAPS = {
    "serviceAccount.annotations", "settings", "podAnnotations", "podLabels", "nodeSelector", "affinity",
    "metrics.service.annotations", "metrics.serviceMonitor.labels", "metrics.alerts.labels",
    "metrics.dashboard.labels", "metrics.dashboard.annotations", "portAgent.mapping", "portAgent.settings",
    "webhooks.service.annotations", "webhooks.settings", "actions.namespaces", "actions.taskTypes",
    "actions.service.annotations", "actions.settings",
}  # fmt: skip
"""Values whose keys people choose."""
DEFAULTS = dict(leaves(yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))))
LEAVES = dict(leaves(VALUES))


@pytest.fixture(scope="module")
def helm() -> Helm:
    """Helm without a cluster."""
    return Helm.built()


@cache
def rendered(helm: Helm, changes: str = "{}") -> str:
    """Render the chart with all former values and the changes, which are JSON by path."""
    chosen = {**LEAVES, **json.loads(changes)}
    options = [f"--set-json={path}={json.dumps(value)}" for path, value in chosen.items()]
    return helm("template", "ta", str(CHART), "--namespace=ops", *SERVED, *options)


@pytest.mark.parametrize("path", LEAVES)
def test_a_value_has_an_effect(helm: Helm, path: str) -> None:
    value, needed = LEAVES[path], ONLY_WITH.get(path, {})
    other = OTHERS.get(path, not value if isinstance(value, bool) else DEFAULTS[path])
    assert other != value
    before = rendered(helm, json.dumps(needed))
    try:
        after = rendered(helm, json.dumps({**needed, path: other}))
    except HelmError as refused:
        after = str(refused)
        assert path.rpartition(".")[2] in after  # refused because of this value
    assert before != after


def settings_of(helm: Helm, component: str, *models: type[Settings]) -> CheckedSettings:
    """Read the environment of a component's container as its process does."""
    manifests = [manifest for manifest in yaml.safe_load_all(rendered(helm)) if manifest]
    deployments = [manifest["spec"] for manifest in manifests if manifest["kind"] == "Deployment"]
    (container,) = (
        container
        for spec in deployments
        for container in spec["template"]["spec"]["containers"]
        if container["name"] == component
    )
    env = {one["name"]: one.get("value", "from-elsewhere") for one in container["env"]}
    return SettingsReader(env).check(*models)


@pytest.mark.parametrize(
    ("component", "models", "shown", "renamed"),
    [
        (
            "operator",
            (OperatorConfig, FlyteSettings),
            {
                "TASKACTION_WATCH_NAMESPACES": ["team", "flyte-tasks", "shop"],
                "TASKACTION_WORKERS_COUNT": 9,
                "TASKACTION_SHARDS": 4,
                "TASKACTION_WATCH_STALE_AFTER": "3m",
                "TASKACTION_WATCH_IDLE_TIMEOUT": "1m20s",
                "TASKACTION_WEBHOOKS_URL": "https://hooks.example.org",
                "TASKACTION_FLYTE_POD_TEMPLATE": "base",
                "TASKACTION_FLYTE_AUDIENCE": "flyte",
                "TASKACTION_FLYTE_ENDPOINT": "https://former-release-actions.ops:443",
            },
            ["TASKACTION_DEAF_AFTER", "TASKACTION_WATCH_SILENCE"],
        ),
        (
            "webhooks",
            (OperatorConfig, WebhooksConfig, FlyteSettings),
            {
                "TASKACTION_LOG_LEVEL": "debug",
                "TASKACTION_WEBHOOKS_MAX_PENDING": 4000,
                "TASKACTION_WEBHOOKS_MAX_CONCURRENT_REQUESTS": 32,
                "TASKACTION_WEBHOOKS_REQUEST_TIMEOUT": "14s",
                "TASKACTION_WEBHOOKS_SHUTDOWN_DELAY": "6s",
            },
            ["TASKACTION_WEBHOOKS_DRAIN", "TASKACTION_WEBHOOKS_PATIENCE", "TASKACTION_WEBHOOKS_REQUESTS"],
        ),
        (
            "actions",
            (OperatorConfig, ActionsConfig),
            {
                "TASKACTION_LOG_FORMAT": "console",
                "TASKACTION_ACTIONS_NAMESPACE": "flyte-tasks",
                "TASKACTION_ACTIONS_NAMESPACES": {"shop/production": "shop"},
                "TASKACTION_ACTIONS_TASK_TYPES": {"spark": "resource"},
                "TASKACTION_ACTIONS_AUDIENCES": ["flyte"],
                "TASKACTION_ACTIONS_TLS_CLIENT_CA_FILE": "/etc/taskaction/tls/ca.crt",
                "TASKACTION_ACTIONS_MAX_CONCURRENT_REQUESTS": 128,
                "TASKACTION_ACTIONS_MAX_CONCURRENT_WATCHES": 77,
                "TASKACTION_ACTIONS_MAX_REQUESTS_PER_SECOND": 2.5,
                "TASKACTION_ACTIONS_MAX_TRACES": 99,
                "TASKACTION_ACTIONS_MAX_REQUEST_BYTES": 1048576,
                "TASKACTION_ACTIONS_SHUTDOWN_DELAY": "6s",
            },
            [
                "TASKACTION_ACTIONS_DRAIN",
                "TASKACTION_ACTIONS_RATE",
                "TASKACTION_ACTIONS_REQUESTS",
                "TASKACTION_ACTIONS_REQUEST_BYTES",
                "TASKACTION_ACTIONS_TRACES",
                "TASKACTION_ACTIONS_WATCHES",
            ],
        ),
        (
            "port-agent",
            (PortAgentConfig,),
            {
                "TASKACTION_PORT_AGENT_INSTALLATION_ID": "cluster-a",
                "TASKACTION_PORT_AGENT_NAMESPACE": "team",
                "TASKACTION_PORT_AGENT_BASE_URL": "https://api.us.getport.io",
                "TASKACTION_PORT_AGENT_RUN_KINDS": ["action"],
                "TASKACTION_PORT_AGENT_POLL_CHECK_INTERVAL_SECONDS": 2.0,
            },
            [],
        ),
    ],
    ids=["operator", "webhooks", "actions", "port-agent"],
)
def test_a_process_gets_its_settings_with_a_warning_for_each_renamed_one(
    helm: Helm, component: str, models: tuple[type[Settings], ...], shown: dict[str, Any], renamed: list[str]
) -> None:
    found = settings_of(helm, component, *models)
    assert {name: found.variables.get(name) for name in shown} == shown
    assert sorted(warning.split()[0] for warning in found.warnings) == renamed
