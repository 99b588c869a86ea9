"""Where the API server is and who we are to it, read by the official client's own loaders; makes no requests."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
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
"""How often the loader is asked whether the token is still good; it reads files and runs exec plug-ins."""


@dataclass(slots=True)
class _Loaded:
    """What the official loaders fill in: they set attributes by these names."""

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
    """One account at one API server; its token is renewed as it rotates."""

    def __init__(self, loaded: _Loaded, clock: Clock, load: Callable[[_Loaded], None]) -> None:
        self._loaded = loaded
        self._clock = clock
        self._load = load
        self._checked = clock.monotonic()
        self._renewed = -_RENEW_PAUSE

    @classmethod
    def load(cls, clock: Clock, *, kubeconfig: Path | None = None, context: str | None = None) -> "Credentials":
        """Read a kubeconfig, or where none is named the pod's own service account, or else ``~/.kube/config``.

        Raises:
            ConfigurationError: nothing usable is there; the message says what to set.
        """
        loaded = _Loaded()
        load = partial(_load, kubeconfig, context)
        load(loaded)
        return cls(loaded, clock, load)

    @property
    def server(self) -> str:
        """The API server's URL without a trailing slash."""
        return self._loaded.host.rstrip("/")

    @property
    def mark(self) -> str:
        """What tells this API server from others: its authority, or its address where that is the system's."""
        authority = self._loaded.ssl_ca_cert
        return digest(self.server.encode() if authority is None else Path(authority).read_bytes())[:_MARK_CHARS]

    def ssl_context(self) -> ssl.SSLContext:
        """Give a context that verifies the server and presents the client certificate, if there is one."""
        context = ssl.create_default_context(cafile=self._loaded.ssl_ca_cert)
        if self._loaded.cert_file:
            context.load_cert_chain(self._loaded.cert_file, self._loaded.key_file)
        if not self._loaded.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def authorization(self) -> str | None:
        """Give the present Authorization header, None where the client certificate is all there is."""
        return self._loaded.api_key.get("BearerToken")

    @property
    def stale(self) -> bool:
        """True when it is time to ask whether the token is still good."""
        return self._clock.monotonic() - self._checked >= REFRESH_SECONDS

    async def refresh(self) -> None:
        """Read the token anew where it has changed or expired; off the loop, since a plug-in may take its time."""
        self._checked = self._clock.monotonic()
        hook = self._loaded.refresh_api_key_hook
        if hook is not None:
            await asyncio.to_thread(hook, self._loaded)

    async def renew(self) -> None:
        """Read everything anew, since the server has refused the token: a kubeconfig may name a file that rotates."""
        now = self._clock.monotonic()
        if now - self._renewed < _RENEW_PAUSE:
            return
        self._renewed = now
        fresh = _Loaded()
        await asyncio.to_thread(self._load, fresh)
        self._loaded = fresh


def current_namespace(kubeconfig: Path | None = None, context: str | None = None) -> str:
    """Give the namespace of a context of a kubeconfig, ``default`` where it names none.

    Raises:
        ConfigurationError: the kubeconfig cannot be read, or has no such context.
    """
    try:
        contexts, current = loaders.list_kube_config_contexts(str(kubeconfig) if kubeconfig is not None else None)  # type: ignore[no-untyped-call]
    except (ConfigException, OSError, ValueError) as error:
        raise ConfigurationError(f"the kubeconfig cannot be read: {error}") from error
    chosen = next((one for one in contexts if one["name"] == context), None) if context else current
    if chosen is None:
        known = ", ".join(one["name"] for one in contexts) or "none"
        raise ConfigurationError(f"the kubeconfig has no context {context!r}; there are {known}")
    return str(chosen["context"].get("namespace") or "default")


def _load(kubeconfig: Path | None, context: str | None, loaded: _Loaded) -> None:
    try:
        if kubeconfig is not None:
            loaders.load_kube_config(str(kubeconfig), context, loaded)  # type: ignore[no-untyped-call]
        else:
            _load_default(loaded, context)
    except (ConfigException, OSError, ValueError) as error:
        raise ConfigurationError(
            f"no way to an API server: {error}; set KUBECONFIG to a kubeconfig file, or run in a pod with a "
            "service account"
        ) from error


def _load_default(loaded: _Loaded, context: str | None) -> None:
    try:
        loaders.load_incluster_config(loaded)  # type: ignore[no-untyped-call]
    except ConfigException:
        loaders.load_kube_config(None, context, loaded)  # type: ignore[no-untyped-call]
