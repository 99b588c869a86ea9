"""How many JSON values change on their way: through each entry point alone, and through a real API server."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import orjson

from benchmarks.figures.group import Group
from benchmarks.load import ACTIONS, API, Collection
from benchmarks.random_json import batches
from benchmarks.report import Figure, Row, Target
from benchmarks.stage import QUICK_STOP, WORK, Stage
from cluster.errors import ClusterError
from support.serving import LoopbackServer
from taskaction.api.task_action import Signal
from taskaction.cli.durations import parse_parameters
from taskaction.cli.output import as_json, as_yaml
from taskaction.control.objects.outputs import OutputLimit
from taskaction.control.task_actions.guard import GuardedExecutor
from taskaction.core.constants import OUTPUT_LIMIT_BYTES
from taskaction.core.json_values import is_same
from taskaction.core.yaml import load_documents
from taskaction.executors.basic import NoopExecutor
from taskaction.executors.http.request import HttpResponse
from taskaction.executors.templates import render
from taskaction.executors.workloads.pod_states import output_of
from taskaction.flows.machine import start
from taskaction.flows.program import FlowProgram, compile_definition
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.lifecycle.signals import to_child_signal
from taskaction.plugin import Run
from taskaction.testing.conformance_parts import FixedSecrets, RecordedReports

VALUES = 100_000
BATCH = 100
AT_A_TIME = 16
END_SECONDS = 120
SECRET = "a-token-that-no-value-contains"  # noqa: S105 - of this measurement only
LIMIT = OutputLimit(size=OUTPUT_LIMIT_BYTES, remedy="return a part of it")
CHANGED = Figure("values_changed", "values", Target(0))

Values = list[Any]
PROVIDERS = Collection(API, "actionproviders", "")
RUNS = Collection(API, "actionflowruns", "")
COMPUTED = {"Type": "Pass", "Parameters": {"path.$": "$.values", "expression.=": "values"}, "End": True}
FLOW = {
    "StartAt": "Child",
    "States": {
        "Child": {
            "Type": "Action",
            "ActionUrl": "taskaction://executor/noop",
            "Parameters": {"output.$": "$.values"},
            "ResultPath": "$.child",
            "Next": "Ask",
        },
        "Ask": {
            "Type": "Action",
            "ActionUrl": "taskaction://executor/approval",
            "Parameters": {"type": "any"},
            "ResultPath": "$.answer",
            "End": True,
        },
    },
}


def measure(stage: Stage) -> Iterator[Row]:
    """Send the same values through each entry point, and then through the operator."""
    sent = batches(1, VALUES, BATCH)
    changed = 0
    for name, way in WAYS.items():
        lost = sum(count_changed(values, way(values)) for values in sent)
        stage.say(f"{VALUES} values through {name}: {lost} changed")
        changed += lost
    with echo() as url, stage.operator({**QUICK_STOP, "TASKACTION_HTTP_ALLOWED_CIDRS": "127.0.0.0/8"}):
        stage.run(prepare(stage, url))
        lost = stage.run(through_operator(stage, sent))
        stage.say(f"{VALUES} values through the operator: {lost} changed")
    yield CHANGED.measured(changed + lost)


def count_changed(sent: Values, got: Any) -> int:
    """Return the number of values that differ; all if there are more or fewer."""
    if not isinstance(got, list) or len(got) != len(sent):
        return len(sent)
    return sum(not is_same(one, other) for one, other in zip(sent, got, strict=True))


# -- each entry point alone --------------------------------------------------------------------------------------------


def through_pod(values: Values) -> Values:
    """Leave each value as a termination message."""

    def pod(message: str) -> dict[str, Any]:
        return {"status": {"containerStatuses": [{"name": "main", "state": {"terminated": {"message": message}}}]}}

    return [output_of(pod(json.dumps(value)), "main") for value in values]


def through_http(values: Values) -> Values:
    """Send each value as the body of a response."""
    headers = {"content-type": "application/json"}
    return [HttpResponse(code=200, headers=headers, content=orjson.dumps(value)).body for value in values]


def through_executor(values: Values) -> Any:
    """Return the values from an executor, whose call has read a Secret."""

    async def called() -> Any:
        secrets = FixedSecrets({"one/key": SECRET})
        await secrets.read_secret("one", "key")
        now = datetime.now(UTC)
        build_run = partial(
            Run,
            uid="uid",
            name="one",
            namespace="bench",
            attempt=1,
            parameters={"output": values},
            config={},
            idempotency_key="uid-1",
            started_at=now,
            now=now,
        )
        return await GuardedExecutor(NoopExecutor(), build_run, RecordedReports(), secrets, LIMIT).execute()

    outcome = asyncio.run(called())
    return outcome.output if isinstance(outcome, Succeeded) else None


def through_flow(values: Values) -> Any:
    """Read the values from the state of a flow, by a path and by an expression."""
    program = compile_definition({"StartAt": "Computed", "States": {"Computed": COMPUTED}})
    if not isinstance(program, FlowProgram):
        raise ClusterError(f"the flow is not valid: {program}")
    outcome = start(program, "run", {"values": values}, {}, datetime.now(UTC)).outcome
    output = outcome.output if outcome is not None else None
    return output["path"] if output is not None and is_same(output["path"], output["expression"]) else None


def through_template(values: Values) -> Any:
    """Insert the values into a template."""
    return render({"json": "{{ parameters.values }}"}, {"parameters": {"values": values}})["json"]


def through_signal(values: Values) -> Any:
    """Pass the values on as a signal of a child."""
    signal = Signal.model_validate({"value": values})
    return orjson.loads(orjson.dumps(to_child_signal(signal)))["value"]


def through_command_line(values: Values) -> Any:
    """Give each value as a parameter, and print all of them in both formats."""
    given = [parse_parameters([f"x={json.dumps(value)}"])["x"] for value in values]
    (written,) = load_documents(as_yaml(given))
    return written if is_same(written, json.loads(as_json(given))) else None


WAYS: dict[str, Callable[[Values], Any]] = {
    "a pod": through_pod,
    "http": through_http,
    "an executor": through_executor,
    "a flow": through_flow,
    "a template": through_template,
    "a signal": through_signal,
    "the command line": through_command_line,
}


# -- the operator ------------------------------------------------------------------------------------------------------


@contextmanager
def echo() -> Iterator[str]:
    """Serve what returns the values of a request whose token is right; return its URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = self.headers["Authorization"] == f"Bearer {SECRET}" and request["token"] == SECRET
            content = orjson.dumps(request["values"] if known else None)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class' name
            pass

    with LoopbackServer(Handler) as server:
        yield server.url


async def prepare(stage: Stage, url: str) -> None:
    """Create the Secret, the right to read it, and the provider whose template carries the values."""
    kubectl = stage.plane.kubectl.within(WORK)
    kubectl("create", "secret", "generic", "token", f"--from-literal=key={SECRET}")
    kubectl("create", "role", "token", "--verb=get", "--resource=secrets")
    kubectl("create", "rolebinding", "token", "--role=token", f"--serviceaccount={WORK}:default")
    config = {
        "method": "POST",
        "url": url,
        "json": {"values": "{{ parameters.values }}", "token": "{{ parameters.token }}"},
        "auth": {"bearerSecretKeyRef": {"name": "token", "key": "key"}},
    }
    spec = {"executor": "http", "config": config, "defaults": {"runAs": {"serviceAccountName": "default"}}}
    await stage.load.post(PROVIDERS, WORK, _object("ActionProvider", "echo", spec))


async def through_operator(stage: Stage, sent: Sequence[Values]) -> int:
    """Return how many values an echo, a child and a signal have changed."""
    changed = 0

    async def one(number: int) -> None:
        nonlocal changed
        values = sent[number]
        parameters_from = [{"parameter": "token", "secretKeyRef": {"name": "token", "key": "key"}}]
        await stage.load.create(
            WORK,
            f"echo-{number}",
            {
                "providerRef": {"name": "echo"},
                "parameters": {"values": values},
                "parametersFrom": parameters_from,
                "runAs": {"serviceAccountName": "default"},
            },
        )
        echoed = await _output(stage, ACTIONS, f"echo-{number}")
        values_back = echoed["body"] if isinstance(echoed, dict) else None
        changed += count_changed(values, values_back)
        spec = {"definition": FLOW, "input": {"values": values_back}}
        await stage.load.post(RUNS, WORK, _object("ActionFlowRun", f"run-{number}", spec))
        await _wait(stage, RUNS, f"run-{number}", lambda status: status.get("phase") == "Paused")
        operation = {"op": "add", "path": "/spec/signal", "value": {"value": values}}
        await stage.load.patch(RUNS, WORK, f"run-{number}", [operation])
        output = await _output(stage, RUNS, f"run-{number}") or {}
        for name, part in (("child", None), ("answer", "value")):
            details = output.get(name, {}).get("details")
            changed += count_changed(values, details if part is None or details is None else details[part])

    numbers = iter(range(len(sent)))

    async def worker() -> None:
        for number in numbers:
            await one(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_A_TIME):
            group.create_task(worker())
    return changed


async def _output(stage: Stage, kind: Collection, name: str) -> Any:
    """Return the output of an object once it has ended; None if it has failed."""
    status = await _wait(stage, kind, name, lambda status: "finishedAt" in status)
    if status["phase"] != "Succeeded":
        stage.say(f"  {name}: {status.get('message')}")
    return status.get("output")


async def _wait(stage: Stage, kind: Collection, name: str, check: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    deadline = time.monotonic() + END_SECONDS
    while True:
        status: dict[str, Any] = (await stage.load.read(kind, WORK, name)).get("status", {})
        if check(status) or "finishedAt" in status:
            return status
        if time.monotonic() > deadline:
            raise ClusterError(f"{name} is still {status.get('phase')}: {status.get('message')}")
        await asyncio.sleep(0.1)


def _object(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    return {"apiVersion": "taskaction.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


GROUP = Group("values", (CHANGED,), measure)
