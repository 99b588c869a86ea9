"""The proxy to the API server is the one that kubectl would use."""

import pytest

from taskaction_client.proxies import find_proxy

PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        ("https://one:6443", {}, None),
        ("https://one:6443", {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://one:6443", {"https_proxy": PROXY}, PROXY),
        ("https://one:6443", {"HTTP_PROXY": PROXY}, None),
        ("http://one:8080", {"HTTP_PROXY": PROXY}, PROXY),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://127.0.0.7:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_the_proxy_depends_on_the_scheme_and_not_on_this_machine(
    server: str, environ: dict[str, str], expected: str | None
) -> None:
    assert find_proxy(server, environ) == expected


@pytest.mark.parametrize(
    ("host", "no_proxy", "is_direct"),
    [
        ("api.team.example", "*", True),
        ("api.team.example", "other.example, team.example", True),
        ("api.team.example", ".team.example", True),
        ("api.team.example", "*.Team.example", True),
        ("team.example", "team.example", True),
        ("team.example", ".team.example", False),
        ("myteam.example", "team.example", False),
        ("team.example", "team.example:6443", True),
        ("team.example", "team.example:443", False),
        ("team.example", " , ,", False),
        ("10.1.2.3", "10.0.0.0/8", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("[fd00::1]", "fd00::/8", True),
        ("[fd00::1]", "10.0.0.0/8", False),
    ],
)
def test_no_proxy_names_servers_that_are_reached_directly(host: str, no_proxy: str, *, is_direct: bool) -> None:
    environ = {"HTTPS_PROXY": PROXY, "NO_PROXY": no_proxy}
    assert find_proxy(f"https://{host}:6443", environ) == (None if is_direct else PROXY)


def test_the_port_of_a_server_without_one_is_that_of_its_scheme() -> None:
    assert find_proxy("https://team.example", {"HTTPS_PROXY": PROXY, "NO_PROXY": "team.example:443"}) is None
