"""Ways to sign in: with a token that is pasted, or with the one-time key of a local console."""

import asyncio
import hmac
from collections.abc import Callable
from http import HTTPStatus
from secrets import token_urlsafe
from typing import Protocol

from taskaction.cluster.errors import ClusterError, ForbiddenError, UnauthorizedError
from taskaction.core.clock import Clock
from taskaction.services.console.errors import PageError
from taskaction.services.console.viewers import Viewer, ViewerApi, find_name

_TOKEN_CHARS = 16_384
_CONCURRENT = 8
"""Tokens that are checked at the same time: anybody can ask for that."""


class SignIn(Protocol):
    """Way to sign in.

    Attributes:
        asks_for_token: whether the page has a field for a token.
    """

    asks_for_token: bool

    async def admit(self, secret: str) -> Viewer:
        """Return the person for a secret; raises ``PageError``."""


class TokenSignIn:
    """Sign-in with a token of the API server, which says whose it is."""

    asks_for_token = True

    def __init__(self, connect: Callable[[str], tuple[ViewerApi, Callable[[], None]]], clock: Clock) -> None:
        """``connect`` returns a client that acts with a token, and the function that releases it."""
        self._connect = connect
        self._clock = clock
        self._checks = asyncio.Semaphore(_CONCURRENT)

    async def admit(self, secret: str) -> Viewer:
        """Return the person whose token it is."""
        token = secret.strip()
        if not token or len(token) > _TOKEN_CHARS or not token.isascii() or not token.isprintable() or " " in token:
            raise PageError(HTTPStatus.BAD_REQUEST, "token: paste one token, such as kubectl create token prints it")
        cluster, leave = self._connect(token)
        try:
            async with self._checks:
                name = await find_name(cluster)
        except (UnauthorizedError, ForbiddenError) as error:
            leave()
            raise PageError(
                HTTPStatus.UNAUTHORIZED, "token: the API server does not accept it, or it has expired: get a new one"
            ) from error
        except ClusterError:
            leave()
            raise
        return Viewer(name, cluster, self._clock, leave=leave)


class KeySignIn:
    """Sign-in of a local console, once, with the key in the address that its command prints."""

    asks_for_token = False

    def __init__(self, cluster: ViewerApi, clock: Clock, home: str) -> None:
        """``home`` is the namespace of the kubeconfig's context."""
        self._cluster = cluster
        self._home = home
        self._clock = clock
        self.key = token_urlsafe(32)

    async def admit(self, secret: str) -> Viewer:
        """Return the person whose kubeconfig it is; the key is then used up."""
        if not self.key or not hmac.compare_digest(secret.encode(), self.key.encode()):
            raise PageError(
                HTTPStatus.UNAUTHORIZED,
                "the address was used before, or is wrong: run taskaction console again",
            )
        self.key = ""
        return Viewer(await find_name(self._cluster), self._cluster, self._clock, home=self._home)
