"""Rules for requests of browsers: hosts, origins, cookies, and the headers of every response; pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from taskaction.services.console.errors import PageError

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types console"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class BrowserRules:
    """Rules for the browsers of one console.

    Attributes:
        hosts: accepted values of the header Host; empty accepts any.
        secure: whether cookies are sent over TLS only.
    """

    hosts: frozenset[str] = frozenset()
    secure: bool = False

    @classmethod
    def for_url(cls, url: str | None) -> "BrowserRules":
        """Return the rules of a console that browsers reach at a URL; None accepts any host."""
        if url is None:
            return cls()
        parts = urlsplit(url)
        return cls(frozenset({parts.netloc.lower()}), parts.scheme == "https")

    @property
    def cookie(self) -> str:
        """Name of the cookie; with TLS, its prefix makes browsers refuse one that another host has set."""
        return "__Host-taskaction" if self.secure else "taskaction"

    def check_host(self, host: str) -> None:
        """Refuse a request for another host, whose name an attacker may have pointed at this address."""
        if self.hosts and host.lower() not in self.hosts:
            raise PageError(HTTPStatus.MISDIRECTED_REQUEST, f"use one of these hosts: {', '.join(sorted(self.hosts))}")

    def check_origin(self, headers: Mapping[str, str]) -> None:
        """Refuse a form that a page of another origin sends."""
        origin = urlsplit(headers.get("Origin", ""))
        if not origin.netloc or origin.netloc.lower() != headers.get("Host", "").lower():
            raise PageError(HTTPStatus.FORBIDDEN, "the form comes from another origin: send it from the console's page")


def comes_from_elsewhere(headers: Mapping[str, str]) -> bool:
    """Whether a link of another site led here, so that the browser has not sent the cookie."""
    return headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Mode", "navigate") == "navigate"
