"""Kubeconfig files: which server, which account; reads files, connects to nothing."""

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taskaction_client.errors import ConfigurationError

Section = Mapping[str, Any]
_EXEC_API = "client.authentication.k8s.io/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecPlugin:
    """Program that prints credentials, as client-go calls it.

    Attributes:
        provide_cluster_info: whether the program gets the server's address in ``KUBERNETES_EXEC_INFO``.
    """

    command: str
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    api_version: str = _EXEC_API
    install_hint: str = ""
    provide_cluster_info: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A server, and how to log in there.

    Attributes:
        authority: CA certificates as PEM; None for those of the system.
        verify: whether the server's certificate is verified.
        certificate: client certificate as PEM, with ``key``.
        impersonate: request headers that let the account act as another one.
    """

    server: str
    namespace: str = "default"
    authority: bytes | None = None
    verify: bool = True
    server_name: str | None = None
    proxy: str | None = None
    certificate: bytes | None = None
    key: bytes | None = None
    token: str | None = None
    token_file: Path | None = None
    plugin: ExecPlugin | None = None
    impersonate: tuple[tuple[str, str], ...] = ()


def read_kubeconfig(paths: Sequence[Path], context: str | None = None) -> Account:
    """Return the account of a context, by default of the current one.

    Several files are merged as kubectl does: the first one that names a cluster, user or context wins.

    Raises:
        ConfigurationError: a file cannot be read or has no such context; the message names the field and the remedy.
    """
    files = [(path, _load(path)) for path in paths if path.exists()]
    if not files:
        raise ConfigurationError(
            f"kubeconfig {', '.join(map(str, paths))} not found: set KUBECONFIG to an existing file"
        )
    chosen = context or next((str(name) for _, file in files if (name := file.get("current-context"))), None)
    if chosen is None:
        raise ConfigurationError(f"{files[0][0]}: current-context is not set: set it, or name a context")
    _, link = _find(files, "contexts", "context", chosen)
    cluster_folder, cluster = _find(files, "clusters", "cluster", str(link.get("cluster", "")))
    user_folder, user = _find(files, "users", "user", str(link["user"])) if link.get("user") else (Path(), {})
    if not cluster.get("server"):
        raise ConfigurationError(f"kubeconfig: clusters[{link.get('cluster')}].cluster.server is not set: set the URL")
    if not str(cluster["server"]).startswith(("https://", "http://")):
        raise ConfigurationError(
            f"kubeconfig: clusters[{link.get('cluster')}].cluster.server: invalid URL {cluster['server']!r}; begin it "
            "with https://"
        )
    if user.get("auth-provider") or user.get("username"):
        raise ConfigurationError(
            f"kubeconfig: users[{link['user']}].user: auth-provider and username are not supported by Kubernetes any "
            "more: use exec, token, tokenFile or a client certificate"
        )
    token_file = user.get("tokenFile")
    return Account(
        server=str(cluster["server"]).rstrip("/"),
        namespace=str(link.get("namespace") or "default"),
        authority=_content(cluster, "certificate-authority", cluster_folder),
        verify=not cluster.get("insecure-skip-tls-verify", False),
        server_name=cluster.get("tls-server-name") or None,
        proxy=cluster.get("proxy-url") or None,
        certificate=_content(user, "client-certificate", user_folder),
        key=_content(user, "client-key", user_folder),
        token=user.get("token") or None,
        token_file=user_folder / token_file if token_file else None,
        plugin=_read_plugin(user["exec"], user_folder) if user.get("exec") else None,
        impersonate=tuple(_impersonation(user)),
    )


def _load(path: Path) -> Section:
    import yaml  # noqa: PLC0415 - a pod with a service account never needs it

    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: not a readable kubeconfig: {error}") from error
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{path}: not a kubeconfig: clusters, contexts and users are missing")
    return content


def _find(files: Iterable[tuple[Path, Section]], plural: str, singular: str, name: str) -> tuple[Path, Section]:
    """Return the entry with a name, and the folder to which its paths are relative."""
    known: list[str] = []
    for path, file in files:
        for entry in file.get(plural) or ():
            found = entry.get(singular) or {} if isinstance(entry, Mapping) else None
            if not isinstance(found, Mapping):
                raise ConfigurationError(f"{path}: {plural}: each entry must have the fields name and {singular}")
            if entry.get("name") == name:
                return path.parent, found
            known.append(str(entry.get("name")))
    raise ConfigurationError(f"kubeconfig: {singular} {name!r} not found in {plural}; use one of: {', '.join(known)}")


def _content(section: Section, name: str, folder: Path) -> bytes | None:
    """Return what a field holds as base64, or what is in the file that it names."""
    if data := section.get(f"{name}-data"):
        try:
            return bytes(base64.b64decode(data, validate=True))
        except (binascii.Error, TypeError, ValueError) as error:
            raise ConfigurationError(f"kubeconfig: {name}-data: not base64: {error}") from error
    if not (path := section.get(name)):
        return None
    try:
        return (folder / str(path)).read_bytes()
    except OSError as error:
        raise ConfigurationError(f"kubeconfig: {name}: cannot read {folder / path}: {error.strerror}") from error


def _read_plugin(section: Section, folder: Path) -> ExecPlugin:
    command = str(section.get("command") or "")
    if not command:
        raise ConfigurationError("kubeconfig: user.exec.command is not set: name the program that prints credentials")
    if section.get("interactiveMode") == "Always":
        raise ConfigurationError(
            "kubeconfig: user.exec.interactiveMode: Always requires a terminal: use IfAvailable, or a token"
        )
    return ExecPlugin(
        command=str(folder / command) if "/" in command else command,
        arguments=tuple(str(one) for one in section.get("args") or ()),
        environment={str(one["name"]): str(one["value"]) for one in section.get("env") or ()},
        api_version=str(section.get("apiVersion") or _EXEC_API),
        install_hint=str(section.get("installHint") or ""),
        provide_cluster_info=bool(section.get("provideClusterInfo", False)),
    )


def _impersonation(user: Section) -> Iterable[tuple[str, str]]:
    if user.get("as"):
        yield "Impersonate-User", str(user["as"])
    if user.get("as-uid"):
        yield "Impersonate-Uid", str(user["as-uid"])
    for group in user.get("as-groups") or ():
        yield "Impersonate-Group", str(group)
    for name, values in (user.get("as-user-extra") or {}).items():
        for value in values:
            yield f"Impersonate-Extra-{name}", str(value)
