"""Address and credentials of the API server, from the official client's loaders; makes no requests."""

import asyncio
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any

from kubernetes import config as loaders
from kubernetes.config.config_exception import ConfigException

from taskaction.core.clock import Clock
from taskaction.core.errors import ConfigurationError
from taskaction.core.names import digest

_RENEW_PAUSE = 5.0
_MARK_CHARS = 10
REFRESH_SECONDS = 30.0
"""Interval at which the loader checks the token; it reads files and runs exec plug-ins."""


@dataclass(slots=True)
class _Loaded:
    """Target of the official loaders, which set attributes with these names."""

    host: str = ""
    ssl_ca_cert: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    api_key: dict[str, str] = field(default_factory=dict)
    refresh_api_key_hook: Any = None


class Credentials:
    """Credentials of one account at one API server; the token is refreshed when it rotates."""

    def __init__(self, loaded: _Loaded, clock: Clock, load: Callable[[_Loaded], None]) -> None:
        self._loaded = loaded
        self._clock = clock
        self._load = load
        self._checked = clock.monotonic()
        self._renewed = -_RENEW_PAUSE

    @classmethod
    def load(cls, clock: Clock, *, kubeconfig: Path | None = None, context: str | None = None) -> "Credentials":
        """Load a kubeconfig; without one the pod's service account, otherwise ``~/.kube/config``.

        Raises:
            ConfigurationError: no credentials were found; the message says what to set.
        """
        loaded = _Loaded()
        load = partial(_load, kubeconfig, context)
        load(loaded)
        return cls(loaded, clock, load)

    @property
    def server(self) -> str:
        """URL of the API server, without a trailing slash."""
        return self._loaded.host.rstrip("/")

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the API server: of its CA, or of its address if the CA is one of the system's."""
        authority = self._loaded.ssl_ca_cert
        return digest(self.server.encode() if authority is None else Path(authority).read_bytes())[:_MARK_CHARS]

    def ssl_context(self) -> ssl.SSLContext:
        """Return a context that verifies the server and presents the client certificate, if there is one."""
        context = self.anonymous_ssl_context()
        if self._loaded.cert_file:
            context.load_cert_chain(self._loaded.cert_file, self._loaded.key_file)
        return context

    def anonymous_ssl_context(self) -> ssl.SSLContext:
        """Return a context that verifies the server and presents nothing: the requests are those of other people."""
        context = ssl.create_default_context(cafile=self._loaded.ssl_ca_cert)
        if not self._loaded.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def authorization(self) -> str | None:
        """Return the current Authorization header; None with a client certificate only."""
        return self._loaded.api_key.get("BearerToken")

    async def refresh(self) -> str | None:
        """Return the current Authorization header, after the token was checked again if that is due."""
        if self._clock.monotonic() - self._checked >= REFRESH_SECONDS:
            await self._check()
        return self.authorization()

    async def _check(self) -> None:
        """Refresh the token if it changed or expired; in a thread, since an exec plug-in may be slow."""
        self._checked = self._clock.monotonic()
        hook = self._loaded.refresh_api_key_hook
        if hook is not None:
            await asyncio.to_thread(hook, self._loaded)

    async def on_response(self, code: int) -> None:
        """Load everything again after the server refused the token: a kubeconfig may refer to a file that rotates."""
        if code == HTTPStatus.UNAUTHORIZED:
            with suppress(ConfigurationError):  # the file is being written: the next 401 tries again
                await self._renew()

    async def _renew(self) -> None:
        now = self._clock.monotonic()
        if now - self._renewed < _RENEW_PAUSE:
            return
        self._renewed = now
        fresh = _Loaded()
        await asyncio.to_thread(self._load, fresh)
        self._loaded = fresh


def current_namespace(kubeconfig: Path | None = None, context: str | None = None) -> str:
    """Return the namespace of a context of a kubeconfig, or ``default``.

    Raises:
        ConfigurationError: the kubeconfig cannot be read, or has no such context.
    """
    try:
        contexts, current = loaders.list_kube_config_contexts(str(kubeconfig) if kubeconfig is not None else None)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError) as error:
        raise ConfigurationError(f"invalid kubeconfig: {error}") from error
    chosen = next((one for one in contexts if one["name"] == context), None) if context else current
    if chosen is None:
        known = ", ".join(one["name"] for one in contexts) or "none"
        raise ConfigurationError(f"context {context!r} not found in the kubeconfig; available: {known}")
    return str(chosen["context"].get("namespace") or "default")


def _load(kubeconfig: Path | None, context: str | None, loaded: _Loaded) -> None:
    try:
        if kubeconfig is not None:
            loaders.load_kube_config(str(kubeconfig), context, loaded)  # type: ignore[no-untyped-call]
        else:
            _load_default(loaded, context)
    except (ConfigException, OSError, ValueError) as error:
        raise ConfigurationError(
            f"no API server configured: {error}; set KUBECONFIG to a kubeconfig file, or run in a pod with a "
            "service account"
        ) from error


def _load_default(loaded: _Loaded, context: str | None) -> None:
    try:
        loaders.load_incluster_config(loaded)  # type: ignore[no-untyped-call]
    except ConfigException:
        loaders.load_kube_config(None, context, loaded)  # type: ignore[no-untyped-call]
