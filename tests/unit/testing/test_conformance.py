"""Every built-in keeps to the contract, judged by the very class that plug-in authors get."""

import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest
from aiohttp import web

import taskaction
from support import flyte_tasks
from support.children import ChildCluster
from support.runs import LOOPBACK, Objects, toolbox
from taskaction.cluster.gateway import JOBS, PODS, Resource
from taskaction.cluster.memory.cluster import DEPLOYMENTS
from taskaction.executors.approval import ApprovalExecutor
from taskaction.executors.basic import FailExecutor, NoopExecutor, SleepExecutor
from taskaction.executors.child import ChildExecutor
from taskaction.executors.http import HttpExecutor
from taskaction.executors.resource import ResourceExecutor
from taskaction.executors.wait import WaitExecutor
from taskaction.executors.workloads.job import JobExecutor
from taskaction.executors.workloads.pod import PodExecutor
from taskaction.integrations.flyte.executor.executor import FlyteExecutor
from taskaction.integrations.globus import GlobusExecutor
from taskaction.plugin.base import AbstractExecutor, Run
from taskaction.testing.conformance import ExecutorConformance
from taskaction.testing.targets import HttpServer, says


class TestNoop(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return NoopExecutor()

    def parameters(self) -> dict[str, Any]:
        return {"output": {"answer": [42, None, "ja"]}}


class TestSleep(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return SleepExecutor()

    def parameters(self) -> dict[str, Any]:
        return {"duration": "90s"}


class TestFail(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return FailExecutor()

    def parameters(self) -> dict[str, Any]:
        return {"times": 1, "retryAfter": "5s"}


class TestGlobus(ExecutorConformance):
    """At a provider that starts one action for each request_id, and ends it when it is asked about."""

    @pytest.fixture(autouse=True)
    async def provider(self) -> Any:
        self.started: list[str] = []

        async def starts(request: web.BaseRequest) -> web.StreamResponse:
            request_id = (await request.json())["request_id"]
            if request_id not in self.started:
                self.started.append(request_id)
            return web.json_response({"action_id": "one", "status": "ACTIVE", "details": {}}, status=202)

        async with HttpServer() as server:
            server.on("GET /", says({"title": "demo"}))
            server.on("POST /run", starts)
            server.on("GET /one/status", says({"action_id": "one", "status": "SUCCEEDED", "details": {}}))
            server.on("POST /one/cancel", says({"action_id": "one", "status": "FAILED", "details": {}}))
            self.server = server
            yield

    def executor(self) -> AbstractExecutor:
        return GlobusExecutor.build(toolbox(addresses=LOOPBACK))

    def parameters(self) -> dict[str, Any]:
        return {"url": self.server.url, "body": {}}

    async def effects(self, run: Run) -> int:
        return self.started.count(run.idempotency_key)


class TestApproval(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return ApprovalExecutor.build(toolbox())

    def parameters(self) -> dict[str, Any]:
        return {"prompt": "ship it?", "timeout": "1h", "default": False}


class TestWaitForATime(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return WaitExecutor.build(toolbox())

    def parameters(self) -> dict[str, Any]:
        return {"duration": "90s"}


class TestWaitForAnObject(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return WaitExecutor.build(toolbox(Objects()))

    def parameters(self) -> dict[str, Any]:
        return {"object": {"apiVersion": "v1", "kind": "ConfigMap", "name": "settings"}, "timeout": "10s"}


class TestHttp(ExecutorConformance):
    @pytest.fixture(autouse=True)
    def _served(self, server: HttpServer) -> None:
        self.server = server
        server.on("GET /ping", says({"pong": True}))

    def executor(self) -> AbstractExecutor:
        return HttpExecutor.build(toolbox(addresses=LOOPBACK))

    def parameters(self) -> dict[str, Any]:
        return {"url": f"{self.server.url}/ping"}


class TestHttpThatStartsAJob(ExecutorConformance):
    """With a provider, a Secret, a key that the target honours, polling and cancel."""

    @pytest.fixture(autouse=True)
    def _served(self, server: HttpServer) -> None:
        self.server = server
        self.jobs: dict[str, int] = {}

        async def start(request: web.BaseRequest) -> web.StreamResponse:
            number = self.jobs.setdefault(request.headers["Idempotency-Key"], len(self.jobs))
            return web.json_response({"id": f"job-{number}"}, status=202)

        async def state(_: web.BaseRequest) -> web.StreamResponse:
            asked = sum(seen.target.startswith("/jobs/") and seen.method == "GET" for seen in server.seen)
            return web.json_response({"state": "DONE" if asked > 2 else "ACTIVE"})

        server.on("POST /jobs", start)
        for number in range(3):
            server.on(f"GET /jobs/job-{number}", state)
            server.on(f"DELETE /jobs/job-{number}", says(None), says("gone", 410))

    def executor(self) -> AbstractExecutor:
        return HttpExecutor.build(toolbox(addresses=LOOPBACK))

    def parameters(self) -> dict[str, Any]:
        return {"size": 3}

    def config(self) -> dict[str, Any]:
        job = f"{self.server.url}/jobs/{{{{ externalId }}}}"
        return {
            "method": "POST",
            "url": f"{self.server.url}/jobs",
            "json": {"size": "{{ parameters.size }}"},
            "auth": {"bearerSecretKeyRef": {"name": "jobs", "key": "token"}},
            "idempotencyHeader": "Idempotency-Key",
            "polling": {
                "url": job,
                "externalId": "{{ response.body.id }}",
                "success": {"path": "state", "equals": "DONE"},
            },
            "cancel": {"method": "DELETE", "url": job},
        }

    def secrets(self) -> dict[str, str]:
        return {"jobs/token": "s3cret"}

    async def effects(self, run: Run) -> int:
        return sum(key == run.idempotency_key for key in self.jobs)


class Child(ExecutorConformance):
    """Of what is one object of the cluster, which stays as it is created unless ``BORN`` says how it ends."""

    RESOURCE: ClassVar[Resource]
    KIND: ClassVar[type[ChildExecutor]]
    BORN: ClassVar[dict[str, Any] | None] = None

    @pytest.fixture(autouse=True)
    def _served(self) -> None:
        self.cluster = ChildCluster(born=self.BORN)

    def executor(self) -> AbstractExecutor:
        return self.KIND.build(toolbox(self.cluster))

    def parameters(self) -> dict[str, Any]:
        return {"image": "busybox"}

    async def effects(self, run: Run) -> int:
        marks = (body["metadata"]["labels"]["taskaction.dev/uid"] for body in self.cluster.of(self.RESOURCE))
        return sum(uid == run.uid for uid in marks)


class TestPodThatWaits(Child):
    KIND, RESOURCE = PodExecutor, PODS


class TestPodThatSucceeds(TestPodThatWaits):
    BORN: ClassVar = {
        "phase": "Succeeded",
        "containerStatuses": [{"name": "main", "state": {"terminated": {"exitCode": 0, "message": '{"rows": 3}'}}}],
    }


class TestPodThatFails(TestPodThatWaits):
    BORN: ClassVar = {"phase": "Failed", "reason": "Evicted"}


class TestPodOfAProvider(TestPodThatWaits):
    def parameters(self) -> dict[str, Any]:
        return {"rows": 3}

    def config(self) -> dict[str, Any]:
        return {"image": "busybox", "args": ["{{ parameters.rows }}"]}


class TestFlyteThatWaits(Child):
    KIND, RESOURCE = FlyteExecutor, PODS

    def parameters(self) -> dict[str, Any]:
        return flyte_tasks.parameters()


class TestFlyteThatSucceeds(TestFlyteThatWaits):
    BORN: ClassVar = {"phase": "Succeeded"}


class TestJobThatWaits(Child):
    KIND, RESOURCE = JobExecutor, JOBS


class TestJobThatSucceeds(TestJobThatWaits):
    BORN: ClassVar = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}


class TestResourceThatWaits(Child):
    KIND, RESOURCE = ResourceExecutor, DEPLOYMENTS

    def parameters(self) -> dict[str, Any]:
        return {"manifest": {"apiVersion": "apps/v1", "kind": "Deployment"}}


class TestResourceThatSucceeds(TestResourceThatWaits):
    BORN: ClassVar = {"conditions": [{"type": "Available", "status": "True"}]}


class TestResourceThatNothingOwns(TestResourceThatWaits):
    def parameters(self) -> dict[str, Any]:
        return super().parameters() | {"owned": False}


def test_a_production_install_needs_no_pytest_for_the_module() -> None:
    code = "import sys, taskaction.testing.conformance; sys.exit('pytest' in sys.modules)"
    folder = Path(taskaction.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=folder, timeout=60)
    assert done.returncode == 0
