"""The request that follows a redirect, by RFC 9110, section 15.4; private parts stay at their origin; pure."""

from dataclasses import replace
from urllib.parse import quote, urljoin

from yarl import URL

from taskaction.executors.http.request import SAFELISTED, HttpResponse, PreparedRequest
from taskaction.plugin.errors import ActionExecutionError

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOVED = frozenset({301, 302})
_SEE_OTHER = 303
_CONTENT_PREFIX = "content-"
_URL_CHARACTERS = "".join(map(chr, range(0x21, 0x7F)))


def follow_redirect(request: PreparedRequest, response: HttpResponse) -> PreparedRequest | None:
    """Return the request that ``response`` redirects to; None if it is the final response.

    A redirect that must not be followed is a final response, too: see ``describe_redirect``.

    Raises:
        ActionExecutionError: the redirect is invalid, which is an error of the target.
    """
    there = _target(request, response)
    if there is None or _refusal(request, response, there):
        return None
    following = replace(request, url=there)
    if response.code == _SEE_OTHER and request.method != "HEAD":
        headers = {name: value for name, value in request.headers.items() if not _is_about_content(name)}
        following = replace(following, method="GET", body=None, headers=headers)
    if not _is_same_site(request.url, there):
        public = SAFELISTED | request.public_headers | ({"content-type"} if following.body is not None else set())
        headers = {name: value for name, value in following.headers.items() if name.lower() in public}
        following = replace(following, headers=headers)
    return following


def describe_redirect(request: PreparedRequest, response: HttpResponse) -> str:
    """Return why a redirect was not followed and where it leads; empty if the response is not such a redirect."""
    there = _target(request, response)
    refusal = _refusal(request, response, there) if there is not None else ""
    return f"redirected to {there}; {refusal}" if refusal else ""


def origin(url: str) -> tuple[str, str, int | None]:
    """Return the origin that private headers and bodies belong to: scheme, host and port."""
    parts = URL(url)
    return parts.scheme, (parts.host or "").lower(), parts.port


def _target(request: PreparedRequest, response: HttpResponse) -> str | None:
    location = response.headers.get("location")
    if response.code not in _REDIRECTS or location is None:
        return None
    try:
        # Servers send UTF-8 where RFC 3986 asks for percent-encoding.
        there = URL(urljoin(request.url, quote(location.encode("latin-1"), safe=_URL_CHARACTERS)), encoded=True)
        valid = there.scheme in {"http", "https"} and bool(there.host) and bool(there.port)
    except ValueError as error:
        raise ActionExecutionError(f"invalid redirect: {error}") from error
    if not valid:
        raise ActionExecutionError("invalid redirect: must begin with http:// or https:// and name a host")
    return str(there)


def _refusal(request: PreparedRequest, response: HttpResponse, there: str) -> str:
    """Return why the redirect must not be followed, and the remedy; empty if it may be."""
    if response.code in _MOVED and request.method == "POST":
        return "a POST would become a GET without effect: set url to this address"
    if request.body is not None and response.code != _SEE_OTHER and not _is_same_site(request.url, there):
        return "the body is not sent to another origin: set url to this address"
    return ""


def _is_same_site(url: str, there: str) -> bool:
    """Whether private headers and bodies may follow: the same origin, or its encrypted form at the usual ports."""
    one, other = origin(url), origin(there)
    return one == other or (one == ("http", one[1], 80) and other == ("https", one[1], 443))


def _is_about_content(name: str) -> bool:
    return name.lower().startswith(_CONTENT_PREFIX)
