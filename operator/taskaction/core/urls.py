"""Check of the HTTP URLs that users write in parameters, configurations, flows and settings; pure."""

from urllib.parse import urlsplit

_USE = "use e.g. https://host.example.org:8443/path"


def check_url(url: str) -> str:
    """Return ``url``; raise ``ValueError`` with an example if no request can be sent to it."""
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"must begin with http:// or https://; {_USE}")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = "", 0
    place = url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    place = place.rpartition("@")[2]  # user and password are not shown
    if not place or place.startswith(":"):
        raise ValueError(f"must name a host; {_USE}")
    if not host or port == 0 or any(character.isspace() for character in place):
        raise ValueError(f'invalid host or port "{place}"; {_USE}')
    return url
