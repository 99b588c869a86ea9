"""A stand-in for Port's run API: visibility, acknowledgement, reports and tokens as the real one's client expects them.

What its answers do not show (which acknowledgement was the first, whether a run ended twice) it keeps for the test.
"""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
from aiohttp import web

ACTION, NODE = "action", "workflow_node"
CLIENT_ID, CLIENT_SECRET = "machine", "s3cret-of-the-machine"
INSTALLATION = "cluster-a"
ENDS = {"SUCCESS", "FAILURE"}


@dataclass
class Run:
    """One run as Port knows it.

    Attributes:
        acknowledged: how many acknowledgements were accepted; more than one is possible only without a fence.
        ends: every end that was reported, in its order.
    """

    kind: str
    id: str
    bucket: str
    item: Any
    installation: str = INSTALLATION
    visible_at: float = 0.0
    handed_out: int = 0
    acknowledged: int = 0
    conflicts: int = 0
    status: str = "IN_PROGRESS"
    label: str | None = None
    summary: str | None = None
    output: dict[str, Any] | None = None
    external_id: str | None = None
    links: list[str] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """True when an end was reported."""
        return bool(self.ends)


@dataclass
class Fault:
    """How the next requests for something go wrong.

    Attributes:
        what: ``claim-pending``, ``ack``, ``logs``, ``patch`` or ``access_token``, or the path of one run.
        how: gives the answer instead of the server's own; None loses the server's own on the way back.
        after: the request is done first.
    """

    what: str
    how: Callable[[], web.Response] | None
    after: bool = False
    slow: float = 0.0


@dataclass
class PortServer:
    """Serves while the block lasts.

    Attributes:
        honours_exclude: whether claims leave out what they are asked to.
        honours_visibility: whether a claimed run is hidden for a while.
        fenced: whether an acknowledged run is handed out no more, and cannot be acknowledged again.
        final: whether reports to a run that has ended are refused with 409.
        requests: how often each thing was asked for, with the answer's code.
        violations: what no client may do.
    """

    honours_exclude: bool = True
    honours_visibility: bool = True
    fenced: bool = True
    final: bool = True
    token_seconds: float = 10_800.0
    host: str = "127.0.0.1"
    port: int = 0
    url: str = ""
    now: Callable[[], float] = time.monotonic
    runs: dict[str, Run] = field(default_factory=dict)
    raw: dict[str, list[Any]] = field(default_factory=lambda: {ACTION: [], NODE: []})
    faults: list[Fault] = field(default_factory=list)
    requests: Counter[tuple[str, int]] = field(default_factory=Counter)
    claims: list[dict[str, Any]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    _tokens: dict[str, float] = field(default_factory=dict)
    _issued: int = 0

    # -- what tests do ------------------------------------------------------------------------------------------------

    def add(
        self, run_id: str, action_type: str, properties: Any = None, *, kind: str = ACTION, bucket: str = "b"
    ) -> Run:
        """Let somebody start a run."""
        config = {
            "type": "INTEGRATION_ACTION",
            "installationId": INSTALLATION,
            "integrationActionType" if kind == ACTION else "integrationInvocationType": action_type,
            "integrationActionExecutionProperties": properties or {},
        }
        item = {"status": "IN_PROGRESS", "createdBy": "somebody"}
        if kind == ACTION:
            item |= {"id": run_id, "payload": config, "action": {"identifier": bucket}}
        else:
            item |= {"identifier": run_id, "nodeUid": bucket, "config": config | {"integrationProvider": "x"}}
        self.runs[run_id] = Run(kind=kind, id=run_id, bucket=bucket, item=item)
        return self.runs[run_id]

    def fail(self, what: str, *codes: int, after: bool = False, headers: dict[str, str] | None = None) -> None:
        """Let the next requests for something be answered with these codes."""
        for code in codes:
            self.faults.append(Fault(what, lambda code=code: web.Response(status=code, headers=headers), after))

    def lose(self, what: str, times: int = 1) -> None:
        """Do what the next requests ask for, and lose the answers."""
        self.faults += [Fault(what, None, after=True) for _ in range(times)]

    def drop(self, what: str, times: int = 1) -> None:
        """Lose the next requests."""
        self.faults += [Fault(what, None) for _ in range(times)]

    def revoke(self) -> None:
        """Take every token back."""
        self._tokens.clear()

    def asked(self, what: str) -> int:
        """Give how often something was asked for."""
        return sum(count for (name, _), count in self.requests.items() if name == what)

    # -- serving ------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port)
        await site.start()
        self.url = f"http://{self.host}:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @contextmanager
    def in_thread(self) -> Iterator[Self]:
        """Serve from a thread of its own, for tests that wait for processes."""
        loop = asyncio.new_event_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self.__aenter__(), loop).result(10)
            yield self
            asyncio.run_coroutine_threadsafe(self.__aexit__(), loop).result(10)
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(10)
            loop.close()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        what = _what(request.path)
        fault = self._fault(what, request.path)
        answer: web.Response | None = None
        if fault is None or fault.after:
            answer = self._serve(request, what, body)
        if fault is not None:
            await asyncio.sleep(fault.slow)
            if fault.how is not None:
                answer = fault.how()
            elif not fault.slow:
                answer = None
        self.requests[what, answer.status if answer is not None else 0] += 1
        if answer is None:
            assert request.transport
            request.transport.abort()
            return web.Response()
        return answer

    def _fault(self, what: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.what in {what, path}:
                self.faults.remove(fault)
                return fault
        return None

    def _serve(self, request: web.BaseRequest, what: str, content: bytes) -> web.Response:
        body = orjson.loads(content)
        if what == "access_token":
            return self._token(body)
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if self._tokens.get(token, 0.0) <= self.now():
            return web.json_response({"error": "unauthorized"}, status=401)
        if what in {"claim-pending", "ack"} and request.headers.get("x-port-reserved-usage") != "true":
            return web.json_response({"error": "reserved"}, status=403)
        kind = ACTION if request.path.startswith("/v1/actions/") else NODE
        if what in {"claim-pending", "ack"}:
            return self._claim(kind, body) if what == "claim-pending" else self._acknowledge(kind, body)
        return self._reported(kind, request.path.split("/"), what, body)

    def _reported(self, kind: str, parts: list[str], what: str, body: Any) -> web.Response:
        run = self.runs.get(parts[-2] if what == "logs" else parts[-1])
        if run is None or run.kind != kind:
            return web.json_response({"error": "not_found"}, status=404)
        if not run.acknowledged:
            self.violations.append(f"{run.id} was reported on before it was acknowledged: {body}")
        return self._logged(run, body) if what == "logs" else self._patched(run, body)

    def _token(self, body: Any) -> web.Response:
        if body != {"clientId": CLIENT_ID, "clientSecret": CLIENT_SECRET}:
            return web.json_response({"error": "unauthorized", "sent": body}, status=401)
        self._issued += 1
        self._tokens[f"token-{self._issued}"] = self.now() + self.token_seconds
        answer = {"accessToken": f"token-{self._issued}", "expiresIn": self.token_seconds, "tokenType": "Bearer"}
        return web.json_response(answer)

    def _claim(self, kind: str, body: Any) -> web.Response:
        self.claims.append({"kind": kind, **body})
        exclude = set(body.get("exclude", ())) if self.honours_exclude else set()
        now = self.now()
        found = [
            run
            for run in self.runs.values()
            if run.kind == kind
            and run.installation == body["installationId"]
            and run.bucket not in exclude
            and not (self.fenced and (run.acknowledged or run.over))
            and (run.visible_at <= now or not self.honours_visibility)
        ][: body["limit"]]
        for run in found:
            run.visible_at = now + body["visibilityTimeoutMs"] / 1000
            run.handed_out += 1
        items = [*self.raw[kind], *(run.item for run in found)]
        return web.json_response({"ok": True, "runs" if kind == ACTION else "nodeRuns": items})

    def _acknowledge(self, kind: str, body: Any) -> web.Response:
        run = self.runs.get(body["runId"] if kind == ACTION else body["nodeRunIdentifier"])
        if run is None or run.kind != kind:
            return web.json_response({"error": "not_found"}, status=404)
        if self.fenced and run.acknowledged:
            run.conflicts += 1
            return web.json_response({"error": "already_acknowledged"}, status=409)
        run.acknowledged += 1
        return web.json_response({"ok": True})

    def _logged(self, run: Run, body: Any) -> web.Response:
        if run.kind == NODE:
            run.logs += [f"{line['level']} {line['message']}" for line in body["logs"]]
        else:
            run.logs.append(body["message"])
            run.label = body.get("statusLabel", run.label)
        return web.json_response({"ok": True}, status=201)

    def _patched(self, run: Run, body: Any) -> web.Response:
        end = body.get("result") if run.kind == NODE else body.get("status")
        if run.over and self.final:
            return web.json_response({"error": "run_has_ended"}, status=409)
        if run.kind == NODE:
            label = body.get("statusLabel", {}).get("text")
            run.output = body.get("output", run.output)
            run.links = body.get("links", run.links)
            ends = body.get("status") == "COMPLETED"
        else:
            label = body.get("statusLabel")
            link = body.get("link", run.links)
            run.links = [link] if isinstance(link, str) else link
            run.summary = body.get("summary", run.summary)
            ends = end in ENDS
        run.label = label or run.label
        run.external_id = body.get("externalRunId", run.external_id)
        if ends:
            run.ends.append(end)
            run.status = end
        return web.json_response({"ok": True})


def _what(path: str) -> str:
    last = path.rsplit("/", 1)[1]
    return last if last in {"claim-pending", "ack", "logs", "access_token"} else "patch"
