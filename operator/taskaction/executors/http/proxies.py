"""Proxies to targets by the usual environment variables: which one a URL goes through; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network

from yarl import URL

from taskaction.executors.http.settings import HttpSettings


@dataclass(frozen=True, slots=True)
class Proxies:
    """Proxy of each scheme, and the targets that need none."""

    by_scheme: Mapping[str, URL] = field(default_factory=dict, repr=False)
    bypassed: tuple[str, ...] = ()

    @classmethod
    def from_settings(cls, settings: HttpSettings, environment: Mapping[str, str]) -> "Proxies":
        """Return the proxies by the settings, otherwise by HTTPS_PROXY, HTTP_PROXY and NO_PROXY."""
        usual = {scheme: _variable(environment, f"{scheme}_proxy") for scheme in ("http", "https")}
        own = settings.proxy.get_secret_value() if settings.proxy is not None else ""
        found = {scheme: URL(own or text) for scheme, text in usual.items() if own or text}
        listed = settings.no_proxy
        if listed is None:
            listed = tuple(word.strip() for word in _variable(environment, "no_proxy").split(",") if word.strip())
        return cls(found, listed)

    def find(self, target: URL) -> URL | None:
        """Return the proxy for ``target``; None for a direct connection."""
        proxy = self.by_scheme.get(target.scheme)
        if proxy is None or any(_covers(entry.lower(), target) for entry in self.bypassed):
            return None
        return proxy


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.upper()) or environment.get(name, "")


def _covers(entry: str, target: URL) -> bool:
    """Whether an entry of NO_PROXY covers the target, in the way of curl and Go."""
    host = (target.host or "").lower().rstrip(".")
    if entry == "*":
        return True
    try:
        return ip_address(host) in ip_network(entry)
    except ValueError:
        pass  # one of them is a name
    name, colon, port = entry.rpartition(":")
    if colon and port.isdecimal():
        if target.port != int(port):
            return False
        entry = name
    entry = entry.removeprefix("*").removeprefix(".")
    return host == entry or host.endswith(f".{entry}")
