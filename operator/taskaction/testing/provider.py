"""An Action Provider that obeys a test: Globus' interface over real HTTP, with actions that stand as they are told."""

import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web

_ENDED = frozenset({"SUCCEEDED", "FAILED"})


@dataclass
class ProvidedAction:
    """Action at the provider.

    Attributes:
        asked: the request that started the action.
        told: the calls of cancel, resume and release, in order.
    """

    action_id: str
    asked: dict[str, Any]
    status: str
    details: Any = None
    told: list[str] = field(default_factory=list)
    begun: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    def succeed(self, details: Any = None) -> None:
        """End the action with success."""
        self.status, self.details = "SUCCEEDED", details

    def fail(self, details: Any = None) -> None:
        """End the action with a failure."""
        self.status, self.details = "FAILED", details

    def pause(self, code: str = "ConsentRequired", description: str = "consent is missing") -> None:
        """Pause the action until a person resumes it: INACTIVE."""
        self.status, self.details = "INACTIVE", {"code": code, "description": description}

    def document(self) -> dict[str, Any]:
        """Return its status as the interface has it."""
        return {
            "action_id": self.action_id,
            "status": self.status,
            "display_status": self.status,
            "details": self.details,
            "creator_id": "urn:globus:auth:identity:a-test",
            "start_time": self.begun,
            "completion_time": datetime.now(UTC).isoformat() if self.status in _ENDED else None,
            "release_after": "P30D",
            "label": self.asked.get("label"),
            "monitor_by": [],
            "manage_by": [],
        }


class FakeActionProvider:
    """Serves while its block lasts. The same ``request_id`` is the same action, as with any provider.

    Attributes:
        url: where it is.
        first: how new actions stand; ``SUCCEEDED`` for a provider that answers at once.
        actions: all that were run, in their order.
        requests: how often each ``request_id`` was sent.
    """

    def __init__(self, *, input_schema: dict[str, Any] | None = None, first: str = "ACTIVE") -> None:
        self.url = ""
        self.first = first
        self.actions: list[ProvidedAction] = []
        self.requests: dict[str, int] = {}
        self._schema = input_schema or {"type": "object"}
        self._of_request: dict[str, ProvidedAction] = {}
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self._introspect),
                web.post("/run", self._run),
                *(web.get(path, self._status) for path in ("/{id}/status", "/actions/{id}")),
                *(
                    web.post(f"{path}/{verb}", self._handle_verb)
                    for path in ("/{id}", "/actions/{id}")
                    for verb in ("cancel", "resume", "release")
                ),
            ]
        )
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)

    @property
    def last(self) -> ProvidedAction:
        """The action that was run last."""
        return self.actions[-1]

    async def __aenter__(self) -> Self:
        """Begin to serve on a free port of loopback."""
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    async def _introspect(self, _: web.Request) -> web.Response:
        return web.json_response(
            {
                "api_version": "1.0",
                "title": "a fake of taskaction.testing",
                "globus_auth_scope": "https://auth.globus.org/scopes/fake/action_all",
                "admin_contact": "nobody@example.org",
                "synchronous": self.first in _ENDED,
                "log_supported": False,
                "input_schema": self._schema,
                "visible_to": ["public"],
                "runnable_by": ["all_authenticated_users"],
            }
        )

    async def _run(self, request: web.Request) -> web.Response:
        asked = await request.json()
        key = str(asked["request_id"])
        self.requests[key] = self.requests.get(key, 0) + 1
        action = self._of_request.get(key)
        if action is not None:
            return web.json_response(action.document())
        action = ProvidedAction(uuid.uuid4().hex, asked, self.first)
        self._of_request[key] = action
        self.actions.append(action)
        return web.json_response(action.document(), status=202)

    async def _status(self, request: web.Request) -> web.Response:
        return web.json_response(self._find_action(request).document())

    async def _handle_verb(self, request: web.Request) -> web.Response:
        action = self._find_action(request)
        verb = request.path.rpartition("/")[2]
        if verb == "release" and action.status not in _ENDED:
            raise web.HTTPConflict(text="the action has not ended")
        action.told.append(verb)
        if verb == "cancel" and action.status not in _ENDED:
            action.fail({"code": "Cancelled", "description": "cancelled"})
        if verb == "resume" and action.status == "INACTIVE":
            action.status, action.details = "ACTIVE", None
        return web.json_response(action.document())

    def _find_action(self, request: web.Request) -> ProvidedAction:
        for action in self.actions:
            if action.action_id == request.match_info["id"]:
                return action
        raise web.HTTPNotFound(text="there is no such action")
