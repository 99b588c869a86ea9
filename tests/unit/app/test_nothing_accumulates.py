"""What a replica remembers while it lives: after waves of all kinds of work, no container is larger than before."""

from collections import Counter
from typing import Any

import pytest

from support.containers import container_sizes
from taskaction.cluster.gateway import ACTION_EVENTS, ACTION_FLOWS, ACTION_PROVIDERS, Resource
from taskaction.control.objects.tables import LATE_NOTICES
from taskaction.core.constants import API_VERSION
from taskaction.testing.simulation import Simulation
from taskaction.testing.targets import HttpServer, says

CACHES = (
    "._absent",  # 10,000 names without a provider
    "._rates",  # 10,000 namespaces
    "._programs",  # definitions of flows, by their size
)
"""Caches that keep their latest entries up to a bound."""
WARM, MEASURED = 2, 3
SETTLE = LATE_NOTICES + 60


def named(kind: str, name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


class Wave:
    """One round of work in a namespace of its own."""

    def __init__(self, operator: Simulation, target: HttpServer, number: int) -> None:
        self.operator = operator
        self.target = target
        self.number = number

    def name(self, name: str) -> str:
        return f"{name}-{self.number}"

    def start(self, name: str, executor: str | None = "noop", **spec: Any) -> str:
        fields = {"executor": executor} if executor is not None else {}
        self.operator.apply(
            named("TaskAction", self.name(name), self.name("team"), ttlSecondsAfterFinished=30, **fields, **spec)
        )
        return self.name(name)

    def provide(self, name: str, executor: str, **spec: Any) -> None:
        self.operator.apply(named("ActionProvider", name, self.name("team"), executor=executor, **spec))

    def withdraw(self, *names: str) -> None:
        for name in names:
            self.remove(ACTION_PROVIDERS, name)
        self.operator.settle()

    def remove(self, resource: Resource, name: str) -> None:
        self.operator.do(self.operator.cluster.delete(resource, self.name(name), self.name("team")))

    def play(self) -> None:
        self.play_ends()
        self.play_aborts()
        self.play_families()
        self.play_requests()
        self.play_providers()
        self.play_flows()
        self.operator.advance(SETTLE)

    def play_ends(self) -> None:
        once = {"limit": 1, "backoff": {"initial": "1s"}, "retryOn": ["Error"]}
        for number in range(10):
            self.start(f"noop{number}", partitionKey=f"key{number % 3}")
        self.start("failed", "fail", retryPolicy=once)
        self.start("unknown", "nobody-has-this")
        self.start("slept", "sleep", parameters={"duration": "2s"})
        self.start("late", "sleep", parameters={"duration": "1h"}, timeouts={"total": "5s"})
        self.operator.signal(self.start("answered", "approval", parameters={"prompt": "?"}), value=True)
        self.operator.advance(10)

    def play_aborts(self) -> None:
        self.operator.abort(self.start("aborted", "approval", parameters={"prompt": "?"}))
        self.operator.delete(self.start("deleted", "sleep", parameters={"duration": "1h"}))
        self.operator.delete(self.start("suspended", suspend=True))
        for policy in ("Replace", "Drop"):
            offer = self.name(policy.lower())
            self.provide(offer, "sleep", overlapPolicy=policy)
            for number in range(3):
                ref = {"name": offer}
                self.start(
                    f"{policy.lower()}{number}", None, providerRef=ref, parameters={"duration": "2s"}, partitionKey="k"
                )
        self.operator.advance(10)
        self.withdraw("replace", "drop")

    def play_families(self) -> None:
        parent = self.start("parent", "approval", parameters={"prompt": "?"}, childPolicy="Abort")
        child = self.start("child", "approval", parameters={"prompt": "?"}, parentRef={"name": parent})
        self.start("grandchild", "sleep", parameters={"duration": "1h"}, parentRef={"name": child})
        self.start("orphan", parentRef={"name": "nobody"})
        self.operator.delete(parent)
        self.operator.advance(10)

    def play_requests(self) -> None:
        name = self.name("request")
        self.target.on(f"POST /{name}", says({"id": name}))
        self.target.on(f"GET /{name}", says({"state": "running"}), says({"state": "done"}))
        polling = {
            "url": f"{self.target.url}/{{{{ externalId }}}}",
            "externalId": "{{ response.body.id }}",
            "success": {"path": "state", "equals": "done"},
            "interval": "1s",
        }
        parameters = {"method": "POST", "url": f"{self.target.url}/{name}", "polling": polling}
        self.operator.run(named("TaskAction", name, self.name("team"), executor="http", parameters=parameters))
        event = {"type": "Webhook", "correlationKey": self.name("nobody"), "ttlSeconds": 60}
        self.operator.apply(named("ActionEvent", self.name("event"), self.name("team"), **event))

    def play_providers(self) -> None:
        rate = {"requests": 1, "per": "1s", "burst": 1}
        limits = {"rate": rate, "maxConcurrent": 2, "maxQueued": 3}
        self.provide(self.name("offer"), "noop", limits=limits)
        for number in range(5):
            self.start(f"offered{number}", None, providerRef={"name": self.name("offer")})
        self.start("unoffered", None, providerRef={"name": self.name("nobody")})
        self.operator.advance(20)
        self.operator.abort(self.name("unoffered"))
        self.withdraw("offer")

    def play_flows(self) -> None:
        team = self.name("team")
        states = {
            "Each": {"Type": "Map", "ItemsPath": "$.items", "Inline": True, "ResultPath": "$.each", "Next": "Ask",
                     "ItemProcessor": {"StartAt": "One", "States": {"One": {
                         "Type": "Action", "ActionUrl": "taskaction://executor/noop", "End": True}}}},
            "Ask": {"Type": "Action", "ActionUrl": "taskaction://executor/approval", "Parameters": {"type": "any"},
                    "ResultPath": "$.answer", "End": True},
        }  # fmt: skip
        definition = {"StartAt": "Each", "States": states}
        self.operator.apply(named("ActionFlow", self.name("flow"), team, definition=definition))
        for run in ("answered", "aborted"):
            self.operator.apply(
                named("ActionFlowRun", self.name(f"run-{run}"), team, flowRef={"name": self.name("flow")},
                      input={"items": [1, 2, 3]}, ttlSecondsAfterFinished=30)
            )  # fmt: skip
        self.operator.advance(5)
        self.operator.signal(self.name("run-answered"), value=1)
        self.operator.abort(self.name("run-aborted"))
        self.remove(ACTION_FLOWS, "flow")
        self.operator.advance(10)


def sizes(operator: Simulation) -> Counter[str]:
    assert operator._operator is not None
    found = container_sizes(operator._operator.control)
    assert len(found) > 80, "the parts of the operator are looked into"
    return Counter({path: size for path, size in found.items() if not path.endswith(CACHES)})


@pytest.mark.timeout(120)
def test_no_container_grows_with_what_is_over(taskactions: Simulation, http_target: HttpServer) -> None:
    for number in range(WARM):
        Wave(taskactions, http_target, number).play()
    before = sizes(taskactions)
    for number in range(WARM, WARM + MEASURED):
        Wave(taskactions, http_target, number).play()
    assert taskactions.names(ACTION_EVENTS) == []
    taskactions.until(lambda: not sizes(taskactions) - before, quiet=True)  # connections are closed in real time
    assert sizes(taskactions) - before == Counter()
