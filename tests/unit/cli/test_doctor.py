"""`taskaction doctor`: what it finds, and that each problem comes with its mend."""

import json

import pytest

from support.terminal import Terminal
from taskaction.cli import checks
from taskaction.cluster.errors import ForbiddenError, UnavailableError
from taskaction.cluster.gateway import ACTION_PROVIDERS, PODS, TASK_ACTIONS
from taskaction.cluster.memory import MemoryCluster
from taskaction.core.clock import SystemClock


def findings(terminal: Terminal) -> dict[str, tuple[str, str]]:
    told = terminal("doctor -o json")
    found = {one["what"]: (one["level"], one["text"]) for one in json.loads(told.out)}
    assert told.code == (1 if "problem" in {level for level, _ in found.values()} else 0)
    assert all(one["mend"] for one in json.loads(told.out) if one["level"] == "problem")
    return found


def test_an_operator_at_work_is_found_by_its_leases() -> None:
    level, _ = findings(Terminal())["operator"]
    assert level == "note"  # in memory there is no pod of it
    told = Terminal()("doctor").out
    assert "1 replicas, 4 of 4 shards held" in told


def test_nobody_at_work_is_a_problem() -> None:
    assert findings(Terminal(works=False))["operator"] == (
        "problem",
        "no operator Lease in namespace taskaction-system",
    )


def test_an_operator_that_is_gone_is_told_from_one_that_works() -> None:
    terminal = Terminal()
    terminal("get")
    for key, body in list(terminal.cluster.objects.items()):
        if key[0] == "leases":
            body["spec"] |= {"renewTime": "2026-01-01T12:00:00.000000Z", "holderIdentity": "gone"}
    assert "no operator is running" in terminal.idle()("doctor").out


def test_a_cluster_that_does_not_answer_is_all_that_is_said(monkeypatch) -> None:
    async def away(self, path, **_):
        raise UnavailableError("connection refused")

    monkeypatch.setattr(MemoryCluster, "text", away)
    assert list(findings(Terminal(works=False))) == ["cluster"]


def test_what_may_not_be_looked_at_stops_nothing(monkeypatch) -> None:
    async def refuse(session):
        raise ForbiddenError("policies is forbidden")

    monkeypatch.setattr(checks, "check_policies", refuse)
    found = findings(Terminal(works=False))
    assert found["rights"] == ("note", "not permitted to check: policies is forbidden")
    assert "providers" in found


class WithinNamespaces(MemoryCluster):
    """Refuses whatever belongs to the cluster."""

    async def get(self, resource, *words, **more):
        self._permit(resource)
        return await super().get(resource, *words, **more)

    def list(self, resource, *words, **more):
        self._permit(resource)
        return super().list(resource, *words, **more)

    @staticmethod
    def _permit(resource):
        if not resource.namespaced:
            raise ForbiddenError(f"{resource.plural} is forbidden")


def test_who_has_rights_in_a_namespace_alone_is_told_what_can_be_seen_there() -> None:
    terminal = Terminal(WithinNamespaces(SystemClock()), works=False)
    terminal.put(ACTION_PROVIDERS, "own")
    found = findings(terminal)
    assert found["providers"] == ("problem", "own are not ready")
    assert found["crds"][1].endswith("you are not permitted to see their version")


@pytest.mark.parametrize(("env", "level"), [([], "problem"), ([("TASKACTION_CLUSTER_PROVIDERS", "false")], "ok")])
def test_an_operator_within_namespaces_needs_no_right_in_the_cluster(monkeypatch, env, level) -> None:
    async def allowed(session, group, resource, *_, **__):
        return not resource.startswith("clusteractionproviders")

    monkeypatch.setattr(checks, "_is_allowed", allowed)
    terminal = Terminal()
    settings = [{"name": name, "value": value} for name, value in env]
    labels = {"app.kubernetes.io/component": "operator"}
    pod = terminal.put(PODS, "ta", namespace="taskaction-system", containers=[{"env": settings}])
    pod["metadata"]["labels"] = labels
    terminal.cluster.store(PODS, pod)
    assert findings(terminal)["operator's rights"][0] == level


def test_providers_and_deletions_are_looked_at() -> None:
    terminal = Terminal(works=False)
    terminal.put(ACTION_PROVIDERS, "api", executor="x", status={"conditions": [{"type": "Ready", "status": "False"}]})
    body = terminal.put(TASK_ACTIONS, "old", executor="http")
    terminal.cluster.store(
        TASK_ACTIONS, body | {"metadata": body["metadata"] | {"deletionTimestamp": "2026-01-01T12:00:00Z"}}
    )
    found = findings(terminal)
    assert found["providers"] == ("problem", "api are not ready")
    assert found["deletions"][0] == "problem"
    assert "old (for " in found["deletions"][1]


@pytest.mark.parametrize("word", ["policies", "your rights"])
def test_what_is_missing_in_memory_is_said(word: str) -> None:
    assert findings(Terminal(works=False))[word][0] in {"problem", "note"}


FOREIGN = {"bearerSecretKeyRef": {"name": "s", "key": "k", "namespace": "team-b"}}
STRONG = {"runAs": {"serviceAccountName": "strong"}}


def test_objects_that_gave_rights_to_others_are_listed_before_the_upgrade() -> None:
    terminal = Terminal(works=False)
    terminal.put(ACTION_PROVIDERS, "thief", executor="http", config={"url": "https://x", "auth": FOREIGN})
    terminal.put(ACTION_PROVIDERS, "deploy", executor="job", defaults=STRONG)
    parameters = [{"parameter": "a", "secretKeyRef": {"name": "s", "key": "k"}}]
    terminal.put(TASK_ACTIONS, "reads", providerRef={"name": "deploy"}, parametersFrom=parameters)
    terminal.put(TASK_ACTIONS, "names", providerRef={"name": "deploy"}, parametersFrom=parameters, **STRONG)
    found = findings(terminal)
    level, text = found["secrets of providers"]
    assert level == "problem"
    assert "ActionProvider thief: spec.config.auth.bearerSecretKeyRef.namespace" in text
    assert found["accounts of providers"] == ("note", "providers that act as a ServiceAccount: deploy (strong)")
    assert found["parametersFrom"][0] == "note"
    assert found["parametersFrom"][1].startswith("reads read spec.parametersFrom as ServiceAccount default")


def test_actions_that_would_show_a_secret_are_found() -> None:
    terminal = Terminal(works=False)
    key = {"secretKeyRef": {"name": "login", "key": "token"}}
    for name, executor, source in (
        ("fine", "job", {"parameter": "env.TOKEN", **key}),
        ("sent", "http", {"parameter": "json.token", **key}),
        ("public", "job", {"parameter": "args", "configMapKeyRef": {"name": "a", "key": "b"}}),
        ("argument", "job", {"parameter": "command", **key}),
        ("part", "pod", {"parameter": "env.TOKEN", "format": "Json", **key}),
        ("copied", "resource", {"parameter": "manifest.data", **key}),
    ):
        terminal.put(TASK_ACTIONS, name, executor=executor, parametersFrom=[source])
    level, text = findings(terminal)["values of Secrets"]
    assert level == "problem"
    assert text.endswith(": argument (command), copied (manifest.data), part (env.TOKEN)")
