"""Everything that the dashboard and the alerts ask for exists, and moves, while all components are at work."""

import asyncio
import threading
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import promql_parser
import pytest
from flyteidl2.actions.actions_service_connect import ActionsServiceClient
from prometheus_client.parser import text_string_to_metric_families

from cluster.clusters import Cluster
from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.processes import wait_until
from support.actions import API_VERSION, Body, action, create, patch, wait_for_phase
from support.actions_services import ActionsServices, task, watch
from support.api import patch_object
from support.histories import migrated
from support.history_services import HistoryServices
from support.inboxes import SECRET, Inboxes, post, signed
from support.observability import expressions
from support.operators import Operators
from support.port_processes import PortAgents
from support.port_server import PortServer

SETTINGS = {
    "TASKACTION_SHARDS": "4",
    "TASKACTION_WORKERS_COUNT": "2",
    "TASKACTION_RUNS_BUFFER_HIGH_WATERMARK": "4",
    "TASKACTION_STATUS_DELAY": "200ms",
    "TASKACTION_CANCEL_GRACE": "300ms",
    "TASKACTION_DRAIN_TIMEOUT": "1s",
    "TASKACTION_HISTORY": "sqlite:////nowhere/history.db",
    "TASKACTION_HISTORY_HOLD": "0s",
}
FLEETING = {
    "taskaction_notices_waiting",  # back at 0 before anybody has looked, unless the operator is in trouble
    "taskaction_status_overtaken_total",  # takes two owners at once, as in tests/unit/control/test_writer_refusals.py
}
"""What exists, and cannot be made to move from outside."""
SCHEDULE = {
    "apiVersion": API_VERSION,
    "kind": "ActionSchedule",
    "metadata": {"name": "late"},
    "spec": {"interval": "1s", "suspend": True, "template": {"spec": {"executor": "noop"}}},
}
REFUSED = {
    "apiVersion": API_VERSION,
    "kind": "ActionSchedule",
    "metadata": {"name": "refused"},
    "spec": {"interval": "1s", "template": {"spec": {"executor": "noop", "misspelt": 1}}},
}
LOOK_SECONDS = 0.1
ACCEPTED, UNAUTHORIZED = 202, 401
SECONDS = 60


class Scraper:
    """Looks at the metrics of several processes all the time, as Prometheus does, and notes which change."""

    def __init__(self) -> None:
        self.urls: list[str] = []
        self.seen: set[str] = set()
        self.moved: set[str] = set()
        self._before: dict[str, Counter[str]] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            for url in tuple(self.urls):
                if found := samples(url):
                    before = self._before.get(url, Counter())  # a process begins with 0
                    self.moved |= {name for name in found if found[name] != before[name]}
                    self.seen |= set(found)
                    self._before[url] = found


def samples(url: str) -> Counter[str]:
    """Give the sum of each metric over its labels; nothing where nobody answers, as of a process that stands still."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=1) as answer:
            text = answer.read().decode()
    except OSError:
        return Counter()
    found: Counter[str] = Counter()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] += sample.value
    return found


def asked() -> set[str]:
    """Give the names that dashboard and alerts ask for, as they are scraped."""
    names: set[str] = set()

    def note(part: promql_parser.Expr) -> None:
        if isinstance(part, promql_parser.VectorSelector):
            names.add(str(part.name))

    for expr in expressions():
        promql_parser.walk(promql_parser.parse(expr), note)
    return names


def provider(name: str, **spec: Any) -> Body:
    return {"apiVersion": API_VERSION, "kind": "ActionProvider", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def inboxes(operators: Operators, crds: Cluster, tmp_path: Path) -> Iterator[Inboxes]:
    found = Inboxes(operators, crds.kubectl, tmp_path)
    yield found
    found.close()


@pytest.fixture
def services(kubectl: Kubectl, tmp_path: Path) -> Iterator[ActionsServices]:
    found = ActionsServices(kubectl, str(kubectl.namespace), tmp_path)
    yield found
    found.close()


@pytest.fixture
def histories(kubectl: Kubectl, tmp_path: Path) -> Iterator[HistoryServices]:
    found = HistoryServices(kubectl, str(kubectl.namespace), tmp_path)
    yield found
    found.close()


def in_line(kubectl: Kubectl) -> None:
    """More than two workers can do at once, some of it twice, some of it within a rate."""
    rate = {"rate": {"requests": 1, "per": "500ms", "burst": 1}}
    create(kubectl, [
        *(action(f"slow-{number}", "sleep", {"duration": "300ms"}) for number in range(12)),
        action("again", "fail", retryPolicy={"limit": 1, "backoff": {"initial": "100ms"}, "retryOn": ["Error"]}),
        provider("paced", executor="noop", limits=rate),
        *(action(f"paced-{number}", providerRef={"name": "paced"}) for number in range(10)),
        action("stumbles", "stumbles"),
        action("unrecorded", ttlSecondsAfterFinished=1),
    ])  # fmt: skip


def limited(kubectl: Kubectl, folder: Path) -> None:
    """Something whose target has no room for a while."""
    quota = folder / "quota"
    quota.write_text("1")
    create(kubectl, [action("limited", "limited", {"folder": str(folder)})])
    wait_until(lambda: (folder / "asked").exists(), timeout=SECONDS, what="the quota to be asked for")
    quota.write_text("0")
    wait_for_phase(kubectl, "limited", "Succeeded", SECONDS)


def unconfirmed(kubectl: Kubectl) -> None:
    """An executor that does not let itself be told."""
    create(kubectl, [action("stubborn", "faulty", {"fault": "hangs-and-will-not-go"})])
    wait_for_phase(kubectl, "stubborn", "Running", SECONDS)
    patch(kubectl, "stubborn", {"abort": {"reason": "enough"}})
    wait_for_phase(kubectl, "stubborn", "Aborted", SECONDS)


async def followed(services: ActionsServices, scraper: Scraper) -> None:
    """A call of the Actions service, and a watch that lasts until it was seen."""
    async with asyncio.timeout(SECONDS), ActionsServiceClient(services.url) as client:
        await client.enqueue(task("r1"))
        async for _ in client.watch_for_updates(watch("r1")):
            while "taskaction_actions_watches" not in scraper.moved:  # noqa: ASYNC110 - the scraper is a thread
                await asyncio.sleep(LOOK_SECONDS)
            return


def told(kubectl: Kubectl, inboxes: Inboxes) -> None:
    """A webhook about what nobody has started, so that it waits."""
    rbac = "rbac.authorization.k8s.io"
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"key": SECRET}}
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]
    role = {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": {"name": "read"}, "rules": rules}
    bound = {"roleRef": {"apiGroup": rbac, "kind": "Role", "name": "read"},
             "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": kubectl.namespace}]}  # fmt: skip
    binding = {"apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": {"name": "read"}, **bound}
    key = {"name": "hook", "key": "key"}
    signature = {"hmac": {"header": "X-Hub-Signature-256", "prefix": "sha256=", "secretKeyRef": key}}
    webhook = {"authentication": signature, "externalIdPath": "id"}
    request = {"method": "POST", "url": "http://127.0.0.1:1/"}
    ci = provider("ci", executor="http", sharding="Action", config=request, webhook=webhook)
    create(kubectl, [secret, role, binding, ci])
    body, address = {"id": "nobody's"}, f"{inboxes.url}/providers/{kubectl.namespace}/ci"
    wait_until(
        lambda: post(address, body, signed(body))[0] == ACCEPTED, timeout=SECONDS, what="the webhook to be taken"
    )


@pytest.mark.timeout(300)
def test_all_that_dashboard_and_alerts_ask_for_moves(
    operators: Operators,
    inboxes: Inboxes,
    services: ActionsServices,
    histories: HistoryServices,
    agents: PortAgents,
    port: PortServer,
    kubectl: Kubectl,
    tmp_path: Path,
) -> None:
    with Scraper() as scraper:
        operator = operators.start({**SETTINGS, **inboxes.operator_settings})
        scraper.urls.append(operator.url)
        create(kubectl, [SCHEDULE, REFUSED])
        in_line(kubectl)
        inboxes.start()
        services.start()
        histories.start(migrated(f"sqlite:///{tmp_path / 'history.db'}"))
        agent = agents.start()
        scraper.urls += [inboxes.probes, services.probes, histories.probes, agent.url]
        assert histories.ask("/v1/objects", None)[0] == UNAUTHORIZED
        port.fail("/v1/actions/runs/claim-pending", 500)
        port.fail("patch", 404)
        port.add("r1", "noop")
        port.add("r2", "sleep", {"duration": "1s"})
        port.add("r3", "noop")
        told(kubectl, inboxes)
        asyncio.run(followed(services, scraper))
        limited(kubectl, tmp_path)
        unconfirmed(kubectl)
        patch_object(kubectl, "as", "late", {"spec": {"suspend": False}})  # its times since the start are missed
        wait_until(lambda: sum(run.over for run in port.runs.values()) > 1, timeout=SECONDS, what="runs of Port to end")
        wanted = asked() - FLEETING
        with suppress(ClusterError):
            wait_until(lambda: wanted <= scraper.moved, timeout=20, what="all metrics to move")
        assert wanted - scraper.moved == set()
        assert scraper.seen >= FLEETING
