"""Where the credentials come from: a pod's service account, a kubeconfig, an exec plug-in; renews tokens."""

import asyncio
import json
import os
import ssl
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taskaction_client.errors import ConfigurationError
from taskaction_client.kubeconfig import Account, ExecPlugin, read_kubeconfig
from taskaction_client.proxies import find_proxy

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_SECONDS = 60.0
"""How long a token that was read from a file is used; the kubelet replaces the file long before the token expires."""
EXPIRY_MARGIN_SECONDS = 30.0
PLUGIN_SECONDS = 60.0


def find_account(
    kubeconfig: Path | None, context: str | None, environ: Mapping[str, str], *, pod: Path = SERVICE_ACCOUNT
) -> Account:
    """Return the account that kubectl would use: a kubeconfig if there is one, otherwise the pod's service account.

    Raises:
        ConfigurationError: there is neither, or the proxy cannot be used; the message says what to set.
    """
    account = _read_account(kubeconfig, context, environ, pod)
    proxy = account.proxy or find_proxy(account.server, environ)
    if proxy is not None and not proxy.startswith(("http://", "https://")):
        raise ConfigurationError(
            f"proxy-url, HTTPS_PROXY: unsupported proxy {proxy!r}; use one that begins with http://"
        )
    return replace(account, proxy=proxy)


def _read_account(kubeconfig: Path | None, context: str | None, environ: Mapping[str, str], pod: Path) -> Account:
    if kubeconfig is not None:
        return read_kubeconfig([kubeconfig], context)
    if named := environ.get("KUBECONFIG"):
        return read_kubeconfig([Path(part) for part in named.split(os.pathsep) if part], context)
    own = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    if own.exists():
        return read_kubeconfig([own], context)
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host or not (pod / "token").exists():
        raise ConfigurationError(
            f"no API server configured: set KUBECONFIG to a kubeconfig file, create {own}, or run in a pod with a "
            "service account"
        )
    namespace = pod / "namespace"
    return Account(
        server=f"https://{f'[{host}]' if ':' in host else host}:{port}",
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        authority=(pod / "ca.crt").read_bytes(),
        token_file=pod / "token",
    )


@dataclass(frozen=True, slots=True)
class _Issued:
    """What an exec plug-in has printed."""

    token: str | None
    certificate: bytes | None
    key: bytes | None
    expires: datetime | None


class Credentials:
    """Credentials of one account: its TLS context, and the headers that log a request in."""

    def __init__(self, account: Account, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.account = account
        self._monotonic = monotonic
        self._read_at: float | None = None
        self._token: str | None = None
        self._issued: _Issued | None = None
        self._latest: str | None = None
        self._lock = asyncio.Lock()

    async def ssl_context(self) -> ssl.SSLContext | None:
        """Return a context that verifies the server and has the client certificate; None for a server without TLS.

        A certificate from an exec plug-in is that of now: the client must be opened again when it expires.
        """
        account = self.account
        self._lock = asyncio.Lock()  # it belongs to one event loop, and the client may be opened again in another
        if not account.server.startswith("https:"):
            return None
        certificate, key = account.certificate, account.key
        if account.plugin is not None and certificate is None:
            issued = await self._issue(account.plugin)
            certificate, key = issued.certificate, issued.key
        authority = account.authority.decode() if account.authority is not None else None
        context = ssl.create_default_context(cadata=authority)
        if not account.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            _load_certificate(context, certificate, key)
        return context

    async def headers(self) -> list[tuple[str, str]]:
        """Return the headers of the next request."""
        self._latest = token = await self._current_token()
        return [*_authorization(token), *self.account.impersonate]

    def forget(self, refused: Sequence[tuple[str, str]]) -> None:
        """Load token or plug-in credentials again before the next request, because the server refused these headers.

        Nothing happens if they were loaded again since: of many requests at the same time, each is refused.
        """
        if all(header in refused for header in _authorization(self._latest)):
            self._read_at = self._issued = None

    async def _current_token(self) -> str | None:
        account = self.account
        if account.token_file is not None:
            now = self._monotonic()
            if self._read_at is None or now - self._read_at >= TOKEN_SECONDS:
                self._token, self._read_at = _read_token(account.token_file), now
            return self._token
        if account.token is not None or account.plugin is None:
            return account.token
        return (await self._issue(account.plugin)).token

    async def _issue(self, plugin: ExecPlugin) -> _Issued:
        """Return what the plug-in has printed, and run it again if that has expired."""
        async with self._lock:  # one program for any number of requests
            if self._issued is None or _has_expired(self._issued, datetime.now(UTC)):
                self._issued = read_credential(await _run(plugin, self.account), plugin.command)
            return self._issued


def _authorization(token: str | None) -> list[tuple[str, str]]:
    return [("Authorization", f"Bearer {token}")] if token else []


def read_credential(printed: bytes, command: str) -> _Issued:
    """Return the credentials in the output of an exec plug-in.

    Raises:
        ConfigurationError: the output is not an ExecCredential with a token or a certificate.
    """
    try:
        status: dict[str, Any] = json.loads(printed)["status"]
        expires = status.get("expirationTimestamp")
        issued = _Issued(
            token=status.get("token"),
            certificate=_encoded(status.get("clientCertificateData")),
            key=_encoded(status.get("clientKeyData")),
            expires=datetime.fromisoformat(expires).astimezone(UTC) if expires else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"user.exec.command: {command} has printed no ExecCredential: run it to see"
        ) from error
    if issued.token is None and issued.certificate is None:
        raise ConfigurationError(
            f"user.exec.command: {command} has printed neither token nor certificate: log in again"
        )
    return issued


async def _run(plugin: ExecPlugin, account: Account) -> bytes:
    """Run a plug-in without a terminal and return its output."""
    info: dict[str, Any] = {
        "apiVersion": plugin.api_version,
        "kind": "ExecCredential",
        "spec": {"interactive": False}
        | ({"cluster": {"server": account.server}} if plugin.provide_cluster_info else {}),
    }
    environment = os.environ | dict(plugin.environment) | {"KUBERNETES_EXEC_INFO": json.dumps(info)}
    try:
        process = await asyncio.create_subprocess_exec(
            plugin.command,
            *plugin.arguments,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
    except OSError as error:
        hint = f": {plugin.install_hint}" if plugin.install_hint else ": install it, or use a token"
        raise ConfigurationError(
            f"user.exec.command: cannot start {plugin.command} ({error.strerror}){hint}"
        ) from error
    try:
        out, err = await asyncio.wait_for(process.communicate(), PLUGIN_SECONDS)
    except TimeoutError:
        raise ConfigurationError(
            f"user.exec.command: {plugin.command} has not ended within {PLUGIN_SECONDS:.0f} s: run it in a terminal"
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        told = err.decode(errors="replace").strip()
        raise ConfigurationError(f"user.exec.command: {plugin.command} ended with {process.returncode}: {told}")
    return out


def _has_expired(issued: _Issued, now: datetime) -> bool:
    return issued.expires is not None and (issued.expires - now).total_seconds() <= EXPIRY_MARGIN_SECONDS


def _read_token(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"tokenFile: cannot read {path}: {error}") from error


def _load_certificate(context: ssl.SSLContext, certificate: bytes, key: bytes | None) -> None:
    """Load a client certificate; ``ssl`` reads it only from a file, which exists for just that time."""
    with tempfile.NamedTemporaryFile(prefix="taskaction-client-") as file:
        file.write(certificate + b"\n" + (key or b""))
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"client-certificate, client-key: not a certificate with its key as PEM: {error.reason or error}"
            ) from error


def _encoded(text: str | None) -> bytes | None:
    return text.encode() if text is not None else None
