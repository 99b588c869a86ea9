"""The server's certificate, read again when its files change: it is renewed long before the process ends."""

import os
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path

from hypercorn.config import Config, Sockets

from taskaction.core.clock import Clock
from taskaction.core.errors import ConfigurationError

LOOK_SECONDS = 60.0
_CERTIFICATE, _KEY, _CLIENTS = (f"TASKACTION_ACTIONS_TLS_{name}_FILE" for name in ("CERT", "KEY", "CLIENT_CA"))


class TlsConfig(Config):
    """hypercorn's settings, which keep the context that its connections begin with.

    Attributes:
        context: how TLS is spoken; None without a certificate, and before the server has begun.
        listening: the sockets to accept connections from.
    """

    context: ssl.SSLContext | None = None
    listening: Sequence[socket.socket] = ()

    def create_sockets(self) -> Sockets:
        """Return the listening sockets; hypercorn's own would have no limits."""
        opened = list(self.listening)
        return Sockets(opened, [], []) if self.ssl_enabled else Sockets([], opened, [])

    def create_ssl_context(self) -> ssl.SSLContext | None:
        """Return the context; raises ``ConfigurationError``."""
        try:
            self.context = super().create_ssl_context()
        except OSError as error:
            raise ConfigurationError(f"{_CERTIFICATE}, {_KEY} or {_CLIENTS}: cannot be read: {error}") from error
        return self.context


class CertificateReloader:
    """Reloader that checks the files periodically; existing connections keep their certificate."""

    def __init__(self, config: TlsConfig, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._config = config
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._files = tuple(file for file in (certificate, key, client_ca) if file is not None)
        self._seen = _state(self._files)

    async def run(self, clock: Clock, failed: Callable[[str, BaseException], None]) -> None:
        """Check until cancelled; report unreadable files to ``failed``, and keep using the last good ones."""
        while True:
            await clock.sleep(LOOK_SECONDS)
            try:
                self._reload_if_changed()
            except OSError as error:
                failed("renewal of the certificate", error)

    def _reload_if_changed(self) -> None:
        found = _state(self._files)
        if found == self._seen or self._config.context is None:
            return
        # A pair that does not fit, since it is being written, must not get halfway into the context that is in use.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
        self._config.context.load_cert_chain(self._certificate, self._key)
        if self._client_ca is not None:
            self._config.context.load_verify_locations(self._client_ca)
        self._seen = found


def _state(files: Sequence[Path]) -> tuple[tuple[int, ...], ...]:
    """Return what changes with the files; a Secret's are links, of which the target changes."""
    return tuple((found.st_ino, found.st_mtime_ns, found.st_size) for found in map(os.stat, files))
