"""What all processes have in common: probes, metrics, a clear end by SIGTERM, and a clear word about a port in use."""

import os
import re
import signal
import socket
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from cluster.clusters import Cluster
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.ports import HOST, Ports
from cluster.processes import Program, start, wait_until
from local.manifests import ROOT
from local.operator_process import Launch
from support import preloaded
from support.actions_services import ActionsServices
from support.consoles import Consoles
from support.histories import migrated
from support.history_services import HistoryServices
from support.inboxes import Inboxes
from support.operators import QUICK_LEASES, Operators
from support.port_processes import PortAgents
from support.port_server import PortServer
from support.serving import ask_probe

COMMANDS = {
    "operator": (["operator", "run"], "TASKACTION_", "bind"),
    "webhooks": (["webhooks", "serve"], "TASKACTION_WEBHOOKS_", "probes_bind"),
    "actions": (["actions", "serve"], "TASKACTION_ACTIONS_", "probes_bind"),
    "history": (["history", "serve"], "TASKACTION_HISTORY_SERVE_", "probes_bind"),
    "console": (["console", "serve"], "TASKACTION_CONSOLE_", "probes_bind"),
    "port-agent": (["port-agent", "run"], "TASKACTION_PORT_AGENT_", "bind"),
}
"""Command, prefix of settings, and the setting of the probes' address of each process."""
COMPONENTS = tuple(COMMANDS)
STOP_SECONDS = 20
REFERENCE = (ROOT / "docs" / "reference" / "metrics.md").read_text()


@dataclass(frozen=True)
class Running:
    """One process, and where its probes are."""

    program: Program
    url: str

    def ask(self, path: str) -> tuple[int, str]:
        """Give the code and the text of a probe; 0 where nothing answers."""
        return ask_probe(f"{self.url}{path}", seconds=5)

    def wait_for(self, path: str, code: int) -> None:
        """Return when a probe answers so."""
        wait_until(lambda: self.ask(path)[0] == code, timeout=60, what=f"{code} of {path}", program=self.program)

    def exit_code(self) -> int:
        """Give the exit code of a process that ends."""
        wait_until(lambda: not self.program.is_running(), timeout=STOP_SECONDS, what="the end of the process")
        assert self.program.popen is not None
        return int(self.program.popen.returncode)


class Starter:
    """Starts each process with the rights that the chart grants it."""

    def __init__(self, operators: Operators, cluster: Cluster, kubectl: Kubectl, port: PortServer, folder: Path):
        self.operators = operators
        self.inboxes = Inboxes(operators, cluster.kubectl, folder)
        self.services = ActionsServices(kubectl, str(kubectl.namespace), folder)
        self.histories = HistoryServices(kubectl, str(kubectl.namespace), folder)
        self.database = migrated(f"sqlite:///{folder / 'history.db'}")
        self.consoles = Consoles(kubectl, str(kubectl.namespace), folder)
        self.agents = PortAgents(kubectl, folder, port)
        self._starts: dict[str, Callable[[dict[str, str]], Running]] = {
            "operator": self._operator, "webhooks": self._inbox, "actions": self._service, "history": self._history,
            "console": self._console, "port-agent": self._agent,
        }  # fmt: skip

    def start(self, component: str, **settings: str) -> Running:
        """Start one, and return when it is ready; settings have the names of fields."""
        return self._starts[component](settings)

    def launch_by(self, launch: Launch) -> None:
        """Start those that follow in another way."""
        self.operators.launch = self.inboxes.launch = self.services.launch = self.agents.launch = launch
        self.histories.launch = self.consoles.launch = launch

    def close(self) -> None:
        self.launch_by(preloaded.start)
        self.agents.stop()
        self.services.close()
        self.histories.close()
        self.consoles.close()
        self.inboxes.close()
        self.operators.stop()

    def _operator(self, settings: dict[str, str]) -> Running:
        own = {f"TASKACTION_{name.upper()}": value for name, value in settings.items()}
        found = self.operators.start(QUICK_LEASES | own)
        return Running(found.program, found.url)

    def _inbox(self, settings: dict[str, str]) -> Running:
        return Running(self.inboxes.start(**settings), self.inboxes.probes)

    def _service(self, settings: dict[str, str]) -> Running:
        return Running(self.services.start(**settings), self.services.probes)

    def _history(self, settings: dict[str, str]) -> Running:
        return Running(self.histories.start(self.database, **settings), self.histories.probes)

    def _console(self, settings: dict[str, str]) -> Running:
        return Running(self.consoles.start(**settings), self.consoles.probes)

    def _agent(self, settings: dict[str, str]) -> Running:
        found = self.agents.start({name.upper(): value for name, value in settings.items()})
        found.wait_until_ready()
        return Running(found.program, found.url)


def launch_without_server(component: str, folder: Path) -> Running:
    """Start a process that finds no API server where its kubeconfig says."""
    words, prefix, probes = COMMANDS[component]
    ports = Ports.free()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": f"http://{HOST}:{ports.etcd}"}}],
        "users": [{"name": "c", "user": {"token": "t"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "c"}}],
    }))  # fmt: skip
    own = {"bind": f"{HOST}:{ports.etcd_peer}", "shutdown_delay": "100ms", probes: f"{HOST}:{ports.apiserver}", **(
        {"client_id": "id", "client_secret": "secret", "installation_id": "one", "namespace": "port"}
        if component == "port-agent" else {}
    )}  # fmt: skip
    env = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "TASKACTION_HISTORY": f"sqlite:///{folder}/history.db",
        **{f"{prefix}{name.upper()}": own[name] for name in own},
    }
    command = [str(Path(sys.executable).with_name("taskaction")), *words]
    program = preloaded.start(component, command, mark=" ".join(command), log=folder / "log", tied=True, env=env)
    return Running(program, f"http://{HOST}:{ports.apiserver}")


@pytest.fixture
def starter(
    operators: Operators, crds: Cluster, kubectl: Kubectl, port: PortServer, tmp_path: Path
) -> Iterator[Starter]:
    found = Starter(operators, crds, kubectl, port, tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_process_answers_its_probes_and_ends_by_sigterm(starter: Starter, component: str) -> None:
    starter.launch_by(start)  # the command itself, which the others' forks do without
    process = starter.start(component)
    assert process.ask("/healthz") == (200, "ok\n")
    assert process.ask("/readyz") == (200, "ok\n")
    assert f'taskaction_build_info{{component="{component}"' in process.ask("/metrics")[1]
    process.program.signal(signal.SIGTERM)
    assert process.exit_code() == 0
    log = process.program.log.read_text()
    places = [log.index(f"{component} {event}") for event in ("starting", "is ready", "stopping")]
    assert places == sorted(places)
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("component", "field", "setting"),
    [
        ("operator", "bind", "TASKACTION_BIND"),
        ("webhooks", "bind", "TASKACTION_WEBHOOKS_BIND"),
        ("webhooks", "probes_bind", "TASKACTION_WEBHOOKS_PROBES_BIND"),
        ("actions", "bind", "TASKACTION_ACTIONS_BIND"),
        ("actions", "probes_bind", "TASKACTION_ACTIONS_PROBES_BIND"),
        ("history", "bind", "TASKACTION_HISTORY_SERVE_BIND"),
        ("history", "probes_bind", "TASKACTION_HISTORY_SERVE_PROBES_BIND"),
        ("console", "bind", "TASKACTION_CONSOLE_BIND"),
        ("console", "probes_bind", "TASKACTION_CONSOLE_PROBES_BIND"),
        ("port-agent", "bind", "TASKACTION_PORT_AGENT_BIND"),
    ],
    ids=lambda value: value,
)
def test_a_port_in_use_is_named_by_its_setting(starter: Starter, component: str, field: str, setting: str) -> None:
    with socket.create_server((HOST, 0)) as taken:
        bind = f"{HOST}:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError) as refused:
            starter.start(component, **{field: bind})
    message = f"taskaction: {setting}: cannot listen on {bind}: address already in use; choose another port"
    assert message in str(refused.value)
    assert "Traceback" not in str(refused.value)


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_process_without_an_api_server_is_alive_and_not_ready_and_ends_by_sigterm(
    component: str, tmp_path: Path
) -> None:
    process = launch_without_server(component, tmp_path)
    try:
        process.wait_for("/healthz", 200)
        code, problems = process.ask("/readyz")
        assert code == 503
        assert problems.strip()
        process.program.signal(signal.SIGTERM)
        assert process.exit_code() == 0
        assert "Traceback" not in process.program.log.read_text()
    finally:
        process.program.end()


def test_a_metric_has_one_meaning_in_all_processes(starter: Starter) -> None:
    shown = {component: starter.start(component).ask("/metrics")[1] for component in COMPONENTS}
    meanings, labels = defaultdict(set), defaultdict(set)
    for text in shown.values():
        for family in text_string_to_metric_families(text):
            meanings[family.name].add((family.type, family.documentation))
            labels[family.name] |= {frozenset(sample.labels) - {"le"} for sample in family.samples}
    own = {name for name in meanings if name.startswith("taskaction_")}
    assert len(own) > 40
    assert {name: found for name, found in meanings.items() if len(found) > 1} == {}
    assert {name: found for name, found in labels.items() if len(found) > 1} == {}
    everywhere = {name for name in own if all(f"# TYPE {name}" in text for text in shown.values())}
    assert everywhere >= {"taskaction_api_request_seconds", "taskaction_errors", "taskaction_loop_lag_seconds"}
    documented = set(re.findall(r"`(taskaction_\w+?)(?:_total)?[`{]", REFERENCE))
    assert {name.removesuffix("_created") for name in own} - documented == set()
