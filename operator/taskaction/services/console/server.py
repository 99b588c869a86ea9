"""HTTP server of the console: knows requests, cookies and responses; pages know neither."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from aiohttp import web

from taskaction.cluster.errors import ClusterError, UnavailableError
from taskaction.core.clock import Clock
from taskaction.runtime.connections import ConnectionLimits
from taskaction.runtime.listening import ListenAddress, start_sites
from taskaction.services.console.acts import do_act
from taskaction.services.console.browsers import HEADERS, BrowserRules, comes_from_elsewhere
from taskaction.services.console.errors import PageError, SignInError, explain_error
from taskaction.services.console.html import Pages
from taskaction.services.console.lists import ListPages
from taskaction.services.console.objects import ObjectPages, fetch_object, find_resource
from taskaction.services.console.recorder import ConsoleRecorder
from taskaction.services.console.rows import RowIndex
from taskaction.services.console.signing_in import SignIn
from taskaction.services.console.streams import ChangeStream, StreamLimits, send_logs
from taskaction.services.console.viewers import BrowserSession, SessionStore
from taskaction.services.console.views import Page, PageRequest

_BODY_BYTES = 128 * 1024
_OBJECT = "/namespaces/{namespace}/{plural}/{name}"
_EVENTS = "text/event-stream"
_YEAR_SECONDS = 31_536_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleServerSettings:
    """What the server is told.

    Attributes:
        bind: address and port, and the setting that chose them.
        streams: maximum number of streams; ``streams_per_session`` is that of one session.
        cluster: name of the cluster, for people.
    """

    bind: ListenAddress
    connections: ConnectionLimits
    rules: BrowserRules
    streams: int
    streams_per_session: int
    read_only: bool
    cluster: str


@dataclass(slots=True)
class _PageExchange:
    """What is known of a request while it is answered."""

    who: str = ""
    session: BrowserSession | None = None
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[web.Request, _PageExchange], Awaitable[web.StreamResponse]]
"""Function that answers a request; it raises the errors of pages."""


class ConsoleServer:
    """HTTP server of the pages."""

    def __init__(
        self,
        settings: ConsoleServerSettings,
        index: RowIndex,
        sessions: SessionStore,
        sign_in: SignIn,
        recorder: ConsoleRecorder,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._rules = settings.rules
        self._sessions = sessions
        self._sign_in = sign_in
        self._recorder = recorder
        self._clock = clock
        self._pages = Pages(clock)
        self._changes = ChangeStream(index, clock)
        self._limits = StreamLimits(settings.streams, settings.streams_per_session, recorder)
        lists, objects = ListPages(index, clock), ObjectPages(index, clock, read_only=settings.read_only)
        app = web.Application(client_max_size=_BODY_BYTES)
        app.add_routes(
            [
                web.get("/", self._serve("overview", self._page(lists.overview))),
                web.get("/actions", self._serve("list", self._page(lists.list))),
                web.get("/approvals", self._serve("approvals", self._page(lists.approvals))),
                web.get(_OBJECT, self._serve("object", self._page(objects.show))),
                web.get(f"{_OBJECT}/logs", self._serve("logs", self._logs), allow_head=False),
                web.post(f"{_OBJECT}/{{act}}", self._serve("act", self._act)),
                web.get("/sign-in", self._serve("sign-in", self._show_sign_in)),
                web.post("/sign-in", self._serve("sign-in", self._begin_session)),
                web.get("/open/{key}", self._serve("open", self._open), allow_head=False),
                web.post("/sign-out", self._serve("sign-out", self._end_session)),
                web.get("/static/{version}/{file}", self._serve("static", self._file)),
                web.route("*", "/{other:.*}", self._serve("other", _refuse_address)),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False, shutdown_timeout=5.0)

    async def start(self) -> None:
        """Listen; raises ``ConfigurationError`` if the address is not available."""
        await start_sites(self._runner, self._settings.bind, self._settings.connections)

    async def stop(self) -> None:
        """Stop listening, end streams, and wait for requests in progress."""
        self._changes.close()
        await self._runner.cleanup()

    def _serve(
        self, page: str, answer: Callable[[web.Request, _PageExchange], Awaitable[web.StreamResponse]]
    ) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            started, exchange, why = self._clock.monotonic(), _PageExchange(), ""
            try:
                self._rules.check_host(request.headers.get("Host", ""))
                response = await answer(request, exchange)
            except Exception as error:  # noqa: BLE001 - whatever it is, the browser gets a page
                response, why = self._refuse(request, exchange, error)
            if not response.prepared:
                for name, value in {**HEADERS, **exchange.headers}.items():
                    response.headers.setdefault(name, value)
            self._recorder.on_answered(page, exchange.who, response.status, why, self._clock.monotonic() - started)
            return response

        return handle

    def _page(self, page: Page) -> Answer:
        """Return the answer that renders a page, or streams when it is out of date."""

        async def answer(request: web.Request, exchange: _PageExchange) -> web.StreamResponse:
            session = self._authenticate(request, exchange)
            asked = PageRequest(session=session, query=list(request.query.items()), path=request.match_info)
            view = await page(asked)
            if _EVENTS not in request.headers.get("Accept", ""):
                return self._html(view.template, {**view.values, "title": view.title, "live": True}, session=session)
            with self._limits.counted(session) as admitted:
                if not admitted:  # the browser does not ask again
                    return web.Response(status=HTTPStatus.NO_CONTENT)
                return await self._changes.send(request, session, view, lambda: page(asked))

        return answer

    async def _logs(self, request: web.Request, exchange: _PageExchange) -> web.StreamResponse:
        session = self._authenticate(request, exchange)
        body = await fetch_object(session.viewer, request.match_info)
        with self._limits.counted(session) as admitted:
            if not admitted:
                return web.Response(status=HTTPStatus.NO_CONTENT)
            metadata = body["metadata"]
            return await send_logs(request, session.viewer, metadata["uid"], metadata["namespace"])

    async def _act(self, request: web.Request, exchange: _PageExchange) -> web.StreamResponse:
        session = self._authenticate(request, exchange)
        form = await self._read_form(request, session)
        if self._settings.read_only:
            raise PageError(HTTPStatus.FORBIDDEN, "the console is read-only: use the command line")
        where, act = request.match_info, request.match_info["act"]
        find_resource(where["plural"])
        target = await do_act(session.viewer, await fetch_object(session.viewer, where), act, form)
        self._recorder.on_acted(exchange.who, act, where["plural"], where["namespace"], where["name"])
        return _redirect(target)

    async def _show_sign_in(self, request: web.Request, exchange: _PageExchange) -> web.StreamResponse:  # noqa: ARG002
        return self._html("sign_in.html", {"title": "Sign in", "problem": "", "next": request.query.get("next", "")})

    async def _begin_session(self, request: web.Request, exchange: _PageExchange) -> web.StreamResponse:
        self._rules.check_origin(request.headers)
        form = await request.post()
        target = local_path(str(form.get("next", "")))
        if not self._sign_in.asks_for_token:
            raise PageError(HTTPStatus.NOT_FOUND, "open the address that taskaction console printed")
        try:
            return await self._start(exchange, str(form.get("token", "")), target)
        except PageError as error:
            exchange.who = "nobody"
            values = {"title": "Sign in", "problem": str(error), "next": target}
            return self._html("sign_in.html", values, status=error.status)

    async def _open(self, request: web.Request, exchange: _PageExchange) -> web.StreamResponse:
        if self._sign_in.asks_for_token:
            return await _refuse_address(request, exchange)
        return await self._start(exchange, request.match_info["key"], "/")

    async def _start(self, exchange: _PageExchange, secret: str, target: str) -> web.StreamResponse:
        viewer = await self._sign_in.admit(secret)
        key = self._sessions.open(viewer)
        exchange.who = viewer.name
        self._recorder.on_signed_in(viewer.name)
        response = _redirect(target)
        response.set_cookie(
            self._rules.cookie, key, path="/", httponly=True, samesite="Strict", secure=self._rules.secure
        )
        return response

    async def _end_session(self, request: web.Request, exchange: _PageExchange) -> web.StreamResponse:
        session = self._authenticate(request, exchange)
        await self._read_form(request, session)
        self._sessions.close(request.cookies.get(self._rules.cookie, ""))
        response = _redirect("/sign-in")
        response.del_cookie(self._rules.cookie, path="/", httponly=True, samesite="Strict", secure=self._rules.secure)
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
        return response

    async def _file(self, request: web.Request, exchange: _PageExchange) -> web.StreamResponse:
        found = self._pages.files.get(request.match_info["file"])
        if found is None:
            return await _refuse_address(request, exchange)
        exchange.headers["Cache-Control"] = f"public, max-age={_YEAR_SECONDS}, immutable"
        response = web.Response(body=found[0], content_type=found[1], charset="utf-8")
        response.enable_compression()
        return response

    def _authenticate(self, request: web.Request, exchange: _PageExchange) -> BrowserSession:
        session = self._sessions.find(request.cookies.get(self._rules.cookie, ""))
        if session is None:
            raise SignInError("")
        exchange.session, exchange.who = session, session.viewer.name
        return session

    async def _read_form(self, request: web.Request, session: BrowserSession) -> Mapping[str, str]:
        """Return a form that a page of this session has sent; raises ``PageError`` for any other."""
        self._rules.check_origin(request.headers)
        form = {name: str(value) for name, value in (await request.post()).items()}
        if not session.owns_form(form.get("csrf", "")):
            raise PageError(HTTPStatus.FORBIDDEN, "the form is of another session: load the page again")
        return form

    def _refuse(self, request: web.Request, exchange: _PageExchange, error: Exception) -> tuple[web.Response, str]:
        """Return the response to a request that cannot be answered, and the reason for the log."""
        found = explain_error(error) if isinstance(error, ClusterError) else error
        if isinstance(error, UnavailableError) and not isinstance(found, SignInError):
            self._recorder.on_task_failed("answer a request", error)
        if isinstance(found, SignInError):
            self._sessions.close(request.cookies.get(self._rules.cookie, ""))
            return self._ask_to_sign_in(request, str(found)), str(found) or "not signed in"
        if isinstance(found, web.HTTPException):
            found = PageError(HTTPStatus(found.status), found.reason)
        if not isinstance(found, PageError):
            self._recorder.on_task_failed("answer a request", error)
            found = PageError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal error; see the log of the console")
        values = {"title": found.status.phrase, "status": found.status, "problem": str(found)}
        return self._html("error.html", values, session=exchange.session, status=found.status), str(found)

    def _ask_to_sign_in(self, request: web.Request, why: str) -> web.Response:
        if request.method != "GET" or _EVENTS in request.headers.get("Accept", ""):
            return web.Response(status=HTTPStatus.UNAUTHORIZED, text=why or "sign in first")
        if comes_from_elsewhere(request.headers):
            return self._html("reload.html", {"title": "Open the page"})
        values = {"title": "Sign in", "problem": why, "next": request.path_qs}
        return self._html("sign_in.html", values, status=HTTPStatus.UNAUTHORIZED)

    def _html(
        self,
        template: str,
        values: Mapping[str, Any],
        *,
        session: BrowserSession | None = None,
        status: int = HTTPStatus.OK,
    ) -> web.Response:
        shared = {
            "live": False,
            "cluster": self._settings.cluster,
            "read_only": self._settings.read_only,
            "asks_for_token": self._sign_in.asks_for_token,
            "viewer": session.viewer.name if session is not None else "",
            "csrf": session.csrf if session is not None else "",
            "here": session.namespaces if session is not None else (),
        }
        text = self._pages.render(template, {**shared, **values})
        response = web.Response(status=status, text=text, content_type="text/html")
        response.enable_compression()
        return response


async def _refuse_address(request: web.Request, exchange: _PageExchange) -> web.StreamResponse:  # noqa: ARG001
    raise PageError(HTTPStatus.NOT_FOUND, "there is no such page: begin with the overview")


def _redirect(target: str) -> web.Response:
    return web.Response(status=HTTPStatus.SEE_OTHER, headers={"Location": target})


def local_path(text: str) -> str:
    """Return a path of this console; the overview for anything else, which may lead to another site."""
    is_local = text.startswith("/") and not text.startswith(("//", "/\\")) and text.isprintable() and text.isascii()
    return text if is_local else "/"
