"""Viewers: signed-in people with their own credentials, the rights that these have, and their sessions."""

import asyncio
import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Protocol

from taskaction.cluster.gateway import SELF_SUBJECT_ACCESS_REVIEWS, SELF_SUBJECT_REVIEWS, Cluster, Resource, TextClient
from taskaction.cluster.reviews import ReviewCache
from taskaction.core.clock import Clock
from taskaction.services.console.errors import PageError
from taskaction.services.console.rows import KINDS
from taskaction.services.console.scopes import ViewScope

_ACCOUNT = "system:serviceaccount:"


class ViewerApi(Cluster, TextClient, Protocol):
    """API server operations that pages and acts need, as the user."""


class Viewer:
    """Person who looks at pages; everything but the rows of lists is read, and all is done, with their credentials."""

    def __init__(
        self, name: str, cluster: ViewerApi, clock: Clock, *, home: str = "", leave: Callable[[], None] = lambda: None
    ) -> None:
        """``home`` is the namespace that pages show first, if not all; ``leave`` releases the credentials."""
        self.name = name
        self.home = home or (name.split(":")[2] if name.startswith(_ACCOUNT) else "")
        self.cluster = cluster
        self.leave = leave
        self._reviews: ReviewCache[bool] = ReviewCache(clock)

    async def can(self, verb: str, resource: Resource, namespace: str, name: str = "") -> bool:
        """Whether the API server grants a verb, on all objects of a kind or on one; raises ``ClusterError``."""
        attributes = {
            "verb": verb, "group": resource.group, "resource": resource.plural, "namespace": namespace, "name": name,
        }  # fmt: skip
        kind = SELF_SUBJECT_ACCESS_REVIEWS

        async def ask() -> bool:
            body = {"apiVersion": kind.api_version, "kind": kind.kind, "spec": {"resourceAttributes": attributes}}
            answer = await self.cluster.create(kind, body)
            return bool((answer.get("status") or {}).get("allowed"))

        return await self._reviews.get(tuple(attributes.values()), ask)

    async def resolve_scope(self, namespaces: Iterable[str]) -> ViewScope | None:
        """Return what the person may list in some namespaces, or in all if none is named.

        None means that they may not list in all namespaces, and so have to name some.

        Raises:
            PageError: they may list nothing in one of the namespaces; the message is the same whether it exists.
            ClusterError: the API server does not answer.
        """
        places = tuple(namespaces) or ("",)
        asked = [(place, kind) for place in places for kind in KINDS]
        answers = await asyncio.gather(*(self.can("list", kind, place) for place, kind in asked))
        found: dict[str, set[str]] = {place: set() for place in places}
        for (place, kind), allowed in zip(asked, answers, strict=True):
            if allowed:
                found[place].add(kind.kind)
        for place, kinds in found.items():
            if not kinds and not place:
                return None
            if not kinds:
                raise PageError(
                    HTTPStatus.FORBIDDEN,
                    f"{self.name} may not list taskactions.taskaction.dev in namespace {place!r}: "
                    "ask an administrator for a RoleBinding that grants it",
                )
        return ViewScope({place: frozenset(kinds) for place, kinds in found.items()})


async def find_name(cluster: Cluster) -> str:
    """Return whose credentials a client has; raises ``ClusterError`` if the API server does not accept them."""
    kind = SELF_SUBJECT_REVIEWS
    answer = await cluster.create(kind, {"apiVersion": kind.api_version, "kind": kind.kind})
    info: Mapping[str, str] = (answer.get("status") or {}).get("userInfo") or {}
    return info.get("username", "")


@dataclass(slots=True, eq=False)
class BrowserSession:
    """BrowserSession of a browser.

    Attributes:
        csrf: secret of its forms.
        namespaces: namespaces that the person has looked at last, for links that name none.
    """

    viewer: Viewer
    begun: float
    used: float
    csrf: str = field(default_factory=lambda: token_urlsafe(32))
    namespaces: tuple[str, ...] = ()
    streams: int = 0
    is_closed: bool = False

    def owns_form(self, secret: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(secret.encode(), self.csrf.encode())


class SessionStore:
    """Sessions by the key in the browser's cookie; a restart ends all, since credentials are only in memory."""

    def __init__(self, clock: Clock, *, duration: float, idle: float, limit: int) -> None:
        """``duration`` and ``idle`` are in seconds."""
        self._clock = clock
        self._duration = duration
        self._idle = idle
        self._limit = limit
        self._sessions: dict[str, BrowserSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def open(self, viewer: Viewer) -> str:
        """Begin a session and return its key; raises ``PageError`` if there are too many."""
        self.sweep()
        if len(self._sessions) >= self._limit:
            viewer.leave()
            raise PageError(HTTPStatus.SERVICE_UNAVAILABLE, "too many people are signed in: try again later")
        key, now = token_urlsafe(32), self._clock.monotonic()
        self._sessions[key] = BrowserSession(viewer, now, now)
        return key

    def find(self, key: str) -> BrowserSession | None:
        """Return the session of a key, and count it as used; None if there is none, or it is over."""
        found = self._sessions.get(key)
        if found is None:
            return None
        if self._is_over(found):
            self.close(key)
            return None
        found.used = self._clock.monotonic()
        return found

    def close(self, key: str) -> None:
        """End a session."""
        found = self._sessions.pop(key, None)
        if found is not None:
            found.is_closed = True
            found.viewer.leave()

    def close_all(self) -> None:
        """End all sessions."""
        for key in tuple(self._sessions):
            self.close(key)

    def sweep(self) -> None:
        """End the sessions that are over."""
        for key in [key for key, one in self._sessions.items() if self._is_over(one)]:
            self.close(key)

    def _is_over(self, session: BrowserSession) -> bool:
        now = self._clock.monotonic()
        return now - session.begun >= self._duration or now - session.used >= self._idle
