"""The operator as a process: probes, metrics, logs, settings, tokens that rotate, and how it stops."""

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.errors import ClusterError
from cluster.kubectl import Kubectl
from cluster.processes import start, wait_until
from local import account
from local.manifests import ROOT
from support import preloaded
from support.actions import API_VERSION, action, create, get, phase, wait_for_all, wait_for_phase
from support.operators import QUICK_LEASES, Operators, metric
from support.world import World, once


@pytest.fixture
def by_command(operators: Operators) -> Iterator[None]:
    """Start operators by their command instead of forks of a process that has loaded their code."""
    operators.launch = start
    yield
    operators.launch = preloaded.start


def read(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.mark.usefixtures("by_command")
def test_probes_and_metrics_answer(operators: Operators, kubectl: Kubectl) -> None:
    operator = operators.start(QUICK_LEASES)
    assert read(f"{operator.url}/healthz") == (200, "ok\n")
    assert read(f"{operator.url}/readyz") == (200, "ok\n")
    before = metric(operator, "status_writes_total")
    create(kubectl, [action(f"noop-{number}") for number in range(10)])
    wait_for_all(kubectl, lambda found: {phase(item) for item in found.values()} == {"Succeeded"})
    assert metric(operator, "status_writes_total") - before == 10
    shown = read(f"{operator.url}/metrics")[1]
    assert 'taskaction_actions_finished_total{phase="Succeeded",reason="Completed"} 10.0' in shown
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    names = {
        name for name in re.findall(r"^# TYPE (taskaction_\w+)", shown, re.MULTILINE) if not name.endswith("_created")
    }
    assert len(names) > 20
    assert names - set(re.findall(r"taskaction_\w+", reference)) == set()
    operators.stop()


def test_an_object_that_is_nested_without_end_keeps_no_operator_from_starting(
    operators: Operators, kubectl: Kubectl, tmp_path: Path
) -> None:
    manifest = tmp_path / "deep.json"
    body = json.dumps(action("deep", parameters={"output": "DEEP"}))
    manifest.write_text(body.replace('"DEEP"', "[" * 5000 + "]" * 5000))
    kubectl("create", f"--raw=/apis/{API_VERSION}/namespaces/{kubectl.namespace}/taskactions", "-f", str(manifest))
    operators.start(QUICK_LEASES)
    create(kubectl, [action("good")])
    wait_for_phase(kubectl, "good", "Succeeded")
    kubectl("wait", "ta/deep", "--for=condition=Failed", "--timeout=30s")
    kubectl("delete", "ta", "deep")
    operators.stop()


@pytest.mark.usefixtures("by_command")
def test_logs_are_one_json_object_a_line_and_hold_no_parameters(operators: Operators, kubectl: Kubectl) -> None:
    operator = operators.start({**QUICK_LEASES, "TASKACTION_LOG_FORMAT": "json", "TASKACTION_LOG_LEVEL": "debug"})
    create(kubectl, [action("quiet", "fail", {"message": "a-secret-word"}, retryPolicy={"limit": 0})])
    ended = wait_for_phase(kubectl, "quiet", "Failed")
    operators.stop()
    lines = [json.loads(line) for line in operator.program.log.read_text().splitlines()]
    [about] = [line for line in lines if line["event"] == "action ended"]
    assert (about["uid"], about["attempt"], about["phase"]) == (ended["metadata"]["uid"], 1, "Failed")
    assert {line["event"] for line in lines} >= {"operator starting", "operator is ready", "operator stopping"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"TASKACTION_WORKERS_COUNT": "none"}, "TASKACTION_WORKERS_COUNT"),
        ({"TASKACTION_LEASE_DURATION": "1s"}, "LEASE_DURATION"),
        ({"TASKACTION_BIND": "127.0.0.1:70000"}, "TASKACTION_BIND"),
        ({"TASKACTION_HTTP_ALLOWED_CIDRS": "10.0.0.0/99"}, "TASKACTION_HTTP_ALLOWED_CIDRS"),
        (
            {"TASKACTION_SHARDS": "0", "TASKACTION_FLYTE_ENV": "A=b"},
            '(?s)TASKACTION_SHARDS: invalid value "0"; .*TASKACTION_FLYTE_ENV: invalid value; use a JSON object',
        ),
    ],
    ids=[
        "a word for a number",
        "times that do not fit",
        "no such port",
        "no network",
        "two at once, one of them of an executor",
    ],
)
def test_a_wrong_setting_is_named_in_one_sentence(operators: Operators, settings: dict[str, str], said: str) -> None:
    with pytest.raises(ClusterError, match=said) as refused:
        operators.start(settings)
    assert "Traceback" not in str(refused.value)


def test_calls_under_way_end_before_the_operator_does(operators: Operators, kubectl: Kubectl) -> None:
    with World(seconds=2.0) as world:
        operators.start(QUICK_LEASES)
        create(kubectl, [action("slow", "http", once(world.url, "slow"))])
        wait_until(lambda: world.effects["once/slow"] == 1, timeout=30, what="the call")
        operators.stop()
        assert phase(get(kubectl, "slow")) == "Succeeded"


def test_another_replica_takes_over_at_once_after_a_graceful_stop(operators: Operators, kubectl: Kubectl) -> None:
    settings = {"TASKACTION_SHARDS": "4", "TASKACTION_LEASE_RETRY": "300ms"}  # its leases would last for 15 s
    operators.start(settings)
    second = operators.start(settings)
    assert metric(second, "shards_held") == 0
    first = operators.running.pop(0)
    begun = time.monotonic()
    first.stop()
    wait_until(lambda: metric(second, "shards_held") == 4, timeout=12, what="the take-over")
    assert time.monotonic() - begun < 12
    create(kubectl, [action("after")])
    wait_for_phase(kubectl, "after", "Succeeded")
    operators.stop()


def test_a_token_that_is_replaced_is_read_again(operators: Operators, kubectl: Kubectl, tmp_path: Path) -> None:
    admin, name = kubectl, f"{kubectl.namespace}-robots"
    for robot in "first", "second":
        admin("create", "serviceaccount", robot)
    subjects = [f"--serviceaccount={admin.namespace}:{robot}" for robot in ("first", "second")]
    admin("create", "clusterrolebinding", name, f"--clusterrole={account.cluster_name(operators.namespace)}", *subjects)
    admin.within(operators.namespace)("create", "rolebinding", name, f"--role={account.NAME}", *subjects)
    try:
        token = tmp_path / "token"
        token.write_text(admin("create", "token", "first").strip())
        operator = operators.start(QUICK_LEASES, kubeconfig=with_token_file(operators.kubeconfig, token, tmp_path))
        create(admin, [action("before")])
        wait_for_phase(admin, "before", "Succeeded")
        token.write_text(admin("create", "token", "second").strip())
        admin("delete", "serviceaccount", "first")  # its tokens are worth nothing from now on
        create(admin, [action("after", "fail", {"times": 1}, retryPolicy={"limit": 1})])
        wait_for_phase(admin, "after", "Succeeded", seconds=60)
        assert operator.program.is_running()
        operators.stop()
    finally:
        admin("delete", "clusterrolebinding", name)


def with_token_file(kubeconfig: Path, token: Path, folder: Path) -> Path:
    content = yaml.safe_load(kubeconfig.read_text())
    content["users"][0]["user"] = {"tokenFile": str(token)}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(content))
    return path
