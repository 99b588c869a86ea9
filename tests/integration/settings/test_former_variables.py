"""Every environment variable of the release before this one still works; a renamed one causes one warning."""

import json
import os
import re
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.certificates import Authority
from cluster.clusters import Cluster
from cluster.kubectl import Kubectl
from cluster.ports import HOST, free_port
from cluster.processes import start, wait_until
from support.actions_services import ActionsServices
from support.inboxes import Inboxes
from support.operators import Operators
from support.port_processes import PortAgents
from support.port_server import CLIENT_ID, CLIENT_SECRET, INSTALLATION, PortServer

HIDDEN = object()
"""Instead of a value that no log shows."""


@dataclass(frozen=True)
class Former:
    """A variable as it was set: its text, the value by which it shows, if that differs, and its present name."""

    text: str
    value: Any = None
    now: str | None = None


OPERATOR = {
    "TASKACTION_NAMESPACE": Former("{operator_namespace}"),
    "TASKACTION_WATCH_NAMESPACES": Former("{namespace}, {operator_namespace}", ["{namespace}", "{operator_namespace}"]),
    "TASKACTION_CLUSTER_PROVIDERS": Former("false", value=False),
    "TASKACTION_IDENTITY": Former("former-operator"),
    "TASKACTION_CONTEXT": Former("{context}"),
    "TASKACTION_BIND": Former("{bind}"),
    "TASKACTION_LOG_FORMAT": Former("json"),
    "TASKACTION_LOG_LEVEL": Former("debug"),
    "TASKACTION_WORKERS_COUNT": Former("9", 9),
    "TASKACTION_RUNS_BUFFER_HIGH_WATERMARK": Former("500", 500),
    "TASKACTION_MAX_RUNS_BUFFER_UTIL_PCT_PER_ACTION": Former("50", 50),
    "TASKACTION_WRITES_IN_FLIGHT": Former("33", 33),
    "TASKACTION_SHARDS": Former("4", 4),
    "TASKACTION_LEASE_DURATION": Former("4s"),
    "TASKACTION_LEASE_RENEW_DEADLINE": Former("3s"),
    "TASKACTION_LEASE_RETRY": Former("400ms"),
    "TASKACTION_STATUS_DELAY": Former("2s"),
    "TASKACTION_INTERRUPT_GRACE": Former("3s"),
    "TASKACTION_CANCEL_GRACE": Former("31s"),
    "TASKACTION_TTL": Former("48h"),
    "TASKACTION_SCAN_INTERVAL": Former("6m"),
    "TASKACTION_DRAIN_TIMEOUT": Former("7s"),
    "TASKACTION_WATCH_SILENCE": Former("1m20s", now="TASKACTION_WATCH_IDLE_TIMEOUT"),
    "TASKACTION_DEAF_AFTER": Former("3m", now="TASKACTION_WATCH_STALE_AFTER"),
    "TASKACTION_HTTP_ALLOWED_CIDRS": Former("127.0.0.0/8,10.1.0.0/16", ["127.0.0.0/8", "10.1.0.0/16"]),
    "TASKACTION_WEBHOOKS_URL": Former("https://hooks.example.org/", "https://hooks.example.org"),
    "TASKACTION_WEBHOOKS_KEY_FILE": Former("{folder}/key"),
    "TASKACTION_FLOWS_STORAGE": Former("file://{folder}/flows", "file://{folder}/flows/", "TASKACTION_STORAGE"),
}
FLYTE = {
    "TASKACTION_FLYTE_ENDPOINT": Former("https://actions.flyte.svc:8094"),
    "TASKACTION_FLYTE_AUTHENTICATION": Former("true", value=True),
    "TASKACTION_FLYTE_AUDIENCE": Former("flyte"),
    "TASKACTION_FLYTE_STORAGE": Former(
        "file://{folder}/a, file://{folder}/b", ["file://{folder}/a/", "file://{folder}/b/"]
    ),
    "TASKACTION_FLYTE_POD_TEMPLATE": Former("base"),
    "TASKACTION_FLYTE_ENV": Former('{{"TOKEN": "hush"}}', HIDDEN),
    "TASKACTION_FLYTE_INTERRUPTIBLE": Former(
        '{{"nodeSelector": {{"kind": "spot"}}}}', {"nodeSelector": {"kind": "spot"}}
    ),
    "TASKACTION_FLYTE_GPU_RESOURCE": Former("amd.com/gpu"),
    "TASKACTION_FLYTE_GPU_LABEL": Former("example.org/gpu"),
    "TASKACTION_FLYTE_START_TIMEOUT": Former("11m"),
}
WEBHOOKS = {
    "TASKACTION_WEBHOOKS_BIND": Former("{serve}"),
    "TASKACTION_WEBHOOKS_PROBES_BIND": Former("{probes}"),
    "TASKACTION_WEBHOOKS_MAX_PENDING": Former("4000", 4000),
    "TASKACTION_WEBHOOKS_REQUESTS": Former("32", 32, "TASKACTION_WEBHOOKS_MAX_CONCURRENT_REQUESTS"),
    "TASKACTION_WEBHOOKS_PATIENCE": Former("14s", now="TASKACTION_WEBHOOKS_REQUEST_TIMEOUT"),
    "TASKACTION_WEBHOOKS_DRAIN": Former("200ms", now="TASKACTION_WEBHOOKS_SHUTDOWN_DELAY"),
}
ACTIONS = {
    "TASKACTION_ACTIONS_BIND": Former("{serve}"),
    "TASKACTION_ACTIONS_PROBES_BIND": Former("{probes}"),
    "TASKACTION_ACTIONS_NAMESPACE": Former("{namespace}"),
    "TASKACTION_ACTIONS_NAMESPACES": Former("shop/prod={namespace}", {"shop/prod": "{namespace}"}),
    "TASKACTION_ACTIONS_TASK_TYPES": Former("spark=resource, *=pod", {"spark": "resource", "*": "pod"}),
    "TASKACTION_ACTIONS_TEMPLATES": Former("file://{folder}/templates", "file://{folder}/templates/"),
    "TASKACTION_ACTIONS_AUTHENTICATION": Former("token"),
    "TASKACTION_ACTIONS_AUDIENCES": Former("flyte,other", ["flyte", "other"]),
    "TASKACTION_ACTIONS_TLS_CERT_FILE": Former("{folder}/tls.crt"),
    "TASKACTION_ACTIONS_TLS_KEY_FILE": Former("{folder}/tls.key"),
    "TASKACTION_ACTIONS_TLS_CLIENT_CA_FILE": Former("{folder}/ca.crt"),
    "TASKACTION_ACTIONS_WATCH_BUFFER_SIZE": Former("90", 90),
    "TASKACTION_ACTIONS_WATCH_AGE": Former("2h"),
    "TASKACTION_ACTIONS_HEARTBEAT": Former("25s"),
    "TASKACTION_ACTIONS_REQUESTS": Former("128", 128, "TASKACTION_ACTIONS_MAX_CONCURRENT_REQUESTS"),
    "TASKACTION_ACTIONS_WATCHES": Former("77", 77, "TASKACTION_ACTIONS_MAX_CONCURRENT_WATCHES"),
    "TASKACTION_ACTIONS_RATE": Former("2.5", 2.5, "TASKACTION_ACTIONS_MAX_REQUESTS_PER_SECOND"),
    "TASKACTION_ACTIONS_TRACES": Former("99", 99, "TASKACTION_ACTIONS_MAX_TRACES"),
    "TASKACTION_ACTIONS_REQUEST_BYTES": Former("1048576", 1048576, "TASKACTION_ACTIONS_MAX_REQUEST_BYTES"),
    "TASKACTION_ACTIONS_DRAIN": Former("200ms", now="TASKACTION_ACTIONS_SHUTDOWN_DELAY"),
}
PORT_AGENT = {
    "TASKACTION_PORT_AGENT_BASE_URL": Former("{port_url}/v1", "{port_url}"),
    "TASKACTION_PORT_AGENT_CLIENT_ID": Former(CLIENT_ID),
    "TASKACTION_PORT_AGENT_CLIENT_SECRET": Former(CLIENT_SECRET, "**********"),
    "TASKACTION_PORT_AGENT_INSTALLATION_ID": Former(INSTALLATION),
    "TASKACTION_PORT_AGENT_NAMESPACE": Former("{namespace}"),
    "TASKACTION_PORT_AGENT_MAPPING": Former(
        '{{"deploy": {{"provider": "ci"}}}}',
        {"deploy": {"executor": None, "provider": "ci", "clusterProvider": None}},
    ),
    "TASKACTION_PORT_AGENT_RUN_KINDS": Former("action", ["action"]),
    "TASKACTION_PORT_AGENT_RUNS_BUFFER_HIGH_WATERMARK": Former("900", 900),
    "TASKACTION_PORT_AGENT_MAX_RUNS_BUFFER_UTIL_PCT_PER_ACTION": Former("40", 40),
    "TASKACTION_PORT_AGENT_POLL_CHECK_INTERVAL_SECONDS": Former("0.5", 0.5),
    "TASKACTION_PORT_AGENT_VISIBILITY_TIMEOUT_MS": Former("2000", 2000),
    "TASKACTION_PORT_AGENT_REPORT_INTERVAL_SECONDS": Former("0.25", 0.25),
    "TASKACTION_PORT_AGENT_MAX_WAIT_SECONDS_BEFORE_SHUTDOWN": Former("1.5", 1.5),
    "TASKACTION_PORT_AGENT_REQUEST_TIMEOUT": Former("10s"),
    "TASKACTION_PORT_AGENT_LEASE_DURATION": Former("2s"),
    "TASKACTION_PORT_AGENT_IDENTITY": Former("former-agent"),
    "TASKACTION_PORT_AGENT_CONTEXT": Former("{context}"),
    "TASKACTION_PORT_AGENT_BIND": Former("{probes}"),
    "TASKACTION_PORT_AGENT_LOG_FORMAT": Former("json"),
    "TASKACTION_PORT_AGENT_LOG_LEVEL": Former("debug"),
}


class Places:
    """Texts that are known only when a test runs, for the braces in the tables."""

    def __init__(self, folder: Path, kubeconfig: Path, **texts: str) -> None:
        self.folder, self.kubeconfig = folder, kubeconfig
        bound = {name: f"{HOST}:{free_port()}" for name in ("bind", "serve", "probes")}
        context = yaml.safe_load(kubeconfig.read_text())["current-context"]
        self._texts = {"folder": str(folder), "context": context, **bound, **texts}

    def fill(self, value: Any) -> Any:
        match value:
            case str():
                return value.format_map(self._texts)
            case list():
                return [self.fill(item) for item in value]
            case dict():
                return {name: self.fill(item) for name, item in value.items()}
        return value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("k" * 32)
    authority = Authority()
    pair = authority.server("actions", [HOST])
    (tmp_path / "tls.crt").write_bytes(pair.certificate)
    (tmp_path / "tls.key").write_bytes(pair.key)
    (tmp_path / "ca.crt").write_bytes(authority.certificate)
    return tmp_path


def log_of(command: str, former: Mapping[str, Former], places: Places, probes: str) -> list[dict[str, Any]]:
    """Run a process until it is ready, with all its variables of before; return its log."""
    words = [str(Path(sys.executable).with_name("taskaction")), *command.split()]
    log = places.folder / "log"
    env = {name: text for name, text in os.environ.items() if not name.startswith("TASKACTION_")}
    env |= {name: places.fill(variable.text) for name, variable in former.items()}
    env |= {"KUBECONFIG": str(places.kubeconfig), "NO_PROXY": "127.0.0.1"}
    program = start(command, words, mark=" ".join(words), log=log, tied=True, env=env)
    try:
        wait_until(lambda: is_ready(places.fill(probes)), timeout=60, what=f"`{command}` to be ready", program=program)
    finally:
        program.end(grace=20)
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{address}/readyz", timeout=2):
            return True
    except OSError:
        return False


def check(log: list[dict[str, Any]], former: Mapping[str, Former], places: Places) -> None:
    """Check that each variable took effect, and that exactly the renamed ones caused a warning."""
    (shown,) = (line["variables"] for line in log if line["event"] == "effective settings")
    expected = {
        variable.now or name: places.fill(variable.text if variable.value is None else variable.value)
        for name, variable in former.items()
        if variable.value is not HIDDEN
    }
    assert {name: shown.get(name) for name in expected} == expected
    hidden = {name for name, variable in former.items() if variable.value is HIDDEN}
    assert hidden & set(shown) == set()
    assert not any(secret in json.dumps(log) for secret in ("hush", CLIENT_SECRET))
    warned = [line["event"] for line in log if line["level"] == "warning" and "deprecated" in line["event"]]
    renamed = {name: variable.now for name, variable in former.items() if variable.now is not None}
    assert sorted(warned) == sorted(f"{name} is deprecated; use {now}" for name, now in renamed.items())


def test_the_operator(operators: Operators, kubectl: Kubectl, folder: Path) -> None:
    texts = {"namespace": str(kubectl.namespace), "operator_namespace": operators.namespace}
    places = Places(folder, operators.kubeconfig, **texts)
    former = OPERATOR | FLYTE
    check(log_of("operator run", former, places, "{bind}"), former, places)


def test_the_inbox(operators: Operators, crds: Cluster, kubectl: Kubectl, folder: Path) -> None:
    inboxes = Inboxes(operators, crds.kubectl, folder)
    try:
        texts = {"namespace": str(kubectl.namespace), "operator_namespace": operators.namespace}
        places = Places(folder, inboxes.kubeconfig, **texts)
        former = OPERATOR | FLYTE | WEBHOOKS
        check(log_of("webhooks serve", former, places, "{probes}"), former, places)
    finally:
        inboxes.close()


def test_the_actions_service(operators: Operators, kubectl: Kubectl, folder: Path) -> None:
    services = ActionsServices(kubectl, str(kubectl.namespace), folder)
    try:
        texts = {"namespace": str(kubectl.namespace), "operator_namespace": operators.namespace}
        places = Places(folder, services.kubeconfig, **texts)
        former = OPERATOR | ACTIONS
        check(log_of("actions serve", former, places, "{probes}"), former, places)
    finally:
        services.close()


def test_the_port_agent(kubectl: Kubectl, port: PortServer, folder: Path) -> None:
    agents = PortAgents(kubectl, folder, port)
    places = Places(folder, agents.kubeconfig, namespace=str(kubectl.namespace), port_url=port.url)
    check(log_of("port-agent run", PORT_AGENT, places, "{probes}"), PORT_AGENT, places)


def test_no_variable_is_listed_twice() -> None:
    names = [name for table in (OPERATOR, FLYTE, WEBHOOKS, ACTIONS, PORT_AGENT) for name in table]
    assert len(names) == len(set(names)) == 84
    assert all(re.fullmatch(r"TASKACTION(_[A-Z]+)+", name) for name in names)
