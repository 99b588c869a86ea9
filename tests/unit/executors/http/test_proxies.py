"""The way through a proxy: which targets take it, and that the address rules hold on it, too."""

import ssl
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from cluster.certificates import Authority
from support.raw_target import RawTarget, forward_proxy, raw_target, response
from support.runs import run, toolbox
from taskaction.core.errors import ConfigurationError
from taskaction.executors.http import HttpExecutor
from taskaction.executors.http.proxies import Proxies
from taskaction.executors.http.settings import HttpSettings
from taskaction.lifecycle.outcomes import Succeeded
from taskaction.plugin.addresses import AddressPolicy
from taskaction.plugin.errors import AddressDeniedError, TransientError
from taskaction.plugin.settings import SettingsReader

OK = {"status": 200, "body": {}}
LOOPBACK = AddressPolicy((ip_network("127.0.0.0/8"), ip_network("::1")))


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def certified(authority: Authority, tmp_path: Path) -> Iterator[RawTarget]:
    """A target with TLS, whose certificate is for `localhost` only."""
    pair = authority.server("localhost", ["localhost"])
    (tmp_path / "cert.pem").write_bytes(pair.certificate)
    (tmp_path / "key.pem").write_bytes(pair.key)
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with raw_target(lambda _: response(), tls) as serving:
        yield serving


async def fetched(environment: dict[str, str], url: str, addresses: AddressPolicy = LOOPBACK) -> Any:
    executor = HttpExecutor.build(toolbox(addresses=addresses, settings=SettingsReader(environment)))
    try:
        return await executor.execute(run({"url": url}))
    finally:
        await executor.close()


@pytest.mark.parametrize("variable", ["TASKACTION_HTTP_PROXY", "HTTP_PROXY", "http_proxy"])
async def test_r09_a_proxy_gets_the_checked_address_and_the_target_its_name(variable: str) -> None:
    with raw_target(lambda _: response()) as target, forward_proxy() as (proxy, lines):
        outcome = await fetched({variable: proxy}, f"http://localhost:{target.port}/it?a=1")
    assert outcome == Succeeded(output=OK)
    assert lines[0] in {f"GET http://127.0.0.1:{target.port}/it?a=1", f"GET http://[::1]:{target.port}/it?a=1"}
    assert target.received[0].header("Host") == f"localhost:{target.port}"


@pytest.mark.parametrize("variable", ["TASKACTION_HTTP_PROXY", "HTTPS_PROXY"])
async def test_r09_the_certificate_is_checked_by_the_name_through_a_tunnel(
    certified: RawTarget, tmp_path: Path, variable: str
) -> None:
    with forward_proxy() as (proxy, lines):
        environment = {variable: proxy, "TASKACTION_HTTP_CA_FILE": str(tmp_path / "ca.pem")}
        outcome = await fetched(environment, f"https://localhost:{certified.port}/it")
    assert outcome == Succeeded(output=OK)
    assert lines[0].startswith("CONNECT ")


async def test_r09_an_authority_of_ones_own_is_trusted_where_the_setting_names_it(
    certified: RawTarget, tmp_path: Path
) -> None:
    url = f"https://localhost:{certified.port}/it"
    with pytest.raises(TransientError, match="unable to get local issuer certificate"):
        await fetched({}, url)
    assert await fetched({"TASKACTION_HTTP_CA_FILE": str(tmp_path / "ca.pem")}, url) == Succeeded(output=OK)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_r09_the_address_rules_hold_through_a_proxy(host: str) -> None:
    with forward_proxy() as (proxy, lines), pytest.raises(AddressDeniedError):
        await fetched({"TASKACTION_HTTP_PROXY": proxy}, f"http://{host}:9/", AddressPolicy())
    assert lines == []


BYPASSES = [
    ("*", "http://a.example/", True),
    ("example.com", "http://example.com/", True),
    ("example.com", "http://api.EXAMPLE.com/", True),
    (".example.com", "http://api.example.com/", True),
    ("*.example.com", "http://api.example.com/", True),
    ("example.com", "http://notexample.com/", False),
    ("example.com:8080", "http://example.com:8080/", True),
    ("example.com:8080", "http://example.com/", False),
    ("10.0.0.0/8", "http://10.1.2.3/", True),
    ("10.0.0.0/8", "http://11.1.2.3/", False),
    ("10.1.2.3", "http://10.1.2.3/", True),
    ("fd00::/8", "http://[fd00::1]/", True),
    ("svc", "http://hooks.team.svc/", True),
    ("", "http://a.example/", False),
]


@pytest.mark.parametrize("variable", ["TASKACTION_HTTP_NO_PROXY", "NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(("listed", "url", "direct"), BYPASSES)
def test_r09_no_proxy_is_read_as_curl_and_go_read_it(listed: str, url: str, direct: bool, variable: str) -> None:
    environment = {"HTTP_PROXY": "http://proxy:3128", variable: f"other.example, {listed}"}
    found = Proxies.from_settings(HttpSettings.from_environment(environment), environment).find(URL(url))
    assert found == (None if direct else URL("http://proxy:3128"))


def test_r09_the_settings_win_over_the_usual_variables() -> None:
    environment = {
        "TASKACTION_HTTP_PROXY": "http://own:1",
        "TASKACTION_HTTP_NO_PROXY": "",
        "HTTPS_PROXY": "http://usual:2",
        "NO_PROXY": "*",
    }
    proxies = Proxies.from_settings(HttpSettings.from_environment(environment), environment)
    assert proxies.find(URL("https://a.example/")) == URL("http://own:1")
    assert proxies.find(URL("http://a.example/")) == URL("http://own:1")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("PROXY", "proxy:3128", "use a URL such as http://proxy.example.org:3128"),
        ("PROXY", "http://user:word@[", "use a URL such as"),
        ("CA_FILE", "/nowhere.pem", "use a file with certificates in PEM form"),
        ("CA_FILE", "/dev/null", "use a file with certificates in PEM form"),
    ],
)
def test_r09_a_wrong_setting_is_named_and_shows_no_password(name: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        HttpSettings.from_environment({f"TASKACTION_HTTP_{name}": value})
    assert f"TASKACTION_HTTP_{name}: invalid value" in str(refusal.value)
    assert told in str(refusal.value)
    assert "word" not in str(refusal.value)
