"""Proxy to the API server by the usual environment variables, as kubectl chooses it; pure."""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit

_PORTS = {"http": 80, "https": 443}


def find_proxy(server: str, environ: Mapping[str, str]) -> str | None:
    """Return the proxy of HTTPS_PROXY or HTTP_PROXY for a server, unless NO_PROXY names it or it is this machine."""
    target = urlsplit(server)
    proxy = _variable(environ, f"{target.scheme}_proxy")
    if not proxy or _is_local(target.hostname or ""):
        return None
    listed = (entry.strip().lower() for entry in _variable(environ, "no_proxy").split(","))
    return None if any(_covers(entry, target) for entry in listed if entry) else proxy


def _variable(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name.upper()) or environ.get(name, "")


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _covers(entry: str, target: SplitResult) -> bool:
    """Whether an entry of NO_PROXY covers a server: a name with those below it, an address, or a network."""
    host = (target.hostname or "").rstrip(".")
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        pass  # one of them is a name
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal():
        if (target.port or _PORTS[target.scheme]) != int(port):
            return False
        entry = name
    entry = entry.removeprefix("*")
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")
