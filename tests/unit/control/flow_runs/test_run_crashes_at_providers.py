"""A crash at any call of an Action Provider: it has one action for each visit, whatever answers are lost."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.flow_crashes import Crash, Crashes
from support.flow_stage import action, run_body, run_of
from taskaction.api.enums import Phase
from taskaction.testing.targets import HttpServer, says

DESCRIPTION = {"title": "demo", "globus_auth_scope": "urn:s", "synchronous": False, "visible_to": ["public"]}
POLLS = 2


@dataclass
class Provider:
    """Does what it is asked, once for each ``request_id``, and counts; each action ends at its second poll."""

    server: HttpServer = field(default_factory=HttpServer)
    ids: dict[str, str] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    released: set[str] = field(default_factory=set)
    crash: Crash | None = None
    left: int = 0
    after: bool = False

    def arm(self, crash: Crash, number: int, after: bool) -> None:
        """Have the operator die at the n-th call from now on, before or after that is done."""
        self.crash, self.left, self.after = crash, number, after

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Give its address."""
        async with self.server:
            self.server.on("GET /", says(DESCRIPTION))
            self.server.on("POST /run", self._called(lambda request, body: self._run(body)))
            for number in range(20):
                self.server.on(f"GET /a{number}/status", self._called(self._polled))
                self.server.on(f"POST /a{number}/release", self._called(self._release))
            yield self.server.url

    def _called(self, do: Callable[[web.BaseRequest, Any], Any]) -> Any:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            self.left -= 1
            dies = self.left == 0 and self.crash is not None
            body = json.loads(await request.text() or "null")
            answer = None if dies and not self.after else do(request, body)
            if dies:
                assert self.crash is not None
                self.crash.strike()
                await asyncio.sleep(0)
            return web.json_response(answer)

        return handler

    def _run(self, body: dict[str, Any]) -> dict[str, Any]:
        name = self.ids.setdefault(body["request_id"], f"a{len(self.ids)}")
        self.polls.setdefault(name, 0)
        return self._status(name)

    def _polled(self, request: web.BaseRequest, _: Any) -> dict[str, Any]:
        name = request.path.split("/")[1]
        self.polls[name] += 1
        return self._status(name)

    def _release(self, request: web.BaseRequest, _: Any) -> dict[str, Any]:
        name = request.path.split("/")[1]
        assert self.polls[name] >= POLLS
        self.released.add(name)
        return self._status(name)

    def _status(self, name: str) -> dict[str, Any]:
        standing = "SUCCEEDED" if self.polls[name] >= POLLS else "ACTIVE"
        return {"action_id": name, "status": standing, "details": {"name": name}, "creator_id": "urn:x", "label": None}


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(points=st.lists(st.tuples(st.integers(1, 9), st.booleans()), min_size=1, max_size=2), at_provider=st.booleans())
async def test_each_visit_has_one_action_at_the_provider(points: list[tuple[int, bool]], at_provider: bool) -> None:
    provider = Provider()
    async with provider.serving() as url:
        states = {"One": action("Two", url, ResultPath="$.one"), "Two": action(None, url, ResultPath="$.two")}
        crashes = Crashes(
            points,
            elsewhere=provider.arm if at_provider else None,
            settings={"http_allowed_cidrs": "127.0.0.0/8"},
        )
        operator = await crashes.survived(run_body("r", states, runAs={"serviceAccountName": "runner"}))
        status = run_of(operator).status
        assert status.phase is Phase.SUCCEEDED, status
        assert list(provider.ids.values()) == ["a0", "a1"]
        assert (status.output["one"]["action_id"], status.output["two"]["action_id"]) == ("a0", "a1")


async def test_the_crashes_that_are_tried_do_come_and_ends_are_released() -> None:
    provider = Provider()
    async with provider.serving() as url:
        crashes = Crashes(
            [(1, True), (3, False)], elsewhere=provider.arm, settings={"http_allowed_cidrs": "127.0.0.0/8"}
        )
        account = {"serviceAccountName": "runner"}
        await crashes.survived(run_body("r", {"Only": action(None, url)}, runAs=account))
    assert crashes.happened == 2
    assert provider.released == {"a0"}
