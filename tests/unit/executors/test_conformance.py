"""Every built-in keeps to the contract, judged by the very class that plug-in authors get."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

import taskaction
from support.http_server import HttpServer, says
from support.runs import LOOPBACK, Objects, toolbox
from taskaction.executors.approval import ApprovalExecutor
from taskaction.executors.base import AbstractExecutor, Run
from taskaction.executors.basic import FailExecutor, NoopExecutor, SleepExecutor
from taskaction.executors.conformance import ExecutorConformance
from taskaction.executors.http import HttpExecutor
from taskaction.executors.wait import WaitExecutor


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


class TestApproval(ExecutorConformance):
    def executor(self) -> AbstractExecutor:
        return ApprovalExecutor()

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


def test_a_production_install_needs_no_pytest_for_the_module() -> None:
    code = "import sys, taskaction.executors.conformance; sys.exit('pytest' in sys.modules)"
    folder = Path(taskaction.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=folder, timeout=60)
    assert done.returncode == 0
